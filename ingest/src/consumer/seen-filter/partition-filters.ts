import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSeenFilter, type SeenFilter } from './seen-filter.ts';

/** One filter of seen ids for each partition that is ours, together within a bound of memory. */
export interface PartitionFilters {
  /** Undefined for a partition that was not loaded. */
  of(partition: number): SeenFilter | undefined;
  /** An empty filter for the partition, which claims to know what was received since then. */
  restart(partition: number, sinceMs: number): SeenFilter;
  /** Forgets all partitions but these. */
  retain(partitions: readonly number[]): void;
  dropBefore(timeMs: number): void;
  /** Moves the oldest slices into files until the bound of memory is kept. Call it now and then. */
  fit(): void;
  readonly sizeBytes: number;
  readonly fileBytes: number;
  readonly ids: number;
  /** Forgets everything and removes its files. */
  dispose(): void;
}

export interface PartitionFiltersOptions {
  readonly sliceMs: number;
  readonly bitsPerId: number;
  readonly memoryBytes: number;
  /** Where slices go that don't fit into memory: a directory of its own is made in there. Default: the system's for temporary files. */
  readonly spillDir?: string;
}

/** A filter of a slice begins with room for so many ids (32 KB): a log may have 256 partitions. */
const firstCapacity = 16_384;

export function createPartitionFilters(options: PartitionFiltersOptions): PartitionFilters {
  const { sliceMs, bitsPerId, memoryBytes, spillDir = tmpdir() } = options;
  const filters = new Map<number, SeenFilter>();
  let dir: string | null = null;
  const sum = (of: (filter: SeenFilter) => number): number =>
    [...filters.values()].reduce((total, filter) => total + of(filter), 0);

  function forget(partition: number): void {
    filters.get(partition)?.restart(Infinity);
    filters.delete(partition);
  }

  return {
    of: (partition) => filters.get(partition),
    restart(partition, sinceMs) {
      forget(partition);
      const filter = createSeenFilter({ sliceMs, bitsPerId, firstCapacity });
      filter.restart(sinceMs);
      filters.set(partition, filter);
      return filter;
    },
    retain(partitions) {
      for (const partition of filters.keys()) if (!partitions.includes(partition)) forget(partition);
    },
    dropBefore(timeMs) {
      for (const filter of filters.values()) filter.dropBefore(timeMs);
    },
    fit() {
      while (sum(({ sizeBytes }) => sizeBytes) > memoryBytes) {
        dir ??= mkdtempSync(join(spillDir, 'tributary-seen-'));
        // The largest first: it frees most at once.
        const bySize = [...filters.values()].sort((left, right) => right.sizeBytes - left.sizeBytes);
        if (!bySize.some((filter) => filter.spillOldest(dir as string) > 0)) return;
      }
    },
    get sizeBytes() {
      return sum(({ sizeBytes }) => sizeBytes);
    },
    get fileBytes() {
      return sum(({ fileBytes }) => fileBytes);
    },
    get ids() {
      return sum(({ ids }) => ids);
    },
    dispose() {
      for (const partition of [...filters.keys()]) forget(partition);
      if (dir) rmSync(dir, { recursive: true, force: true });
      dir = null;
    },
  };
}
