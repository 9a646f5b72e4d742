import type { Clock } from '@tributary/platform/clock';
import type { LogReader, LogRecord } from '@tributary/platform/event-log';
import type { Logger } from '@tributary/platform/logger';
import type { Warehouse } from '@tributary/platform/warehouse';
import type { Batch } from './batch.ts';
import { createInsertIds, endInserts } from './insert-ids.ts';
import type { LiveTouches } from './live-touches.ts';
import type { ConsumerMetrics } from './metrics.ts';
import { createOwnedPartitions } from './owned-partitions.ts';
import { createPersistence } from './persistence.ts';
import { storeBatch } from './pipeline.ts';
import { loadSeen } from './seen-filter/load-seen.ts';
import { createSeenFilter } from './seen-filter/seen-filter.ts';
import type { ConsumerSettings } from './settings.ts';
import { createRecentBlocks } from './steps/drop-repeated-blocks.ts';
import { createGatherer, type Gatherer } from './steps/gather-records.ts';

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
  assign(assigned: readonly { readonly partition: number; readonly fromOffset: bigint }[]): void;
  /** Resolves when nothing of these partitions is being stored any more. */
  revoke(partitions: readonly number[]): Promise<void>;
  run(reader: LogReader, partitionCount: number): void;
  /** What it waits for; null when it works. */
  trouble(): string | null;
  /** Finishes the batch in flight, within `drainMs`. */
  stop(): Promise<void>;
}

/** Ids older than the window that are kept: a batch read a day late still finds its repeats in memory. */
const memorySlackMs = 86_400_000;

