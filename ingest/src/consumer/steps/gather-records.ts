import type { Clock } from '@tributary/platform/clock';
import type { LogReader, LogRecord } from '@tributary/platform/event-log';
import type { Persistence } from '../persistence.ts';
import type { ConsumerSettings } from '../settings.ts';

/** Collects records into batches of bounded size and age. */
export interface Gatherer {
  /**
   * The next batch's records; empty when none came for a while or the consumer is stopping. While `isBusy()` (a batch is
   * being stored) it goes on collecting to the limits, so that batches grow with the load by themselves; else it waits
   * `lingerMs` for company of the first, and `steadyLingerMs` when `steadyRows` have come by then. Rejects only when stopped.
   */
  gather(isBusy: () => boolean): Promise<readonly LogRecord[]>;
  /** Forgets what was read and not yet returned. */
  discard(): void;
  /** Forgets what was read of these partitions and not yet returned: they go to somebody else, or come back from another offset. */
  forget(partitions: readonly number[]): void;
}

export interface GathererDeps {
  readonly reader: Pick<LogReader, 'next'>;
  readonly clock: Clock;
  readonly persistence: Persistence;
  readonly settings: Pick<
    ConsumerSettings,
    'maxBatchBytes' | 'maxBatchRows' | 'maxBatchBlocks' | 'lingerMs' | 'steadyLingerMs' | 'steadyRows'
  >;
  readonly isStopping: () => boolean;
}

/** How long a read waits when there is nothing to hurry for; also the delay of seeing that work is to be stopped. */
const idleWaitMs = 200;
const busyWaitMs = 5;

export function createGatherer({ reader, clock, persistence, settings, isStopping }: GathererDeps): Gatherer {
  const { maxBatchBytes, maxBatchRows, maxBatchBlocks, lingerMs, steadyLingerMs, steadyRows } = settings;
  /** Read, but over the limits of the batch it was read for. */
  let held: LogRecord[] = [];
  /** Of the batch being gathered. */
  let batch: LogRecord[] = [];

  async function readMore(waitMs: number): Promise<void> {
    if (held.length > 0) return;
    const read = await persistence.untilDone('read the log', () =>
      reader.next({ maxBytes: Math.max(1, Math.ceil(maxBatchBytes / 2)), waitMs }),
    );
    held = [...read];
  }

  return {
    async gather(isBusy) {
      batch = [];
      let bytes = 0;
      let rows = 0;
      let firstAt = 0;
      /** Moves held records into the batch; false when the next one does not fit. */
      const fill = (): boolean => {
        let taken = 0;
        for (const record of held) {
          const fits =
            bytes + record.body.length <= maxBatchBytes &&
            rows + record.header.count <= maxBatchRows &&
            batch.length < maxBatchBlocks;
          if (!fits && batch.length > 0) break;
          if (batch.length === 0) firstAt = clock.now();
          batch.push(record);
          bytes += record.body.length;
          rows += record.header.count;
          taken += 1;
        }
        held = held.slice(taken);
        return held.length === 0;
      };
      while (!isStopping()) {
        // A clock that was set back must not make it wait.
        firstAt = Math.min(firstAt, clock.now());
        const ageMs = batch.length === 0 ? 0 : clock.now() - firstAt;
        const busy = isBusy();
        const untilMs = ageMs >= lingerMs && rows >= steadyRows ? Math.max(lingerMs, steadyLingerMs) : lingerMs;
        if (batch.length > 0 && !busy && ageMs >= untilMs) break;
        await readMore(batch.length === 0 ? idleWaitMs : busy ? busyWaitMs : Math.max(1, untilMs - ageMs));
        if (!fill()) break;
        if (batch.length === 0) break;
      }
      return batch;
    },
    discard() {
      held = [];
    },
    forget(partitions) {
      const isKept = (record: LogRecord) => !partitions.includes(record.partition);
      held = held.filter(isKept);
      batch = batch.filter(isKept);
    },
  };
}
