import type { Admin } from 'kafkajs';
import type { PartitionEnds } from '../../event-log.ts';
import { despitePassingFaults } from './passing-faults.ts';

/** Where a group continues in a partition: within what is held, whatever was committed. */
export interface GroupPosition {
  readonly offset: bigint;
  readonly metadata: string | null;
}

/** Groups are those of one log: others may use the same name on another topic of the same brokers. */
export function groupIdOf(topic: string, group: string): string {
  return `${topic}.${group}`;
}

/** By partition. `bytes` is 0: the broker's own affair. */
export async function readEnds(admin: Admin, topic: string): Promise<readonly PartitionEnds[]> {
  const offsets = await despitePassingFaults(() => admin.fetchTopicOffsets(topic));
  return offsets
    .map(({ partition, low, high }) => ({
      partition,
      firstOffset: BigInt(low),
      nextOffset: BigInt(high),
      bytes: 0,
    }))
    .sort((a, b) => a.partition - b.partition);
}

/** By partition: the committed offset and its metadata; offset 0 where nothing was committed. */
export async function readCommitted(admin: Admin, group: string, topic: string): Promise<readonly GroupPosition[]> {
  const [found] = await despitePassingFaults(() => admin.fetchOffsets({ groupId: group, topics: [topic] }));
  return [...(found?.partitions ?? [])]
    .sort((a, b) => a.partition - b.partition)
    .map(({ offset, metadata }) => ({ offset: BigInt(offset) < 0n ? 0n : BigInt(offset), metadata }));
}

/** By partition: the committed offset, or the first one held where that is gone, was never there or lies ahead. */
export async function readPositions(admin: Admin, group: string, topic: string): Promise<readonly GroupPosition[]> {
  const committed = await readCommitted(admin, group, topic);
  const ends = await readEnds(admin, topic);
  return ends.map(({ partition, firstOffset, nextOffset }) => {
    const { offset, metadata } = committed[partition] ?? { offset: 0n, metadata: null };
    const isHeld = offset >= firstOffset && offset <= nextOffset;
    return { offset: isHeld ? offset : firstOffset, metadata };
  });
}
