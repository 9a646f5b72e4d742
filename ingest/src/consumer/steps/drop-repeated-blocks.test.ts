import { verdicts } from '../batch.ts';
import { aBlock } from '../blocks.testing.ts';
import { createRecentBlocks, dropRepeatedBlocks } from './drop-repeated-blocks.ts';
import { aBatch } from './steps.testing.ts';

const block = (blockId: string) => aBlock({ receivedAt: 1, blockId, events: [{ eventId: 'e' }, { eventId: 'f' }] });

describe('dropRepeatedBlocks', () => {
  it('marks the second of two equal blocks of a batch as present', () => {
    const batch = aBatch(block('a'), block('a'));
    expect(dropRepeatedBlocks(batch, createRecentBlocks())).toEqual({ blocks: 1 });
    expect(batch.blocks.map(({ lineVerdicts }) => [...lineVerdicts])).toEqual([
      [verdicts.store, verdicts.store],
      [verdicts.present, verdicts.present],
    ]);
  });

  it('marks a block that was stored lately', () => {
    const recent = createRecentBlocks();
    recent.add('a');
    expect(dropRepeatedBlocks(aBatch(block('a'), block('b')), recent)).toEqual({ blocks: 1 });
  });

  it('remembers no block of the batch itself, since it is not stored yet', () => {
    const recent = createRecentBlocks();
    dropRepeatedBlocks(aBatch(block('a')), recent);
    expect(recent.has('a')).toBe(false);
  });

  it('forgets the oldest block over the limit', () => {
    const recent = createRecentBlocks(2);
    for (const id of ['a', 'b', 'c']) recent.add(id);
    expect(['a', 'b', 'c'].map((id) => recent.has(id))).toEqual([false, true, true]);
  });
});
