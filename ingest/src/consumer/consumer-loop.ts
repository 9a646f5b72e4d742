import type { Clock } from '@tributary/platform/clock';
import type { LogReader, LogRecord } from '@tributary/platform/event-log';
import type { Logger } from '@tributary/platform/logger';
import type { Warehouse } from '@tributary/platform/warehouse';
import type { Batch } from './batch.ts';
import { isStaleOwner } from './engine-errors.ts';
import { createInsertIds, endInserts } from './insert-ids.ts';
import type { LiveTouches } from './live-touches.ts';
import type { ConsumerMetrics } from './metrics.ts';
import { type Assigned, createOwnedPartitions } from './owned-partitions.ts';
import { createPersistence } from './persistence.ts';
import { storeBatch } from './pipeline.ts';
import { createPartitionFilters } from './seen-filter/partition-filters.ts';
import type { ConsumerSettings } from './settings.ts';
import { createRecentBlocks } from './steps/drop-repeated-blocks.ts';
import { createGatherer, type Gatherer } from './steps/gather-records.ts';
import { earliestOf, letGoOvertaken, memorySlackMs, takeOver } from './takeover.ts';

interface LoopDeps {
  readonly warehouse: Warehouse;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: ConsumerSettings;
  readonly metrics: ConsumerMetrics;
  readonly live: LiveTouches;
}

/** Reads, prepares and stores, one batch after the other; the next one is read while one is being stored. */
export interface ConsumerLoop {
  assign(assigned: readonly Assigned[]): void;
  /** Resolves when nothing of these partitions is being stored any more. */
  revoke(partitions: readonly number[]): Promise<void>;
  /** The partitions that it has now. */
  partitions(): readonly number[];
  run(reader: LogReader, partitionCount: number): void;
  /** What it waits for; null when it works. */
  trouble(): string | null;
  /** Finishes the batch in flight, within `drainMs`. */
  stop(): Promise<void>;
}

