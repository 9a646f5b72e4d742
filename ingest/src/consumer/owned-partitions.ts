import type { LogRecord } from '@tributary/platform/event-log';
import { type Batch, type BatchBlock, createBlock } from './batch.ts';

/** The partitions that this consumer has now, and how far it has come in each. */
export interface OwnedPartitions {
  assign(assigned: readonly { readonly partition: number; readonly fromOffset: bigint }[]): void;
  revoke(partitions: readonly number[]): void;
  /** Grows with each assignment: what was prepared for an older one is not for this. */
  readonly version: number;
  readonly partitions: readonly number[];
  /** Makes a batch of the records that are ours and not yet done with; they count as done from then on. */
  takeBatch(records: readonly LogRecord[]): Batch;
  /** Takes an abandoned batch back: its blocks are to be read again where their partitions are still ours. */
  giveBack(batch: Batch): void;
  /** Where each of our partitions is to be read on. */
  nextOffsets(): ReadonlyMap<number, bigint>;
}

interface Position {
  next: bigint;
  /** How many of the next blocks a predecessor may have inserted without committing. */
  doubtLeft: number;
}

/** `doubtBlocks`: most blocks that may be in flight past a committed offset. */
export function createOwnedPartitions(doubtBlocks: number): OwnedPartitions {
  const positions = new Map<number, Position>();
  let version = 0;
  return {
    get version() {
      return version;
    },
    get partitions() {
      return [...positions.keys()];
    },
    assign(assigned) {
      version += 1;
      for (const { partition, fromOffset } of assigned) {
        positions.set(partition, { next: fromOffset, doubtLeft: doubtBlocks });
      }
    },
    revoke(partitions) {
      for (const partition of partitions) positions.delete(partition);
    },
    takeBatch(records) {
      const blocks: BatchBlock[] = [];
      const doubtful: BatchBlock[] = [];
      for (const record of records) {
        const position = positions.get(record.partition);
        if (!position || record.offset < position.next) continue;
        const block = createBlock(record);
        blocks.push(block);
        if (position.doubtLeft > 0) doubtful.push(block);
        position.doubtLeft -= 1;
        position.next = record.offset + 1n;
      }
      return { blocks, doubtful };
    },
    nextOffsets: () => new Map([...positions].map(([partition, { next }]) => [partition, next])),
    giveBack(batch) {
      for (const { record } of batch.blocks) {
        const position = positions.get(record.partition);
        if (position && record.offset < position.next) {
          positions.set(record.partition, { next: record.offset, doubtLeft: doubtBlocks });
        }
      }
    },
  };
}
