import { createLogger } from '@tributary/platform/logger';
import type { LogBlock } from '@tributary/schema';
import { type Batch, createBlock } from '../batch.ts';
import { aBlock, type BlockSpec } from '../blocks.testing.ts';
import { createPersistence, type Persistence } from '../persistence.ts';

/** A batch of these blocks, all of partition 0, at offsets from 0. */
export function aBatch(...blocks: readonly (BlockSpec | LogBlock)[]): Batch {
  const made = blocks.map((block, offset) =>
    createBlock({ ...('header' in block ? block : aBlock(block)), partition: 0, offset: BigInt(offset) }),
  );
  return { blocks: made, doubtful: made, claims: [{ partition: 0, epoch: 1n }] };
}

export const silentLogger = createLogger('test', 'silent');

export function aPersistence(signal: AbortSignal = new AbortController().signal): Persistence {
  return createPersistence({ logger: silentLogger, settings: { firstBackoffMs: 1, longestBackoffMs: 2 }, signal });
}
