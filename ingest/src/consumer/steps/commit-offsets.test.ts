import { createBlock } from '../batch.ts';
import { aBlock } from '../blocks.testing.ts';
import { commitOffsets } from './commit-offsets.ts';
import { aPersistence } from './steps.testing.ts';

const block = (partition: number, offset: bigint) =>
  createBlock({ ...aBlock({ receivedAt: 1, partition, events: [{ eventId: 'e' }] }), partition, offset });

describe('commitOffsets', () => {
  it('commits the offset after the last block of each partition, again until it is taken', async () => {
    const committed: [number, bigint][] = [];
    let failures = 2;
    const reader = {
      async commit(partition: number, nextOffset: bigint) {
        failures -= 1;
        if (failures >= 0) throw new Error('not now');
        committed.push([partition, nextOffset]);
      },
    };
    const blocks = [block(0, 4n), block(1, 9n), block(0, 7n)];
    await commitOffsets({ blocks, doubtful: [], claims: [] }, { reader, persistence: aPersistence() });
    expect(committed.toSorted(([left], [right]) => left - right)).toEqual([
      [0, 8n],
      [1, 10n],
    ]);
  });
});
