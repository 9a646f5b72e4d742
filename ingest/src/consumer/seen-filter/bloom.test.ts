import * as fc from 'fast-check';
import { createBloomFilter } from './bloom.ts';

const half = fc.nat(0xffff_ffff);

describe('createBloomFilter', () => {
  it('never takes an id that was added for absent', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(half, half), { maxLength: 300 }),
        fc.integer({ min: 1, max: 100 }),
        (ids, capacity) => {
          const filter = createBloomFilter(capacity, 16);
          for (const [hi, lo] of ids) filter.add(hi, lo);
          expect(ids.every(([hi, lo]) => filter.has(hi, lo))).toBe(true);
        },
      ),
    );
  });

  it.each([
    { bitsPerId: 12, atMost: 0.006 },
    { bitsPerId: 16, atMost: 0.002 },
  ])('takes at most $atMost of absent ids for present, full at $bitsPerId bits an id', ({ bitsPerId, atMost }) => {
    const ids = 100_000;
    const filter = createBloomFilter(ids, bitsPerId);
    const next = pseudoRandom(1);
    for (let added = 0; added < ids; added += 1) filter.add(next(), next());
    let wrong = 0;
    for (let asked = 0; asked < ids; asked += 1) if (filter.has(next(), next())) wrong += 1;
    expect(wrong / ids).toBeLessThan(atMost);
  });

  it('needs the bits it was given, rounded up to 32 bytes', () => {
    expect(createBloomFilter(1_000_000, 16).sizeBytes).toBe(2_000_000);
    expect(createBloomFilter(1, 16).sizeBytes).toBe(32);
  });
});

/** xorshift32: the same numbers in every run. */
function pseudoRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
