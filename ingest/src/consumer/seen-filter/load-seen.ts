import type { Warehouse } from '@tributary/platform/warehouse';
import type { Persistence } from '../persistence.ts';
import { readSeenCounts, readSeenHashes } from '../questions.ts';
import type { SeenFilter } from './seen-filter.ts';

export interface LoadSeenOptions {
  readonly sinceMs: number;
  readonly sliceMs: number;
  /** The filter that an id belongs to; undefined for one that nobody here needs. */
  readonly filterOf: (hi: number, lo: number) => SeenFilter | undefined;
  /** The filters that are to be loaded, and which share of all ids each of them will get, 0…1. */
  readonly filters: readonly SeenFilter[];
  readonly share: number;
  /** Called after each slice, when it is known how much memory is taken. */
  readonly onSlice?: () => void;
  /** Ids of one answer, about: 8 MB at the default of 1,000,000. */
  readonly idsPerQuestion?: number;
}

interface Range {
  readonly fromMs: number;
  readonly toMs: number;
  readonly ids: number;
}

const bucketMs = 3_600_000;

/**
 * Puts the dedupe hashes of all events received since then into their filters. Hours are counted first, so that slices are
 * sized once and answers stay small. Resolves with the number of ids; rejects only when stopped.
 */
export async function loadSeen(
  deps: { readonly warehouse: Warehouse; readonly persistence: Persistence },
  options: LoadSeenOptions,
): Promise<number> {
  const { warehouse, persistence } = deps;
  const { sinceMs, sliceMs, filterOf, filters, idsPerQuestion = 1_000_000 } = options;
  const counts = await persistence.untilDone('count the ids of the last days', () =>
    readSeenCounts(warehouse, sinceMs, bucketMs),
  );
  const ranges = rangesOf(counts, sliceMs, idsPerQuestion);
  const room = slicesOf(ranges, sliceMs);
  let loaded = 0;
  let current = Number.NaN;
  for (const { fromMs, toMs, ids } of ranges) {
    const slice = Math.floor(fromMs / sliceMs);
    if (slice !== current) {
      options.onSlice?.();
      for (const filter of filters) filter.reserve(fromMs, Math.ceil((room.get(slice) ?? 0) * options.share));
      current = slice;
    }
    const shares = Math.max(1, Math.ceil(ids / idsPerQuestion));
    for (let share = 0; share < shares; share += 1) {
      const answers = await persistence.untilDone('load the ids of the last days', () =>
        readSeenHashes(warehouse, { fromMs, toMs, shares, share }),
      );
      for (const hashes of answers) loaded += addHashes(hashes, fromMs, filterOf);
    }
  }
  options.onSlice?.();
  return loaded;
}

/** Neighbouring hours of one slice, up to about `idsPerRange` ids together. */
function rangesOf(counts: readonly { bucket: number; ids: number }[], sliceMs: number, idsPerRange: number): Range[] {
  const ranges: Range[] = [];
  for (const { bucket, ids } of counts) {
    const fromMs = bucket * bucketMs;
    const last = ranges.at(-1);
    const sameSlice = last && Math.floor(last.fromMs / sliceMs) === Math.floor(fromMs / sliceMs);
    if (last && sameSlice && last.ids + ids <= idsPerRange) {
      ranges[ranges.length - 1] = { fromMs: last.fromMs, toMs: fromMs + bucketMs, ids: last.ids + ids };
    } else {
      ranges.push({ fromMs, toMs: fromMs + bucketMs, ids });
    }
  }
  return ranges;
}

/** Ids for which each slice is sized: a little more than are there, since shares are not quite even; the newest grows on. */
function slicesOf(ranges: readonly Range[], sliceMs: number): ReadonlyMap<number, number> {
  const slices = new Map<number, number>();
  for (const { fromMs, ids } of ranges) {
    const slice = Math.floor(fromMs / sliceMs);
    slices.set(slice, (slices.get(slice) ?? 0) + ids * 1.05);
  }
  const newest = Math.max(...slices.keys());
  if (slices.size > 0) slices.set(newest, (slices.get(newest) ?? 0) * 2);
  return slices;
}

function addHashes(hashes: Buffer, receivedAt: number, filterOf: LoadSeenOptions['filterOf']): number {
  let added = 0;
  for (let at = 0; at + 8 <= hashes.length; at += 8) {
    const hi = hashes.readUInt32BE(at);
    const lo = hashes.readUInt32BE(at + 4);
    const filter = filterOf(hi, lo);
    if (!filter) continue;
    filter.add(hi, lo, receivedAt);
    added += 1;
  }
  return added;
}
