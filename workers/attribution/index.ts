import type { Clock } from '@tributary/platform/clock';
import type { Directory } from '@tributary/platform/directory';
import type { LiveBus } from '@tributary/platform/live-bus';
import type { Logger } from '@tributary/platform/logger';
import type { Metrics } from '@tributary/platform/metrics';
import type { Warehouse } from '@tributary/platform/warehouse';
import { CodedError, type Config } from '@tributary/schema';
import { createPosition } from '../src/position.ts';
import { createWake } from '../src/wake.ts';
import { createFirstBuilds } from './first-builds.ts';
import { createPace, type Pace } from './pace.ts';
import { createPass, type PassCounts } from './pass.ts';
import { createScan } from './scan.ts';
import { createScanReader } from './scan-reader.ts';

export interface AttributionWorkerDeps {
  readonly warehouse: Warehouse;
  readonly directory: Directory;
  readonly liveBus: LiveBus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly config: Config;
  readonly metrics?: Metrics;
}

/** The loop that decides installs and builds journeys. One writer: run one of it per warehouse. */
export interface AttributionWorker {
  /** Resolves once it listens and runs; catching up goes on behind. */
  start(): Promise<void>;
  /** Rejects with NOT_READY when no pass has ended for a minute. */
  ready(): Promise<void>;
  /** Works off all that is stored now; for tests and tools, not beside a started loop. */
  runOnce(): Promise<PassCounts>;
  /** Ends after the page in work and keeps the position. Idempotent. */
  dispose(): Promise<void>;
}

const pollMs = 500;
/** Inserts that come this close together are one pass. */
const wakeDelayMs = 20;
/**
 * How often inserts that show up late are looked for: under load that reads millions of rows, so it comes at most a 20th of
 * the time, but twice in the time that `overlapMs` leaves beyond an insert's limit.
 */
const thoroughEveryMs = { least: 5_000, most: 30_000, perMsTaken: 20 } as const;
/** A position is for restarts only: writing it after each pass would make a part each. */
const keepEveryMs = 1_000;
const staleMs = 60_000;
/** A warehouse that is away is not asked, nor logged about, twice a second. */
const afterFaultMs = 2_000;

const thoroughPauseMs = (lookedMs: number): number =>
  Math.max(thoroughEveryMs.least, Math.min(thoroughEveryMs.most, thoroughEveryMs.perMsTaken * lookedMs));

/**
 * Follows the inserts behind all partitions: decides new installs, decides again those that a late click, impression or
 * install may change (a new revision only if the outcome differs), and keeps journeys of conversions.
 *
 * At least once: the position is kept after the writes, and the same events again change nothing.
 *
 * @example
 * const worker = createAttributionWorker({ warehouse, directory, liveBus, clock: systemClock, logger, config });
 * await worker.start();
 */
export function createAttributionWorker(deps: AttributionWorkerDeps): AttributionWorker {
  const { warehouse, directory, liveBus, clock, logger } = deps;
  let stopping = false;
  let passEndedAt = 0;
  let keptAt = 0;
  let runStartedAt = 0;
  /** Null outside the loop: a single pass does not yield. */
  let pace: Pace | null = null;
  let restedAt = 0;
  let lookedMs = 0;
  const firstBuilds = createFirstBuilds();
  const passEvents = createPass({ ...deps, firstBuilds });
  const reader = createScanReader(warehouse);
  const scan = createScan({
    reader: {
      ...reader,
      async readGroups(...asked) {
        const askedAt = clock.now();
        const groups = await reader.readGroups(...asked);
        lookedMs = clock.now() - askedAt;
        return groups;
      },
    },
    position: createPosition(warehouse, 'attribution'),
    directory,
    process: async (events, behindMs) => {
      const counts = await passEvents(events);
      passEndedAt = clock.now();
      await keepPosition();
      await restAfter(events.length, behindMs + passEndedAt - runStartedAt);
      return counts;
    },
    stopped: () => stopping,
    firstBuilds,
  });
  const wake = createWake();
  const rest = createWake();
  let thoroughDueAt = Number.NEGATIVE_INFINITY;
  let leaveBus: (() => void) | null = null;
  let loop: Promise<void> = Promise.resolve();

  const keepPosition = async () => {
    if (clock.now() - keptAt < keepEveryMs) return;
    await scan.keepPosition();
    keptAt = clock.now();
  };

  const restAfter = async (events: number, behindMs: number) => {
    if (pace && !stopping) await rest.wait(pace.restMs({ tookMs: clock.now() - restedAt, events, behindMs }));
    restedAt = clock.now();
  };

  const run = async () => {
    while (!stopping) {
      runStartedAt = restedAt = clock.now();
      try {
        const thorough = runStartedAt >= thoroughDueAt;
        const counts = await scan.run({ thorough });
        if (thorough) thoroughDueAt = runStartedAt + thoroughPauseMs(lookedMs);
        passEndedAt = clock.now();
        if (counts.decisions > 0) logger.debug({ ...counts }, 'installs decided');
        await keepPosition();
      } catch (error) {
        if (stopping) return;
        logger.error({ err: error }, 'a pass of attribution failed; it is repeated');
        await wake.wait(afterFaultMs);
      }
      await restAfter(0, clock.now() - runStartedAt);
      if (!stopping) await wake.wait(pollMs);
    }
  };
  let disposed: Promise<void> | null = null;
  return {
    async start() {
      // Inserts of a predecessor that was killed may still run; they must be seen or be gone before anything is decided.
      await warehouse.killQueries('attribution_write');
      await directory.refresh();
      leaveBus = await liveBus.subscribe('metrics.touched', () => wake.soon(wakeDelayMs));
      pace = await createPace(deps);
      passEndedAt = clock.now();
      loop = run();
    },
    async ready() {
      if (stopping || clock.now() - passEndedAt > staleMs) {
        throw new CodedError('NOT_READY', {
          message: 'Attribution has not got through a page of events for a minute.',
        });
      }
    },
    async runOnce() {
      const counts = await scan.run({ thorough: true });
      await scan.keepPosition();
      return counts;
    },
    dispose() {
      disposed ??= (async () => {
        stopping = true;
        leaveBus?.();
        pace?.dispose();
        rest.soon(0);
        wake.soon(0);
        await loop;
        rest.dispose();
        wake.dispose();
        await scan.keepPosition().catch((error) => logger.warn({ err: error }, 'the position was not kept'));
      })();
      return disposed;
    },
  };
}
