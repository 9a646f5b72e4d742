import type { LogRecord } from '@tributary/platform/event-log';
import { aBlock } from './blocks.testing.ts';
import { createOwnedPartitions } from './owned-partitions.ts';

const record = (partition: number, offset: number): LogRecord => ({
  ...aBlock({ receivedAt: 1, partition, events: [{ eventId: `${partition}-${offset}` }] }),
  partition,
  offset: BigInt(offset),
});
const offsetsOf = (blocks: readonly { record: LogRecord }[]) =>
  blocks.map(({ record: { partition, offset } }) => [partition, Number(offset)]);

describe('createOwnedPartitions', () => {
  it('doubts the first blocks after an assignment, as many as may have been in flight', () => {
    const owned = createOwnedPartitions(2);
    owned.assign([{ partition: 0, epoch: 1n, fromOffset: 5n }]);
    const { blocks, doubtful } = owned.takeBatch([5, 6, 7].map((offset) => record(0, offset)));
    expect(offsetsOf(blocks)).toEqual([
      [0, 5],
      [0, 6],
      [0, 7],
    ]);
    expect(offsetsOf(doubtful)).toEqual([
      [0, 5],
      [0, 6],
    ]);
  });

  it('leaves out records of partitions that are not ours, and those that are done with', () => {
    const owned = createOwnedPartitions(2);
    owned.assign([
      { partition: 0, epoch: 1n, fromOffset: 5n },
      { partition: 1, epoch: 1n, fromOffset: 0n },
    ]);
    owned.revoke([1]);
    expect(offsetsOf(owned.takeBatch([record(0, 4), record(0, 5), record(1, 0)]).blocks)).toEqual([[0, 5]]);
    expect(owned.takeBatch([record(0, 5)]).blocks).toEqual([]);
  });

  it('goes back to the first block of a batch that was given up, and doubts it', () => {
    const owned = createOwnedPartitions(2);
    owned.assign([
      { partition: 0, epoch: 1n, fromOffset: 0n },
      { partition: 1, epoch: 1n, fromOffset: 3n },
    ]);
    owned.takeBatch([record(0, 0), record(0, 1), record(0, 2), record(1, 3)]);
    const batch = owned.takeBatch([record(0, 3), record(0, 4)]);
    owned.giveBack(batch);
    expect(owned.nextOffsets()).toEqual(
      new Map([
        [0, 3n],
        [1, 4n],
      ]),
    );
    expect(offsetsOf(owned.takeBatch([record(0, 3)]).doubtful)).toEqual([[0, 3]]);
  });

  it('gives back nothing of a partition that was taken away', () => {
    const owned = createOwnedPartitions(2);
    owned.assign([{ partition: 0, epoch: 1n, fromOffset: 0n }]);
    const batch = owned.takeBatch([record(0, 0)]);
    owned.revoke([0]);
    owned.giveBack(batch);
    expect(owned.nextOffsets().size).toBe(0);
  });

  it('is to be prepared after each assignment, for the epoch it came with', () => {
    const owned = createOwnedPartitions(2);
    expect(owned.wasAssigned).toBe(false);
    owned.assign([
      { partition: 0, epoch: 1n, fromOffset: 0n },
      { partition: 1, epoch: 1n, fromOffset: 0n },
    ]);
    const claims = owned.unprepared();
    owned.assign([{ partition: 1, epoch: 2n, fromOffset: 0n }]);
    owned.prepared(claims);
    expect(owned.unprepared()).toEqual([{ partition: 1, epoch: 2n }]);
    expect(owned.wasAssigned).toBe(true);
  });

  it('lets go of what was overtaken, and not of what has come again since', () => {
    const owned = createOwnedPartitions(2);
    owned.assign([
      { partition: 0, epoch: 1n, fromOffset: 0n },
      { partition: 1, epoch: 3n, fromOffset: 0n },
    ]);
    owned.letGo([
      { partition: 0, epoch: 1n },
      { partition: 1, epoch: 1n },
    ]);
    expect(owned.claims()).toEqual([{ partition: 1, epoch: 3n }]);
  });

  it('says of a batch under which epochs its partitions were held', () => {
    const owned = createOwnedPartitions(2);
    owned.assign([
      { partition: 0, epoch: 1n, fromOffset: 0n },
      { partition: 1, epoch: 3n, fromOffset: 0n },
    ]);
    expect(owned.takeBatch([record(1, 0), record(1, 1)]).claims).toEqual([{ partition: 1, epoch: 3n }]);
  });
});
