import type { LogRecord } from '@tributary/platform/event-log';
import { type Batch, type BatchBlock, createBlock } from './batch.ts';
import type { Claim } from './insert-ids.ts';

/** A partition that was given to this consumer. */
export interface Assigned extends Claim {
  readonly fromOffset: bigint;
}

/** The partitions that this consumer has now, and how far it has come in each. */
export interface OwnedPartitions {
  assign(assigned: readonly Assigned[]): void;
  revoke(partitions: readonly number[]): void;
  /** Gives up these, where they are still held under the same epoch. */
  letGo(claims: readonly Claim[]): void;
  /** Whether any was ever assigned. */
  readonly wasAssigned: boolean;
  readonly partitions: readonly number[];
  /** Our partitions, and under which epochs they are held. */
  claims(): Claim[];
  /** Assigned, and not yet prepared under that epoch. */
  unprepared(): Claim[];
  /** Notes that these are prepared, where they are still held under the same epoch. */
  prepared(claims: readonly Claim[]): void;
  /** Makes a batch of the records that are ours and not yet done with; they count as done from then on. */
  takeBatch(records: readonly LogRecord[]): Batch;
  /** Takes an abandoned batch back: its blocks are to be read again where their partitions are still ours. */
  giveBack(batch: Batch): void;
  /** Where each of our partitions is to be read on. */
  nextOffsets(): ReadonlyMap<number, bigint>;
}

interface Position {
  readonly epoch: bigint;
  isPrepared: boolean;
  next: bigint;
  /** How many of the next blocks a predecessor may have inserted without committing. */
  doubtLeft: number;
}

// Over 50 lines: one map, and what is asked of it.
/** `doubtBlocks`: most blocks that may be in flight past a committed offset. */
export function createOwnedPartitions(doubtBlocks: number): OwnedPartitions {
  const positions = new Map<number, Position>();
  let wasAssigned = false;
  const claimsOf = (partitions: Iterable<number>): Claim[] =>
    [...new Set(partitions)].flatMap((partition) => {
      const position = positions.get(partition);
      return position ? [{ partition, epoch: position.epoch }] : [];
    });
  return {
    get wasAssigned() {
      return wasAssigned;
    },
    get partitions() {
      return [...positions.keys()];
    },
    assign(assigned) {
      wasAssigned = true;
      for (const { partition, epoch, fromOffset } of assigned) {
        positions.set(partition, { epoch, isPrepared: false, next: fromOffset, doubtLeft: doubtBlocks });
      }
    },
    revoke(partitions) {
      for (const partition of partitions) positions.delete(partition);
    },
    letGo(claims) {
      for (const { partition, epoch } of claims) {
        if (positions.get(partition)?.epoch === epoch) positions.delete(partition);
      }
    },
    claims: () => claimsOf(positions.keys()),
    unprepared: () =>
      [...positions].flatMap(([partition, { epoch, isPrepared }]) => (isPrepared ? [] : [{ partition, epoch }])),
    prepared(claims) {
      for (const { partition, epoch } of claims) {
        const position = positions.get(partition);
        if (position?.epoch === epoch) position.isPrepared = true;
      }
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
      return { blocks, doubtful, claims: claimsOf(blocks.map(({ record }) => record.partition)) };
    },
    nextOffsets: () => new Map([...positions].map(([partition, { next }]) => [partition, next])),
    giveBack(batch) {
      for (const { record } of batch.blocks) {
        const position = positions.get(record.partition);
        if (position && record.offset < position.next) {
          position.next = record.offset;
          position.doubtLeft = doubtBlocks;
        }
      }
    },
  };
}
