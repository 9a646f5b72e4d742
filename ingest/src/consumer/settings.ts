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
  readonly retentionIntervalMs: number;
  readonly lagIntervalMs: number;
  /** How long a batch in flight may take to finish when the consumer is disposed of or loses a partition. */
  readonly drainMs: number;
}

const dayMs = 86_400_000;

export const defaultConsumerSettings: ConsumerSettings = {
  group: 'warehouse',
  maxBatchBytes: 8 * 1024 * 1024,
  maxBatchRows: 50_000,
  maxBatchBlocks: 1_000,
  lingerMs: 100,
  insertTimeoutMs: 60_000,
  settleMs: 100,
  firstBackoffMs: 100,
  longestBackoffMs: 5_000,
  dedupeWindowMs: 7 * dayMs,
  seenSliceMs: 2 * dayMs,
  seenBitsPerId: 16,
  retentionIntervalMs: 60_000,
  lagIntervalMs: 5_000,
  drainMs: 10_000,
};
