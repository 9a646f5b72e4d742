import { defineQuery, timeParam, type Warehouse } from '@tributary/platform/warehouse';
import type { InstallAttribution } from '@tributary/schema';
import type { InstallDecision } from '@tributary/subgraphs/attribution/domain';
import { z } from 'zod';
import type { AppRange } from './event-reader.ts';

/**
 * Grain: install. Ordering key: app, install. Scan: the granules of the installs asked for. A revision that was written
 * twice counts once: the later one.
 */
const activeQuery = defineQuery({
  name: 'attribution_active_decisions',
  timeoutMs: 60_000,
  sql: `
    SELECT install_id AS installId, max(d.revision) AS latest, argMax(d.verdict, (d.revision, d.decided_at)) AS verdictNow,
      argMax(d.rule, (d.revision, d.decided_at)) AS ruleNow, argMax(d.campaign_id, (d.revision, d.decided_at)) AS campaignNow,
      argMax(d.touchpoint_id, (d.revision, d.decided_at)) AS touchpointNow
    FROM install_attributions AS d
    WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND install_id IN {installIds:Array(String)}
      AND installed_at >= ${timeParam('fromMs')} AND installed_at <= ${timeParam('toMs')}
    GROUP BY install_id`,
  params: z.object({
    tenantId: z.string().min(1),
    appId: z.string().min(1),
    fromMs: z.number(),
    toMs: z.number(),
    installIds: z.array(z.string()).min(1),
  }),
  row: z
    .object({
      installId: z.string(),
      latest: z.number(),
      verdictNow: z.enum(['install', 'reinstall']),
      ruleNow: z.string() as unknown as z.ZodType<InstallAttribution['rule']>,
      campaignNow: z.string(),
      touchpointNow: z.string(),
    })
    .transform((row) => ({
      installId: row.installId,
      revision: row.latest,
      verdict: row.verdictNow,
      rule: row.ruleNow,
      campaignId: row.campaignNow || null,
      touchpointId: row.touchpointNow || null,
    })),
});

/** What is known of the decision in force about an install: enough to tell whether another says the same. */
export type ActiveDecision = Pick<
  InstallAttribution,
  'installId' | 'revision' | 'verdict' | 'rule' | 'campaignId' | 'touchpointId'
>;

export interface DecisionStore {
  /** Decisions in force by install id; an undecided install is absent. `range` must hold the installs' times. */
  readActive(range: AppRange, installIds: readonly string[]): Promise<ReadonlyMap<string, ActiveDecision>>;
  write(decisions: readonly InstallAttribution[]): Promise<void>;
}

export function createDecisionStore(warehouse: Warehouse): DecisionStore {
  return {
    async readActive(range, installIds) {
      const rows = await warehouse.query(activeQuery, { ...range, installIds: [...installIds] });
      return new Map(rows.map((row) => [row.installId, row]));
    },
    write: (decisions) =>
      warehouse.insertRows({
        name: 'attribution_write_decisions',
        table: 'install_attributions',
        rows: decisions.map(rowOf),
      }),
  };
}

/** The decision as the next revision of an install. */
export function numbered(
  decision: InstallDecision,
  active: ActiveDecision | undefined,
  decidedAt: number,
): InstallAttribution {
  if (!active) return { ...decision, revision: 1, trigger: 'install', decidedAt };
  const touchpointChanged = active.touchpointId !== decision.touchpointId || active.rule !== decision.rule;
  return {
    ...decision,
    revision: active.revision + 1,
    // Else what changed is the verdict: an earlier install of the device came to light.
    trigger: touchpointChanged ? 'late_touchpoint' : 'rebuild',
    decidedAt,
  };
}

function rowOf(decision: InstallAttribution): object {
  return {
    tenant_id: decision.tenantId,
    app_id: decision.appId,
    install_id: decision.installId,
    revision: decision.revision,
    device_key: decision.deviceKey,
    installed_at: decision.installedAt,
    decided_at: decision.decidedAt,
    verdict: decision.verdict,
    trigger: decision.trigger,
    rule: decision.rule,
    campaign_id: decision.campaignId ?? '',
    network: decision.network ?? '',
    touchpoint_id: decision.touchpointId ?? '',
    ctit_seconds: decision.ctitSeconds,
    country: decision.country ?? '',
    platform: decision.platform ?? '',
    candidates: JSON.stringify(decision.candidates),
  };
}
