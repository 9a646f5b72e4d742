import type { Clock } from '@tributary/platform/clock';
import type { Directory } from '@tributary/platform/directory';
import type { LiveBus } from '@tributary/platform/live-bus';
import type { Logger } from '@tributary/platform/logger';
import type { ModelRuntime } from '@tributary/platform/model-runtime';
import type { Warehouse } from '@tributary/platform/warehouse';
import { createPosition } from '../src/position.ts';
import { createDecisionReader, type DecisionCursor, parseDecision, type StoredDecision } from './decision-reader.ts';
import { byApp, newestRevisions, scoreFraudOf } from './score-decisions.ts';
import type { LtvScorer } from './score-ltv.ts';

export interface PassDeps {
  readonly warehouse: Warehouse;
  readonly directory: Directory;
  readonly clock: Clock;
  readonly liveBus: LiveBus;
  readonly logger: Logger;
  readonly ltv: LtvScorer;
}

/** What a pass shares with its loop. */
export interface LoopState {
  /** Asked between pages: a pass ends early, to be repeated, when true. */
  stopped(): boolean;
  /** Told after each page. */
  progress(): void;
}

const decisionsPerPage = 5_000;
/** Rows become visible some time after the time they are stamped with; reading goes back by this much each time. */
const overlapMs = 120_000;
const rescoreEveryMs = 60_000;

const keyOf = (decision: StoredDecision) => `${decision.installId} ${decision.revision}`;

/** Decisions scored within the overlap: read again, not scored again. */
function createSeen() {
  const seen = new Map<string, number>();
  return {
    isFresh: (decision: StoredDecision) => !seen.has(keyOf(decision)),
    remember(decisions: readonly StoredDecision[], oldestMs: number) {
      for (const [key, at] of seen) if (at < oldestMs) seen.delete(key);
      for (const one of decisions) if (one.decidedAt >= oldestMs) seen.set(keyOf(one), one.decidedAt);
    },
  };
}

/** Scores fraud and value of a page of decisions, app by app. */
function createPageScorer(deps: PassDeps & { readonly runtime: ModelRuntime }) {
  const { warehouse, directory, clock, logger, runtime, ltv, liveBus } = deps;
  const reader = createDecisionReader(warehouse);
  const score = async (decisions: readonly StoredDecision[]) => {
    for (const ofApp of byApp(newestRevisions(decisions).map(parseDecision))) {
      await scoreFraudOf({ warehouse, reader, runtime, liveBus, clock }, ofApp);
      const { appId, tenantId } = ofApp[0]!;
      const app = directory.current().apps.find((one) => one.appId === appId && one.tenantId === tenantId);
      if (!app) {
        logger.warn(
          { appId },
          'no value is predicted for an app that the directory lacks; a sweep follows once it is there',
        );
        continue;
      }
      const times = ofApp.map((one) => one.decidedAt);
      await ltv.scoreDecided(app, { fromMs: Math.min(...times), toMs: Math.max(...times) });
    }
  };
  return { reader, score };
}

/** The pass over everything decided since the position kept in the warehouse. It returns how many decisions were scored. */
export function createDecisionPass(
  deps: PassDeps & { readonly runtime: ModelRuntime },
  loop: LoopState,
): () => Promise<number> {
  const { warehouse, clock, logger } = deps;
  const { reader, score } = createPageScorer(deps);
  const position = createPosition(warehouse, 'predictions');
  const seen = createSeen();
  let readTo: number | null = null;
  const scorePage = async (fresh: readonly StoredDecision[], before: number): Promise<number> => {
    await score(fresh);
    // A decision dated in the future must not carry the position past those that come.
    const reached = Math.max(before, Math.min(clock.now(), fresh.at(-1)!.decidedAt));
    seen.remember(fresh, reached - overlapMs);
    if (reached > before) await position.write(reached);
    logger.debug({ decisions: fresh.length }, 'scored installs');
    return reached;
  };
  return async () => {
    readTo ??= await position.read();
    let count = 0;
    let cursor: DecisionCursor = { decidedAt: Math.max(0, readTo - overlapMs), installId: '', revision: 0 };
    while (!loop.stopped()) {
      const page = await reader.readDecisions(cursor, decisionsPerPage);
      const fresh = page.filter(seen.isFresh);
      if (fresh.length > 0) readTo = await scorePage(fresh, readTo);
      count += fresh.length;
      loop.progress();
      const last = page.at(-1);
      if (!last || page.length < decisionsPerPage) break;
      cursor = { decidedAt: last.decidedAt, installId: last.installId, revision: last.revision };
    }
    return count;
  };
}

/** The pass, once a minute, over installs whose revenue changed. It returns how many were scored; 0 when it is not due. */
export function createRescorePass(deps: PassDeps, loop: LoopState): () => Promise<number> {
  const { warehouse, directory, clock, ltv } = deps;
  const position = createPosition(warehouse, 'predictions-revenue');
  let readTo: number | null = null;
  let ranAt = 0;
  return async () => {
    const now = clock.now();
    if (now - ranAt < rescoreEveryMs) return 0;
    readTo ??= await position.read();
    const span = { fromMs: Math.max(0, readTo - overlapMs), toMs: now };
    let count = 0;
    for (const app of directory.current().apps) {
      if (loop.stopped()) return count;
      count += await ltv.rescore(app, span);
      loop.progress();
    }
    await position.write(now);
    readTo = now;
    ranAt = now;
    return count;
  };
}
