import type { Metrics } from '@tributary/platform/metrics';

/** What the consumer counts. */
export interface ConsumerMetrics {
  batchStored(facts: BatchFacts): void;
  lag(partition: number, records: number): void;
  seenFilter(facts: { readonly ids: number; readonly sizeBytes: number; readonly fileBytes: number }): void;
  /** Partitions that were let go because a newer owner has them. */
  overtaken(partitions: number): void;
}

export interface BatchFacts {
  /** Rows that went into `events`. */
  readonly rows: number;
  readonly bytes: number;
  readonly blocks: number;
  readonly repeatedBlocks: number;
  readonly duplicates: number;
  readonly conflicts: number;
  /** Lines that the warehouse refused. */
  readonly refused: number;
  /** Ids that had to be looked up. */
  readonly lookups: number;
  readonly seconds: number;
}

export function createConsumerMetrics(metrics: Metrics | undefined): ConsumerMetrics {
  if (!metrics) return { batchStored() {}, lag() {}, seenFilter() {}, overtaken() {} };
  const events = metrics.counter({
    name: 'tributary_consumer_events_total',
    help: 'Events taken from the log, by what became of them',
    labelNames: ['verdict'],
  });
  const repeated = metrics.counter({
    name: 'tributary_consumer_repeated_blocks_total',
    help: 'Blocks that the log held twice',
  });
  const lookups = metrics.counter({
    name: 'tributary_consumer_lookups_total',
    help: 'Dedupe hashes that were looked up in the warehouse because the filter might have seen them',
  });
  const batchRows = metrics.histogram({
    name: 'tributary_consumer_batch_rows',
    help: 'Rows of a batch',
    buckets: [1, 10, 100, 1_000, 5_000, 10_000, 25_000, 50_000],
  });
  const batchBytes = metrics.counter({ name: 'tributary_consumer_stored_bytes_total', help: 'Bytes of stored lines' });
  const seconds = metrics.histogram({
    name: 'tributary_consumer_batch_seconds',
    help: 'Time to store and commit a batch',
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60],
  });
  const lag = metrics.gauge({
    name: 'tributary_consumer_lag_blocks',
    help: 'Blocks in the log past the committed offset',
    labelNames: ['partition'],
  });
  const seenIds = metrics.gauge({ name: 'tributary_consumer_seen_ids', help: 'Ids in the filter of seen ids' });
  const seenBytes = metrics.gauge({ name: 'tributary_consumer_seen_bytes', help: 'Memory of the filter of seen ids' });
  const seenFileBytes = metrics.gauge({
    name: 'tributary_consumer_seen_file_bytes',
    help: 'What of the filter of seen ids is in files',
  });
  const overtaken = metrics.counter({
    name: 'tributary_consumer_stale_owner_total',
    help: 'Partitions let go because a newer owner has them',
  });
  return {
    batchStored(facts) {
      events.inc({ verdict: 'stored' }, facts.rows);
      events.inc({ verdict: 'duplicate' }, facts.duplicates);
      events.inc({ verdict: 'conflict' }, facts.conflicts);
      events.inc({ verdict: 'refused' }, facts.refused);
      repeated.inc(facts.repeatedBlocks);
      lookups.inc(facts.lookups);
      batchRows.observe(facts.rows);
      batchBytes.inc(facts.bytes);
      seconds.observe(facts.seconds);
    },
    lag: (partition, records) => lag.set({ partition: String(partition) }, records),
    seenFilter(facts) {
      seenIds.set(facts.ids);
      seenBytes.set(facts.sizeBytes);
      seenFileBytes.set(facts.fileBytes);
    },
    overtaken: (partitions) => overtaken.inc(partitions),
  };
}
