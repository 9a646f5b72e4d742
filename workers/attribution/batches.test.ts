import { batchesOf } from './batches.ts';

const sizes = (keys: readonly string[]) => [...batchesOf(keys, (key) => [key])].map((batch) => batch.length);

describe('batchesOf', () => {
  it('gives nothing for nothing', () => expect(sizes([])).toEqual([]));

  it('holds 10,000 items at most', () => {
    expect(sizes(Array.from({ length: 20_100 }, () => 'key'))).toEqual([10_000, 10_000, 100]);
  });

  it('holds 100,000 bytes of any one list at most, and one item at least', () => {
    expect(sizes(Array.from({ length: 450 }, () => 'x'.repeat(497)))).toEqual([200, 200, 50]);
    expect(sizes(['x'.repeat(200_000), 'y'])).toEqual([1, 1]);
  });

  it('goes by the longest of an item’s keys', () => {
    const batches = [...batchesOf([1, 2, 3], () => ['short', 'ä'.repeat(20_000)])];
    expect(batches).toEqual([[1, 2], [3]]);
  });
});
