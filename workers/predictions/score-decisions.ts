import { fraudModel } from '@tributary/models';
import type { Clock } from '@tributary/platform/clock';
import type { LiveBus } from '@tributary/platform/live-bus';
import type { ModelRuntime } from '@tributary/platform/model-runtime';
import type { Warehouse } from '@tributary/platform/warehouse';
import { fraudFrom } from '@tributary/subgraphs/predictions/domain';
import type { Decision, DecisionReader, StoredDecision } from './decision-reader.ts';
import { fraudFeaturesOf } from './fraud-features.ts';
import { writePredictions } from './prediction-writer.ts';

/** The newest revision of each install among decisions. */
export function newestRevisions(decisions: readonly StoredDecision[]): readonly StoredDecision[] {
  const newest = new Map<string, StoredDecision>();
  for (const decision of decisions) {
    const held = newest.get(decision.installId);
    if (!held || held.revision <= decision.revision) newest.set(decision.installId, decision);
  }
  return [...newest.values()];
}

/** Decisions by app; an app belongs to one tenant. */
export function byApp(decisions: readonly Decision[]): readonly (readonly Decision[])[] {
  return [...Map.groupBy(decisions, (one) => JSON.stringify([one.tenantId, one.appId])).values()];
}

/** Scores and stores the fraud of decisions of one app, and tells the live bus of what is flagged. */
export async function scoreFraudOf(
  deps: {
    readonly warehouse: Warehouse;
    readonly reader: DecisionReader;
    readonly runtime: ModelRuntime;
    readonly liveBus: LiveBus;
    readonly clock: Clock;
  },
  decisions: readonly Decision[],
): Promise<void> {
  const { facts, bursts } = await deps.reader.readInstallFacts(decisions);
  const rows = decisions.map((one) => fraudFeaturesOf(one, facts.get(one.installId), bursts));
  const startedAt = performance.now();
  const outputs = await deps.runtime.score(fraudModel.name, rows);
  const latencyUs = ((performance.now() - startedAt) * 1_000) / rows.length;
  const scored = decisions.map((one, index) => ({
    tenantId: one.tenantId,
    appId: one.appId,
    installId: one.installId,
    installedAt: one.installedAt,
    currency: '',
    horizonDays: 0,
    output: outputs[index]!,
  }));
  // Taken just before the write: who follows the scores reads them in the order of this time, a little behind now.
  const scoredAt = deps.clock.now();
  await writePredictions(deps.warehouse, fraudModel, scored, { scoredAt, latencyUs });
  for (const { tenantId, appId, installId, output } of scored) {
    if (output.value < fraudFrom) continue;
    deps.liveBus.publish('fraud.flagged', { tenantId, appId, installId, score: output.value, at: scoredAt });
  }
}
