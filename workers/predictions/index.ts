import { createRulesRuntime } from '@tributary/models';
import type { Clock } from '@tributary/platform/clock';
import type { Directory } from '@tributary/platform/directory';
import type { LiveBus } from '@tributary/platform/live-bus';
import type { Logger } from '@tributary/platform/logger';
import type { ModelRuntime } from '@tributary/platform/model-runtime';
import type { Warehouse } from '@tributary/platform/warehouse';
import { CodedError, type Config } from '@tributary/schema';
import { createWake } from '../src/wake.ts';
import { createLtvReader } from './ltv-reader.ts';
import { createDecisionPass, createRescorePass, type LoopState } from './passes.ts';
import { createLtvScorer } from './score-ltv.ts';

export interface PredictionsWorkerDeps {
  readonly warehouse: Warehouse;
  readonly directory: Directory;
  readonly liveBus: LiveBus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly config: Config;
  /** Default: the rules of @tributary/models. Disposed of with the worker. */
  readonly runtime?: ModelRuntime;
}

/** A loop that scores what attribution decided. */
export interface PredictionsWorker {
  /** Resolves once it listens and runs; the first pass goes on behind. */
  start(): Promise<void>;
  /** Rejects with NOT_READY while it hasn't got through a page for a minute. */
  ready(): Promise<void>;
  /** Scores all that is decided and due now; for tests and tools. Not beside a started loop. */
  runOnce(): Promise<{ readonly decisions: number; readonly rescored: number }>;
  /** Ends after the page in work. Idempotent. */
  dispose(): Promise<void>;
}

const pollMs = 5_000;
/** A burst of decisions is scored as one. */
const wakeDelayMs = 100;
const staleMs = 60_000;

/**
 * Reads newly decided installs, scores fraud and value, stores predictions; once a minute scores anew the value of
 * installs whose revenue changed.
 *
 * At least once: positions are kept after the work, and a prediction written twice collapses.
 */
export function createPredictionsWorker(deps: PredictionsWorkerDeps): PredictionsWorker {
  const { directory, clock, logger } = deps;
  const runtime = deps.runtime ?? createRulesRuntime();
  let stopping = false;
  let progressAt = 0;
  const progress = () => {
    progressAt = clock.now();
  };
  const loopState: LoopState = { stopped: () => stopping, progress };
  const { warehouse } = deps;
  const reader = createLtvReader(warehouse);
  const ltv = createLtvScorer({ warehouse, reader, runtime, clock, stopped: loopState.stopped });
  const scoreDecisions = createDecisionPass({ ...deps, runtime, ltv }, loopState);
  const rescoreIfDue = createRescorePass({ ...deps, ltv }, loopState);
  const wake = createWake();
  let leaveBus: (() => void) | null = null;
  let loop: Promise<void> = Promise.resolve();

  const run = async () => {
    while (!stopping) {
      try {
        await scoreDecisions();
        await rescoreIfDue();
        progress();
      } catch (error) {
        if (!stopping) logger.error({ err: error }, 'a pass over installs failed; it is repeated');
      }
      await wake.wait(pollMs);
    }
  };
  let disposed: Promise<void> | null = null;
  return {
    async start() {
      await directory.refresh();
      leaveBus = await deps.liveBus.subscribe('install.attributed', () => wake.soon(wakeDelayMs));
      progress();
      loop = run();
    },
    async ready() {
      if (stopping || clock.now() - progressAt > staleMs) {
        throw new CodedError('NOT_READY', { message: 'No page of installs was scored for a minute.' });
      }
    },
    async runOnce() {
      return { decisions: await scoreDecisions(), rescored: await rescoreIfDue() };
    },
    dispose() {
      disposed ??= (async () => {
        stopping = true;
        leaveBus?.();
        wake.soon(0);
        await loop;
        wake.dispose();
        await runtime.dispose();
      })();
      return disposed;
    },
  };
}
