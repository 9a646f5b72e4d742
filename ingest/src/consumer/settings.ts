/** How the consumer batches, waits and remembers. All have defaults; sizes in bytes, times in milliseconds. */
export interface ConsumerSettings {
  /** Consumer group of the log; also part of the query ids of its inserts. */
  readonly group: string;
  readonly maxBatchBytes: number;
  readonly maxBatchRows: number;
  /**
   * Blocks in flight past the committed offset, at most. After a start, so many blocks of each partition are asked for in
   * the warehouse before they are inserted: a successor with a smaller number would ask for too few.
   */
  readonly maxBatchBlocks: number;
  /** How long the first block of a batch waits for company while nothing is being inserted. */
  readonly lingerMs: number;
  /**
   * How long it waits when company comes in numbers, `steadyRows` or more within `lingerMs`. An insert costs 17 ms CPU
   * whatever its size, and small parts are merged once more: under load few large batches leave room for more events.
   */
  readonly steadyLingerMs: number;
  readonly steadyRows: number;
  readonly insertTimeoutMs: number;
  /** What the warehouse may take to read a request that has arrived. */
  readonly settleMs: number;
  readonly firstBackoffMs: number;
  readonly longestBackoffMs: number;
  /** A repeat within this time of the first event is always recognised. */
  readonly dedupeWindowMs: number;
  /** Seen ids are forgotten in slices of this length. */
  readonly seenSliceMs: number;
  readonly seenBitsPerId: number;
  /** Memory of the filter of seen ids, at most; what is older goes into files in the system's directory for them. */
  readonly seenMemoryBytes: number;
  readonly retentionIntervalMs: number;
  readonly lagIntervalMs: number;
  /** How often events are looked for that are older than their app keeps them. */
  readonly appRetentionIntervalMs: number;
  /** How often the directory is looked at for links that changed. */
  readonly mirrorIntervalMs: number;
  /** Today's counters of an app are counted anew at most so often. */
  readonly countersIntervalMs: number;
  /** How long a batch in flight may take to finish when the consumer is disposed of or loses a partition. */
  readonly drainMs: number;
}

const dayMs = 86_400_000;

export const defaultConsumerSettings: ConsumerSettings = {
  group: 'warehouse',
  // About 40,000 events: of a stream of 1.2 million rows, batches of 10,000 cost 28 µs CPU a row, merges included, these 23.
  maxBatchBytes: 24 * 1024 * 1024,
  maxBatchRows: 50_000,
  maxBatchBlocks: 1_000,
  lingerMs: 100,
  steadyLingerMs: 400,
  steadyRows: 500,
  insertTimeoutMs: 60_000,
  settleMs: 100,
  firstBackoffMs: 100,
  longestBackoffMs: 5_000,
  dedupeWindowMs: 7 * dayMs,
  seenSliceMs: 2 * dayMs,
  seenBitsPerId: 16,
  seenMemoryBytes: 256 * 1024 * 1024,
  retentionIntervalMs: 60_000,
  lagIntervalMs: 5_000,
  appRetentionIntervalMs: 3_600_000,
  mirrorIntervalMs: 5_000,
  countersIntervalMs: 1_000,
  drainMs: 10_000,
};
