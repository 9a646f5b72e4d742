import type { LogBlock } from '@tributary/schema';

/**
 * The durable, partitioned log between collector and consumer.
 *
 * - Durability: `append` resolves only after every given block is on stable storage (LMDB flush; Kafka acks=all).
 *   When it rejects, nothing may be assumed: the blocks may or may not be there, whole. Callers retry with the same
 *   `blockId`s; consumers recognise a block that was sent twice.
 * - Ordering: within a partition, offsets grow in the order of appends of one process. None between partitions.
 * - Delivery: at least once. A reader sees every record at or after its group's committed offset, in offset order.
 * - Several processes may append and read at once. One reader at a time owns a partition within a group: embedded, one
 *   reader has all of them and the others wait; with Kafka the readers of a group share them.
 * - Disposal: `dispose` waits for appends in flight, then closes; idempotent.
 */
export interface EventLog {
  readonly partitionCount: number;
  /** Once `append` has resolved nothing refers to the blocks' bodies: their memory may be used again. Default false. */
  readonly copiesBlocks?: boolean;
  append(blocks: readonly LogBlock[]): Promise<void>;
  openReader(options: LogReaderOptions): Promise<LogReader>;
  /** Next offset to be written and first offset still held, per partition. */
  ends(): Promise<readonly PartitionEnds[]>;
  /** The group's committed offset per partition; 0 where nothing was committed. */
  committed(group: string): Promise<readonly bigint[]>;
  /**
   * Drops records older or beyond the size given; never one that `protectGroups` have not committed. With Kafka it does
   * nothing: the broker drops by age, whatever was committed.
   */
  applyRetention(
    options: RetentionOptions,
  ): Promise<{ readonly droppedRecords: number; readonly droppedBytes: number }>;
  /** Rejects with LOG_UNAVAILABLE when an append could not be made durable now. */
  checkHealth(): Promise<void>;
  dispose(): Promise<void>;
}

export interface PartitionEnds {
  readonly partition: number;
  readonly firstOffset: bigint;
  readonly nextOffset: bigint;
  /** Bytes held; 0 with Kafka, where they are the broker's affair. */
  readonly bytes: number;
}

export interface LogRecord extends LogBlock {
  readonly partition: number;
  readonly offset: bigint;
}

export interface PartitionAssignment {
  readonly partition: number;
  /** The group's committed offset; the first one held where nothing was committed. */
  readonly fromOffset: bigint;
  /**
   * Of this assignment: greater than that of every earlier assignment of the partition within the group, whichever
   * process had it (the same again only when `onAssigned` failed and the same reader is asked anew). A store that has
   * seen it can refuse a reader that was woken after its partition went to another.
   */
  readonly epoch: bigint;
}

export interface LogReaderOptions {
  readonly group: string;
  /**
   * Called when partitions are given to this reader, before any of their records are delivered; records flow only after
   * it resolved.
   */
  readonly onAssigned?: (assigned: readonly PartitionAssignment[]) => Promise<void>;
  /**
   * Called when partitions are taken away; after it resolved another reader may get them. Records that `next` gave before
   * may still be committed until then. With Kafka, all partitions are taken and given anew whenever a reader of the group
   * comes or goes, and one that takes longer than its session (30 s) is passed over.
   */
  readonly onRevoked?: (partitions: readonly number[]) => Promise<void>;
}

export interface LogReader {
  /**
   * The next records of any assigned partition, up to about `maxBytes` (at least one record when there is one), in offset
   * order within each partition; an empty array when nothing came within `waitMs`. Each record is delivered once per
   * reader unless `seek` goes back.
   */
  next(options: { readonly maxBytes: number; readonly waitMs: number }): Promise<readonly LogRecord[]>;
  /**
   * Durable. `nextOffset` = the offset after the last record that is done with. Rejects with STALE_OWNER when the
   * partition went to another reader meanwhile, with LOG_UNAVAILABLE when it can't be made durable now.
   */
  commit(partition: number, nextOffset: bigint): Promise<void>;
  seek(partition: number, offset: bigint): Promise<void>;
  dispose(): Promise<void>;
}

export interface RetentionOptions {
  readonly maxAgeMs: number;
  readonly maxBytes: number;
  readonly nowMs: number;
  readonly protectGroups: readonly string[];
}