// Over 50 lines: the state of one loop, which its functions share.
export function createConsumerLoop(deps: LoopDeps): ConsumerLoop {
  const { warehouse, clock, logger, settings, metrics } = deps;
  const stopping = new AbortController();
  const abandoned = new AbortController();
  const insertIds = createInsertIds(settings);
  const seen = createPartitionFilters({
    sliceMs: settings.seenSliceMs,
    bitsPerId: settings.seenBitsPerId,
    memoryBytes: settings.seenMemoryBytes,
  });
  const recent = createRecentBlocks();
  const partitions = createOwnedPartitions(settings.maxBatchBlocks);
  const takeover = { ...deps, insertIds, partitions, seen };
  let gatherer: Gatherer | null = null;
  /** Read for the next batch, while the partitions are being prepared for it. */
  let gathered: readonly LogRecord[] = [];
  let troubled: string | null = null;
  let storing: { readonly abandon: AbortController; readonly done: Promise<boolean> } | null = null;
  let running: Promise<void> | null = null;

  const persistenceFor = (signal: AbortSignal) =>
    createPersistence({ logger, settings, signal, onTrouble: (trouble) => (troubled = trouble) });

  /** True when the batch is stored and committed; false when it was given up. */
  async function store(batch: Batch, reader: LogReader, partitionCount: number, abandon: AbortController) {
    const signal = AbortSignal.any([abandoned.signal, abandon.signal]);
    const persistence = persistenceFor(signal);
    try {
      const earliest = earliestOf(
        batch.blocks.map(({ record }) => record),
        clock.now(),
      );
      seen.dropBefore(earliest - settings.dedupeWindowMs - memorySlackMs);
      await storeBatch(batch, { ...deps, reader, seen, partitionCount, recent, insertIds, persistence, signal });
      seen.fit();
      metrics.seenFilter(seen);
      troubled = null;
      return true;
    } catch (error) {
      if (!signal.aborted) await afterFailure(error, batch).catch(() => {});
      return false;
    }
  }

  async function afterFailure(error: unknown, batch: Batch): Promise<void> {
    const persistence = persistenceFor(stopping.signal);
    // Overtaken: the others of the batch are read again without those that went to a newer owner.
    if (isStaleOwner(error) && (await letGoOvertaken(takeover, persistence, batch.claims)) > 0) return;
    if (isStaleOwner(error)) {
      // The log says so, and the newer owner has not said it to the warehouse yet. What was stored is found again.
      logger.warn({ err: error }, 'a batch is read again: the log has taken a partition away');
      return persistence.pause(1);
    }
    // What is not a stop is a fault of ours. The batch is tried again: leaving it out would lose events.
    troubled = `a batch failed: ${error instanceof Error ? error.message : String(error)}`;
    logger.error({ err: error, blocks: batch.blocks.length }, 'a batch failed; it will be read again');
    await persistence.pause(6);
  }

  async function runLoop(reader: LogReader, partitionCount: number): Promise<void> {
    const isStopping = () => stopping.signal.aborted;
    const persistence = persistenceFor(stopping.signal);
    gatherer = createGatherer({ reader, clock, settings, isStopping, persistence });
    const gather = () => startGathering(gatherer as Gatherer);
    let gathering = gather();
    for (;;) {
      gathered = await gathering;
      await takeOver(takeover, persistence, { partitionCount, earliestMs: earliestOf(gathered, clock.now()) });
      const batch = partitions.takeBatch(gathered);
      gathered = [];
      if (batch.blocks.length === 0) {
        if (isStopping()) return;
        gathering = gather();
        continue;
      }
      const abandon = new AbortController();
      storing = { abandon, done: store(batch, reader, partitionCount, abandon) };
      gathering = gather();
      const isStored = await storing.done;
      storing = null;
      if (isStored) continue;
      if (isStopping()) return;
      // Nothing read since may be stored and committed before what was given up is read again.
      await gathering;
      gatherer.discard();
      await rewind(reader, batch);
      gathering = gather();
    }
  }

  async function rewind(reader: LogReader, batch: Batch): Promise<void> {
    const persistence = persistenceFor(stopping.signal);
    const touched = batch.claims.map(({ partition }) => partition);
    // What was given up may still be running in the warehouse, and must not come after the question what is there.
    await persistence.untilDone('end the inserts of a batch that was given up', () =>
      endInserts(warehouse, insertIds, touched),
    );
    partitions.giveBack(batch);
    // All partitions: what was read of the others meanwhile is forgotten too.
    for (const [partition, offset] of partitions.nextOffsets()) {
      const held = partitions.claims().filter((claim) => claim.partition === partition);
      try {
        await persistence.untilDone('go back in the log', () => reader.seek(partition, offset));
      } catch (error) {
        if (!isStaleOwner(error)) throw error;
        // The log has taken it away: it comes again with an epoch of its own, if it comes.
        partitions.letGo(held);
      }
    }
  }

  function startGathering(from: Gatherer): Promise<readonly LogRecord[]> {
    const gathering = from.gather(() => storing !== null);
    // Awaited only after the batch in flight; until then a rejection has somebody who cares.
    gathering.catch(() => {});
    return gathering;
  }

  /** What was read of partitions that go, or come anew: their records come again, from the committed offset. */
  function forget(numbers: readonly number[]): void {
    gatherer?.forget(numbers);
    gathered = gathered.filter(({ partition }) => !numbers.includes(partition));
  }

  /** Waits for the batch in flight, and gives it up when that takes too long. */
  async function drain(done: Promise<unknown>, abandon: AbortController): Promise<void> {
    const timer = setTimeout(() => abandon.abort(), settings.drainMs);
    await done.finally(() => clearTimeout(timer));
  }

  return {
    assign(assigned) {
      forget(assigned.map(({ partition }) => partition));
      partitions.assign(assigned);
    },
    async revoke(revoked) {
      forget(revoked);
      partitions.revoke(revoked);
      if (storing) await drain(storing.done, storing.abandon);
    },
    partitions: () => partitions.partitions,
    run(reader, partitionCount) {
      running = runLoop(reader, partitionCount)
        .catch((error: unknown) => {
          if (stopping.signal.aborted) return;
          troubled = `stopped working: ${error instanceof Error ? error.message : String(error)}`;
          logger.fatal({ err: error }, 'the consumer stopped working');
        })
        .finally(() => seen.dispose());
    },
    trouble() {
      if (stopping.signal.aborted) return 'stopping';
      if (troubled) return troubled;
      if (!partitions.wasAssigned) return 'waiting for partitions';
      return partitions.unprepared().length === 0 ? null : 'loading the ids of the last days';
    },
    async stop() {
      stopping.abort();
      if (running) await drain(running, abandoned);
    },
  };
}
