import { type Batch, verdicts } from '../batch.ts';

/** The blocks that this consumer has stored lately, so that one sent twice to the log is known without asking. */
export interface RecentBlocks {
  has(blockId: string): boolean;
  /** Only for blocks that are wholly stored. Forgets the oldest over the limit. */
  add(blockId: string): void;
}

export function createRecentBlocks(limit = 10_000): RecentBlocks {
  const ids = new Set<string>();
  return {
    has: (blockId) => ids.has(blockId),
    add(blockId) {
      ids.add(blockId);
      if (ids.size > limit) {
        for (const oldest of ids) {
          ids.delete(oldest);
          break;
        }
      }
    },
  };
}

/**
 * A producer that got no answer sends its block again, so the log may hold it at two offsets: the second counts as
 * nothing. One that was stored longer ago is recognised line by line in the warehouse (judge-suspects).
 */
export function dropRepeatedBlocks(batch: Batch, recent: RecentBlocks): { readonly blocks: number } {
  const inBatch = new Set<string>();
  let dropped = 0;
  for (const { record, lineVerdicts } of batch.blocks) {
    const { blockId } = record.header;
    if (recent.has(blockId) || inBatch.has(blockId)) {
      lineVerdicts.fill(verdicts.present);
      dropped += 1;
    }
    inBatch.add(blockId);
  }
  return { blocks: dropped };
}
