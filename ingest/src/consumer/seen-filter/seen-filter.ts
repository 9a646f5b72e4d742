import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { createBloomFilter, type FileBloomFilter, type MemoryBloomFilter } from './bloom.ts';

/**
 * Which dedupe hashes of one partition were seen in the last days: "surely new" or "maybe seen". Slices by received time
 * are forgotten as a whole. State: `bitsPerId` bits an id, 200 MB for 100 million; slices can be moved into files.
 */
export interface SeenFilter {
  /** False when the hash is surely new. Adds it to the slice of `receivedAt` either way. */
  addAndTest(hi: number, lo: number, receivedAt: number): boolean;
  /** Adds it without asking the other slices. */
  add(hi: number, lo: number, receivedAt: number): void;
  /** Makes room for so many more ids in the slice of `receivedAt`, so that it is one filter and not several. */
  reserve(receivedAt: number, ids: number): void;
  /** Forgets slices that hold nothing received at or after this time. */
  dropBefore(timeMs: number): void;
  /** Forgets everything; from then on the filter claims to know what was received since `sinceMs`. */
  restart(sinceMs: number): void;
  /**
   * Moves the oldest slice that is in memory, but for the newest of all, into files in `dir`. Returns the bytes that this
   * freed; 0 when there is none to move.
   */
  spillOldest(dir: string): number;
  /** What was received before this is not known to it: it can't say "surely new" of a repeat of such an event. */
  readonly sinceMs: number;
  /** Of memory. */
  readonly sizeBytes: number;
  /** In files. */
  readonly fileBytes: number;
  readonly ids: number;
}

export interface SeenFilterOptions {
  readonly sliceMs: number;
  readonly bitsPerId: number;
  /** Ids for which the first filter of a slice is sized when nothing else is known. Default 262,144 (512 KB). */
  readonly firstCapacity?: number;
}

interface Slice {
  readonly number: number;
  /** The last one takes the additions; when it is full, one twice as large follows. */
  filters: MemoryBloomFilter[];
  readonly files: FileBloomFilter[];
  /** Ids added to the last filter. */
  added: number;
  ids: number;
}

// Over 50 lines: the state of one filter, which its functions share.
export function createSeenFilter(options: SeenFilterOptions): SeenFilter {
  const { sliceMs, bitsPerId, firstCapacity = 262_144 } = options;
  // Newest first: nearly all additions and most repeats are of the newest slice.
  let slices: Slice[] = [];
  let sinceMs = Infinity;

  /** A new slice is expected to become as large as the one before it, so that in the long run each is one filter. */
  function sliceOf(
    receivedAt: number,
    capacity = Math.max(firstCapacity, Math.ceil((slices[0]?.ids ?? 0) * 1.1)),
  ): Slice {
    const number = Math.floor(receivedAt / sliceMs);
    const found = slices.find((slice) => slice.number === number);
    if (found) return found;
    const made = { number, filters: [createBloomFilter(capacity, bitsPerId)], files: [], added: 0, ids: 0 };
    slices = [...slices, made].sort((left, right) => right.number - left.number);
    return made;
  }

  function grow(slice: Slice, capacity: number): MemoryBloomFilter {
    const filter = createBloomFilter(capacity, bitsPerId);
    slice.filters.push(filter);
    slice.added = 0;
    return filter;
  }

  const isIn = (slice: Slice, hi: number, lo: number): boolean => {
    for (const filter of slice.filters) if (filter.has(hi, lo)) return true;
    for (const file of slice.files) if (file.has(hi, lo)) return true;
    return false;
  };

  /** True when the slice had it already. */
  function addTo(slice: Slice, hi: number, lo: number): boolean {
    if (isIn(slice, hi, lo)) return true;
    let last = slice.filters.at(-1);
    if (!last) last = grow(slice, firstCapacity);
    else if (slice.added >= last.capacity) last = grow(slice, last.capacity * 2);
    last.add(hi, lo);
    slice.added += 1;
    slice.ids += 1;
    return false;
  }

  function keep(kept: (slice: Slice) => boolean): void {
    for (const slice of slices) if (!kept(slice)) for (const file of slice.files) file.dispose();
    slices = slices.filter(kept);
  }

  return {
    addAndTest(hi, lo, receivedAt) {
      const home = sliceOf(receivedAt);
      let seen = addTo(home, hi, lo);
      for (const slice of slices) if (!seen && slice !== home) seen = isIn(slice, hi, lo);
      return seen;
    },
    add(hi, lo, receivedAt) {
      addTo(sliceOf(receivedAt), hi, lo);
    },
    reserve(receivedAt, ids) {
      const slice = sliceOf(receivedAt, Math.max(ids, firstCapacity));
      const last = slice.filters.at(-1);
      if (!last || last.capacity - slice.added < ids) grow(slice, ids);
    },
    dropBefore(timeMs) {
      if (slices.some((slice) => (slice.number + 1) * sliceMs <= timeMs)) {
        keep((slice) => (slice.number + 1) * sliceMs > timeMs);
        sinceMs = Math.max(sinceMs, Math.floor(timeMs / sliceMs) * sliceMs);
      }
    },
    restart(from) {
      keep(() => false);
      sinceMs = from;
    },
    spillOldest(dir) {
      const oldest = slices.findLast((slice, index) => index > 0 && slice.filters.length > 0);
      if (!oldest) return 0;
      const freed = memoryOf(oldest);
      for (const filter of oldest.filters) {
        oldest.files.push(filter.toFile(join(dir, `seen-${oldest.number}-${randomUUID()}`)));
      }
      oldest.filters = [];
      oldest.added = 0;
      return freed;
    },
    get sinceMs() {
      return sinceMs;
    },
    get sizeBytes() {
      return slices.reduce((sum, slice) => sum + memoryOf(slice), 0);
    },
    get fileBytes() {
      return slices.reduce((sum, { files }) => sum + files.reduce((inner, file) => inner + file.fileBytes, 0), 0);
    },
    get ids() {
      return slices.reduce((sum, slice) => sum + slice.ids, 0);
    },
  };
}

const memoryOf = ({ filters }: Slice): number => filters.reduce((sum, filter) => sum + filter.sizeBytes, 0);