// Over 50 lines: the state of one loop, which its functions share.
export function createConsumerLoop(deps: LoopDeps): ConsumerLoop {
  const { warehouse, clock, logger, settings, metrics } = deps;
  const stopping = new AbortController();
  const abandoned = new AbortController();
  const insertIds = createInsertIds(settings);
  const seen = createSeenFilter({ sliceMs: settings.seenSliceMs, bitsPerId: settings.seenBitsPerId });
  const recent = createRecentBlocks();
  const partitions = createOwnedPartitions(settings.maxBatchBlocks);
  let preparedVersion = 0;
  let troubled: string | null = null;
  let storing: { readonly abandon: AbortController; readonly done: Promise<boolean> } | null = null;
  let running: Promise<void> | null = null;

  const persistenceFor = (signal: AbortSignal) =>
    createPersistence({ logger, settings, signal, onTrouble: (trouble) => (troubled = trouble) });

  /** After an assignment, and before its first batch: ends what predecessors left running, then learns what was seen. */
  async function prepare(partitionCount: number, records: readonly LogRecord[]): Promise<void> {
    while (preparedVersion !== partitions.version) {
      const version = partitions.version;
      const startedAt = performance.now();
      const persistence = persistenceFor(stopping.signal);
      await persistence.untilDone('end the inserts of a predecessor', () => endInserts(warehouse, insertIds));
      const sinceMs = earliestOf(records, clock.now()) - settings.dedupeWindowMs - memorySlackMs;
      const mine = new Set(partitions.partitions);
      seen.restart(sinceMs);
      const ids = await loadSeen(
        seen,
        { warehouse, persistence },
        {
          sinceMs,
          sliceMs: settings.seenSliceMs,
          ...(mine.size === partitionCount
            ? {}
            : { wanted: (hi: number, lo: number) => mine.has(partitionOf(hi, lo, partitionCount)) }),
        },
      );
      preparedVersion = version;
      metrics.seenFilter({ ids: seen.ids, sizeBytes: seen.sizeBytes });
      const tookMs = Math.round(performance.now() - startedAt);
      logger.info({ ids, tookMs, sizeBytes: seen.sizeBytes, partitions: [...mine] }, 'seen ids loaded');
    }
  }

  /** True when the batch is stored and committed; false when it was given up. */
  async function store(batch: Batch, reader: LogReader, abandon: AbortController): Promise<boolean> {
    const signal = AbortSignal.any([abandoned.signal, abandon.signal]);
    const persistence = persistenceFor(signal);
    try {
      const earliest = earliestOf(
        batch.blocks.map(({ record }) => record),
        clock.now(),
      );
      seen.dropBefore(earliest - settings.dedupeWindowMs - memorySlackMs);
      await storeBatch(batch, { ...deps, reader, seen, recent, insertIds, persistence, signal });
      metrics.seenFilter({ ids: seen.ids, sizeBytes: seen.sizeBytes });
      troubled = null;
      return true;
    } catch (error) {
      // What is not a stop is a fault of ours. The batch is tried again: leaving it out would lose events.
      if (!signal.aborted) {
        troubled = `a batch failed: ${error instanceof Error ? error.message : String(error)}`;
        logger.error({ err: error, blocks: batch.blocks.length }, 'a batch failed; it will be read again');
        await persistence.pause(6).catch(() => {});
      }
      return false;
    }
  }

  async function runLoop(reader: LogReader, partitionCount: number): Promise<void> {
    const isStopping = () => stopping.signal.aborted;
    const gatherer = createGatherer({
      reader,
      clock,
      settings,
      isStopping,
      persistence: persistenceFor(stopping.signal),
    });
    let gathering = startGathering(gatherer);
    for (;;) {
      const records = await gathering;
      await prepare(partitionCount, records);
      const batch = partitions.takeBatch(records);
      if (batch.blocks.length === 0) {
        if (isStopping()) return;
        gathering = startGathering(gatherer);
        continue;
      }
      const abandon = new AbortController();
      storing = { abandon, done: store(batch, reader, abandon) };
      gathering = startGathering(gatherer);
      const isStored = await storing.done;
      storing = null;
      if (isStored) continue;
      if (isStopping()) return;
      // Nothing read since may be stored and committed before what was given up is read again.
      await gathering;
      gatherer.discard();
      await rewind(reader, batch);
      gathering = startGathering(gatherer);
    }
  }

  async function rewind(reader: LogReader, batch: Batch): Promise<void> {
    const persistence = persistenceFor(stopping.signal);
    // What was given up may still be running in the warehouse, and must not come after the question what is there.
    await persistence.untilDone('end the inserts of a batch that was given up', () => endInserts(warehouse, insertIds));
    partitions.giveBack(batch);
    // All partitions: what was read of the others meanwhile is forgotten too.
    for (const [partition, offset] of partitions.nextOffsets()) {
      await persistence.untilDone('go back in the log', () => reader.seek(partition, offset));
    }
  }

  function startGathering(gatherer: Gatherer): Promise<readonly LogRecord[]> {
    const gathering = gatherer.gather(() => storing !== null);
    // Awaited only after the batch in flight; until then a rejection has somebody who cares.
    gathering.catch(() => {});
    return gathering;
  }

  /** Waits for the batch in flight, and gives it up when that takes too long. */
  async function drain(done: Promise<unknown>, abandon: AbortController): Promise<void> {
    const timer = setTimeout(() => abandon.abort(), settings.drainMs);
    await done.finally(() => clearTimeout(timer));
  }

  return {
    assign: (assigned) => partitions.assign(assigned),
    async revoke(revoked) {
      partitions.revoke(revoked);
      if (storing) await drain(storing.done, storing.abandon);
    },
    run(reader, partitionCount) {
      running = runLoop(reader, partitionCount).catch((error: unknown) => {
        if (stopping.signal.aborted) return;
        troubled = `stopped working: ${error instanceof Error ? error.message : String(error)}`;
        logger.fatal({ err: error }, 'the consumer stopped working');
      });
    },
    trouble() {
      if (stopping.signal.aborted) return 'stopping';
      if (troubled) return troubled;
      if (partitions.version === 0) return 'waiting for partitions';
      return preparedVersion === partitions.version ? null : 'loading the ids of the last days';
    },
    async stop() {
      stopping.abort();
      if (running) await drain(running, abandoned);
    },
  };
}

function earliestOf(records: readonly LogRecord[], nowMs: number): number {
  return records.reduce((earliest, { header }) => Math.min(earliest, header.receivedAt), nowMs);
}

/** The hash modulo the partition count, as the collector has it, without big integers. */
function partitionOf(hi: number, lo: number, count: number): number {
  return ((hi % count) * (0x1_0000_0000 % count) + lo) % count;
}
