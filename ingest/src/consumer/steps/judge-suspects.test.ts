import * as fc from 'fast-check';
import { judgeLines, type KeyHolder } from './judge-suspects.ts';

const holder = (key: string, blockId: string, blockIndex = 0, payloadHash = 'p'): KeyHolder => ({
  key,
  blockId,
  blockIndex,
  payloadHash,
});

describe('judgeLines', () => {
  it.each([
    { title: 'stores the first of a key', lines: [holder('k', 'a')], stored: [], verdicts: ['store'] },
    {
      title: 'drops a repeat in the same batch',
      lines: [holder('k', 'a'), holder('k', 'b')],
      stored: [],
      verdicts: ['store', 'duplicate'],
    },
    {
      title: 'drops a repeat of a stored event',
      lines: [holder('k', 'b')],
      stored: [holder('k', 'a')],
      verdicts: ['duplicate'],
    },
    {
      title: 'takes another payload under the same key for a conflict, with the batch and with the warehouse',
      lines: [holder('k', 'b', 0, 'q'), holder('l', 'b', 1), holder('l', 'c', 0, 'q')],
      stored: [holder('k', 'a')],
      verdicts: ['conflict', 'store', 'conflict'],
    },
    {
      title: 'never takes a stored line for a repeat of itself',
      lines: [holder('k', 'a', 3)],
      stored: [holder('k', 'a', 3)],
      verdicts: ['present'],
    },
    {
      title: 'counts a block that comes twice in a batch as nothing',
      lines: [holder('k', 'a', 3), holder('k', 'a', 3)],
      stored: [],
      verdicts: ['store', 'present'],
    },
    {
      title: 'keeps different keys apart although their hashes are equal',
      lines: [holder('k', 'a'), holder('l', 'b')],
      stored: [holder('m', 'c')],
      verdicts: ['store', 'store'],
    },
  ])('$title', ({ lines, stored, verdicts }) => {
    expect(judgeLines(lines, stored)).toEqual(verdicts);
  });

  it('stores nothing more when what it stored is judged again', () => {
    const lines = fc.array(
      fc.record({
        key: fc.constantFrom('k', 'l', 'm'),
        blockId: fc.constantFrom('a', 'b'),
        blockIndex: fc.nat(3),
        payloadHash: fc.constantFrom('p', 'q'),
      }),
    );
    fc.assert(
      fc.property(lines, (batch) => {
        const stored = batch.filter((_, index) => judgeLines(batch, [])[index] === 'store');
        expect(judgeLines(batch, stored)).not.toContain('store');
      }),
    );
  });
});
