import { type BloomFilter, createBloomFilter } from './bloom.ts';

/**
 * Which dedupe hashes were seen in the last days: "surely new" or "maybe seen". Slices by received time are forgotten
 * as a whole; a slice that is full grows by a filter twice as large. State: `bitsPerId` bits an id, 200 MB for 100 million.
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
  /** What was received before this is not known to it: it can't say "surely new" of a repeat of such an event. */
  readonly sinceMs: number;
  readonly sizeBytes: number;
  readonly ids: number;
}

export interface SeenFilterOptions {
  readonly sliceMs: number;
  readonly bitsPerId: number;
  /** Ids for which the first filter of a slice is sized when nothing was reserved. Default 262,144 (512 KB). */
  readonly firstCapacity?: number;
}

interface Slice {
  readonly number: number;
  readonly filters: BloomFilter[];
  /** Ids added to the last filter. */
  added: number;
  ids: number;
}

export function createSeenFilter(options: SeenFilterOptions): SeenFilter {
  const { sliceMs, bitsPerId, firstCapacity = 262_144 } = options;
  // Newest first: nearly all additions and most repeats are of the newest slice.
  let slices: Slice[] = [];
  let sinceMs = Infinity;

  function sliceOf(receivedAt: number, capacity: number): Slice {
    const number = Math.floor(receivedAt / sliceMs);
    const found = slices.find((slice) => slice.number === number);
    if (found) return found;
    const made = { number, filters: [createBloomFilter(capacity, bitsPerId)], added: 0, ids: 0 };
    slices = [...slices, made].sort((left, right) => right.number - left.number);
    return made;
  }

  function grow(slice: Slice, capacity: number): void {
    slice.filters.push(createBloomFilter(capacity, bitsPerId));
    slice.added = 0;
  }

  const isIn = (slice: Slice, hi: number, lo: number): boolean => {
    for (const filter of slice.filters) if (filter.has(hi, lo)) return true;
    return false;
  };

  /** True when the slice had it already. */
  function addTo(slice: Slice, hi: number, lo: number): boolean {
    if (isIn(slice, hi, lo)) return true;
    const last = slice.filters[slice.filters.length - 1]!;
    if (slice.added >= last.capacity) grow(slice, last.capacity * 2);
    slice.filters[slice.filters.length - 1]!.add(hi, lo);
    slice.added += 1;
    slice.ids += 1;
    return false;
  }

  return {
    addAndTest(hi, lo, receivedAt) {
      const home = sliceOf(receivedAt, firstCapacity);
      let seen = addTo(home, hi, lo);
      for (const slice of slices) if (!seen && slice !== home) seen = isIn(slice, hi, lo);
      return seen;
    },
    add(hi, lo, receivedAt) {
      addTo(sliceOf(receivedAt, firstCapacity), hi, lo);
    },
    reserve(receivedAt, ids) {
      const slice = sliceOf(receivedAt, Math.max(ids, firstCapacity));
      const last = slice.filters[slice.filters.length - 1]!;
      if (last.capacity - slice.added < ids) grow(slice, ids);
    },
    dropBefore(timeMs) {
      if (slices.some((slice) => (slice.number + 1) * sliceMs <= timeMs)) {
        slices = slices.filter((slice) => (slice.number + 1) * sliceMs > timeMs);
        sinceMs = Math.max(sinceMs, Math.floor(timeMs / sliceMs) * sliceMs);
      }
    },
    restart(from) {
      slices = [];
      sinceMs = from;
    },
    get sinceMs() {
      return sinceMs;
    },
    get sizeBytes() {
      return slices.reduce(
        (sum, slice) => sum + slice.filters.reduce((inner, filter) => inner + filter.sizeBytes, 0),
        0,
      );
    },
    get ids() {
      return slices.reduce((sum, slice) => sum + slice.ids, 0);
    },
  };
}
