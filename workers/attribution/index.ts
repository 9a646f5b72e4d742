import type { Clock } from '@tributary/platform/clock';
import type { Directory } from '@tributary/platform/directory';
import type { LiveBus } from '@tributary/platform/live-bus';
import type { Logger } from '@tributary/platform/logger';
import type { Warehouse } from '@tributary/platform/warehouse';
import { CodedError, type Config } from '@tributary/schema';
import { createPosition } from '../src/position.ts';
import { createWake } from '../src/wake.ts';
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
/** How often inserts that show up late are looked for. */
const thoroughEveryMs = 5_000;
/**
 * After a pass it rests this many times as long as the pass took, at most `longestRestMs`: under load every insert would
 * wake it, and it would ask the warehouse without end while events wait to be stored.
 */
const restFactor = 2;
const longestRestMs = 500;
/** A position is for restarts only: writing it after each pass would make a part each. */
const keepEveryMs = 1_000;
const staleMs = 60_000;
/** A warehouse that is away is not asked, nor logged about, twice a second. */
const afterFaultMs = 2_000;

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
  const passEvents = createPass(deps);
  const scan = createScan({
    reader: createScanReader(warehouse),
    position: createPosition(warehouse, 'attribution'),
    directory,
    process: async (events) => {
      const counts = await passEvents(events);
      passEndedAt = clock.now();
      return counts;
    },
    stopped: () => stopping,
  });
  const wake = createWake();
  const rest = createWake();
  let thoroughAt = Number.NEGATIVE_INFINITY;
  let leaveBus: (() => void) | null = null;
  let loop: Promise<void> = Promise.resolve();

  const run = async () => {
    while (!stopping) {
      const startedAt = clock.now();
      try {
        const thorough = startedAt - thoroughAt >= thoroughEveryMs;
        const counts = await scan.run({ thorough });
        if (thorough) thoroughAt = startedAt;
        passEndedAt = clock.now();
        if (counts.decisions > 0) logger.debug({ ...counts }, 'installs decided');
        if (clock.now() - keptAt >= keepEveryMs) {
          await scan.keepPosition();
          keptAt = clock.now();
        }
      } catch (error) {
        if (stopping) return;
        logger.error({ err: error }, 'a pass of attribution failed; it is repeated');
        await wake.wait(afterFaultMs);
      }
      if (!stopping) await rest.wait(Math.min(longestRestMs, restFactor * (clock.now() - startedAt)));
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
