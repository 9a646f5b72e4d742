import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPartitionFilters } from './partition-filters.ts';

const dayMs = 86_400_000;
const hashOf = (id: number) =>
  [Math.imul(id, 0x9e37_79b1) >>> 0, Math.imul(id ^ 0x5bd1_e995, 0x85eb_ca6b) >>> 0] as const;

describe('createPartitionFilters', () => {
  let spillDir: string;
  beforeEach(() => {
    spillDir = mkdtempSync(join(tmpdir(), 'tributary-spill-'));
  });
  afterEach(() => rmSync(spillDir, { recursive: true, force: true }));
  const filters = (memoryBytes: number) =>
    createPartitionFilters({ sliceMs: dayMs, bitsPerId: 16, memoryBytes, spillDir });

  it('knows nothing of a partition that was not loaded, or was forgotten', () => {
    const all = filters(1e9);
    all.restart(1, 0).add(1, 2, 0);
    all.restart(2, 0).add(3, 4, 0);
    expect(all.of(3)).toBeUndefined();
    all.retain([2]);
    expect(all.of(1)).toBeUndefined();
    expect(all.ids).toBe(1);
    all.dispose();
  });

  it('takes 2 bytes an id once it knows how many there will be', () => {
    const all = filters(1e9);
    const filter = all.restart(0, 0);
    const ids = 20_000;
    filter.reserve(0, ids);
    for (let id = 0; id < ids; id += 1) filter.add(...hashOf(id), 0);
    expect(all.sizeBytes / ids).toBeLessThan(2.3);
    // The next slice is expected to be as large.
    for (let id = ids; id < 2 * ids; id += 1) filter.add(...hashOf(id), dayMs);
    expect(all.sizeBytes / (2 * ids)).toBeLessThan(2.3);
    all.dispose();
  });

  it('moves the oldest slices into files beyond its bound of memory, and still knows their ids', () => {
    const bound = 33_000;
    const all = filters(bound);
    const filter = all.restart(0, 0);
    for (let id = 0; id < 20_000; id += 1) {
      filter.addAndTest(...hashOf(id), Math.floor(id / 5_000) * dayMs);
      if (id % 1_000 === 0) all.fit();
    }
    all.fit();
    expect(all.sizeBytes).toBeLessThanOrEqual(bound);
    expect(all.fileBytes).toBeGreaterThan(30_000);
    let forgotten = 0;
    let wrong = 0;
    for (let id = 0; id < 20_000; id += 7) if (!filter.addAndTest(...hashOf(id), 3 * dayMs)) forgotten += 1;
    for (let id = 20_000; id < 21_000; id += 1) if (filter.addAndTest(...hashOf(id), 3 * dayMs)) wrong += 1;
    expect(forgotten).toBe(0);
    expect(wrong).toBeLessThan(60);
    all.dispose();
  });

  it('takes an id for a slice that is in a file, and knows it then', () => {
    const all = filters(10_000);
    const filter = all.restart(0, 0);
    filter.add(...hashOf(1), 0);
    filter.add(...hashOf(2), dayMs);
    all.fit();
    expect(all.fileBytes).toBeGreaterThan(0);
    expect(filter.addAndTest(...hashOf(3), 0)).toBe(false);
    expect(filter.addAndTest(...hashOf(3), dayMs)).toBe(true);
    expect(filter.addAndTest(...hashOf(1), dayMs)).toBe(true);
    all.dispose();
  });

  it('removes its files with the slices that are too old, and at the end', () => {
    const all = filters(10_000);
    const filter = all.restart(0, 0);
    for (const day of [0, 1, 2]) filter.add(...hashOf(day), day * dayMs);
    all.fit();
    const files = () =>
      readdirSync(spillDir, { recursive: true }).filter(
        (name) => String(name).includes('seen-0-') || /seen-[12]-/.test(String(name)),
      );
    expect(files()).toHaveLength(2);
    all.dropBefore(dayMs);
    expect(files()).toHaveLength(1);
    all.dispose();
    expect(readdirSync(spillDir)).toEqual([]);
  });
});
