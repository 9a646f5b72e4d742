import * as fc from 'fast-check';
import { createSeenFilter } from './seen-filter.ts';

const dayMs = 86_400_000;
const half = fc.nat(0xffff_ffff);

describe('createSeenFilter', () => {
  it('knows every id again, in whichever slice it came, also when slices grow', () => {
    const additions = fc.array(fc.tuple(half, half, fc.nat(9)), { maxLength: 200 });
    fc.assert(
      fc.property(additions, (ids) => {
        const filter = createSeenFilter({ sliceMs: 2 * dayMs, bitsPerId: 16, firstCapacity: 4 });
        for (const [hi, lo, day] of ids) filter.addAndTest(hi, lo, day * dayMs);
        expect(ids.every(([hi, lo]) => filter.addAndTest(hi, lo, 9 * dayMs))).toBe(true);
      }),
    );
  });

  it('says of a new id that it is new, and counts it once', () => {
    const filter = createSeenFilter({ sliceMs: dayMs, bitsPerId: 16 });
    expect(filter.addAndTest(1, 2, 0)).toBe(false);
    expect(filter.addAndTest(1, 2, 0)).toBe(true);
    filter.add(1, 2, 0);
    expect(filter.ids).toBe(1);
  });

  it('forgets slices that are wholly older, and says since when it knows', () => {
    const filter = createSeenFilter({ sliceMs: dayMs, bitsPerId: 16 });
    filter.restart(0);
    filter.addAndTest(1, 1, 0.5 * dayMs);
    filter.addAndTest(2, 2, 1.5 * dayMs);
    filter.dropBefore(1.2 * dayMs);
    expect(filter.sinceMs).toBe(dayMs);
    expect(filter.addAndTest(2, 2, 3 * dayMs)).toBe(true);
    expect(filter.addAndTest(1, 1, 3 * dayMs)).toBe(false);
  });

  it('knows nothing since ever before it was loaded', () => {
    expect(createSeenFilter({ sliceMs: dayMs, bitsPerId: 16 }).sinceMs).toBe(Number.POSITIVE_INFINITY);
  });

  it('holds a slice in one filter when room was reserved', () => {
    const reserved = createSeenFilter({ sliceMs: dayMs, bitsPerId: 16, firstCapacity: 16 });
    reserved.add(0xffff_ffff, 0, 0);
    reserved.reserve(0, 1_000);
    const grown = createSeenFilter({ sliceMs: dayMs, bitsPerId: 16, firstCapacity: 16 });
    for (let id = 0; id < 1_000; id += 1) {
      const hi = Math.imul(id, 0x9e37_79b1) >>> 0;
      reserved.add(hi, id, 0);
      grown.add(hi, id, 0);
    }
    // 16 ids, then 1,000; and 16, 32, 64, … 512.
    expect(reserved.sizeBytes).toBe(32 + 2_016);
    expect(grown.sizeBytes).toBe(32 + 64 + 128 + 256 + 512 + 1_024);
  });
});
