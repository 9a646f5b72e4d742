import * as fc from 'fast-check';
import { createBlock, verdicts } from './batch.ts';
import { aBlock } from './blocks.testing.ts';
import { bodyOf, countLines, firstLineOf, halvesOf, runsToStore, withoutStored } from './line-runs.ts';

const blockOf = (lines: number, skipped: readonly number[] = []) => {
  const events = Array.from({ length: lines }, (_, index) => ({ eventId: `e${index}` }));
  const block = createBlock({ ...aBlock({ receivedAt: 1, blockId: `b${lines}`, events }), partition: 0, offset: 0n });
  for (const index of skipped) block.lineVerdicts[index] = verdicts.duplicate;
  return block;
};
const indexesOf = (runs: ReturnType<typeof runsToStore>) =>
  runs.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, at) => from + at));
const eventIdsOf = (parts: readonly Uint8Array[]) =>
  Buffer.concat([...parts])
    .toString('utf8')
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { event_id: string }).event_id);

describe('line runs', () => {
  it('hold the lines that are to be stored', () => {
    expect(indexesOf(runsToStore([blockOf(5, [0, 3])]))).toEqual([1, 2, 4]);
    expect(runsToStore([blockOf(2, [0, 1])])).toEqual([]);
  });

  it('give the body of a whole block as it is, without a copy', () => {
    const block = blockOf(3);
    expect(bodyOf(runsToStore([block]))).toEqual([block.record.body]);
    expect(bodyOf(runsToStore([block]))[0]).toBe(block.record.body);
  });

  it('cut the bytes at the line lengths', () => {
    expect(eventIdsOf(bodyOf(runsToStore([blockOf(5, [0, 3])])))).toEqual(['e1', 'e2', 'e4']);
  });

  it('leave out lines that are stored', () => {
    const runs = runsToStore([blockOf(4), blockOf(3)]);
    const absent = withoutStored(runs, new Map([['b4', new Set([1, 3])]]));
    expect(absent.map(({ block, from, to }) => [block.record.header.blockId, from, to])).toEqual([
      ['b4', 0, 1],
      ['b4', 2, 3],
      ['b3', 0, 3],
    ]);
  });

  it('split into halves that hold the same lines in the same order', () => {
    const blocks = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.array(fc.nat(8))), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(blocks, (specs) => {
        const runs = runsToStore(specs.map(([lines, skipped]) => blockOf(lines, skipped)));
        const [first, second] = halvesOf(runs);
        expect(indexesOf([...first, ...second])).toEqual(indexesOf(runs));
        const difference = countLines(first) - countLines(second);
        expect(difference === 0 || difference === 1).toBe(true);
      }),
    );
  });

  it('name their first line', () => {
    expect(firstLineOf(runsToStore([blockOf(3, [0])])).index).toBe(1);
    expect(() => firstLineOf([])).toThrow(RangeError);
  });
});
