import type { Warehouse } from '@tributary/platform/warehouse';
import type { Persistence } from '../persistence.ts';
import { readSeenCounts, readSeenHashes } from '../questions.ts';
import type { SeenFilter } from './seen-filter.ts';

export interface LoadSeenOptions {
  readonly sinceMs: number;
  readonly sliceMs: number;
  /** Which of the ids this consumer needs: those of its partitions. Default: all. */
  readonly wanted?: (hi: number, lo: number) => boolean;
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
 * Puts the dedupe hashes of all events received since then into the filter. Hours are counted first, so that slices are
 * sized once and answers stay small. Resolves with the number of ids; rejects only when stopped.
 */
export async function loadSeen(
  filter: SeenFilter,
  deps: { readonly warehouse: Warehouse; readonly persistence: Persistence },
  options: LoadSeenOptions,
): Promise<number> {
  const { warehouse, persistence } = deps;
  const { sinceMs, sliceMs, wanted, idsPerQuestion = 1_000_000 } = options;
  const counts = await persistence.untilDone('count the ids of the last days', () =>
    readSeenCounts(warehouse, sinceMs, bucketMs),
  );
  const ranges = rangesOf(counts, sliceMs, idsPerQuestion);
  if (!wanted) reserveSlices(filter, ranges, sliceMs);
  let loaded = 0;
  for (const { fromMs, toMs, ids } of ranges) {
    const shares = Math.max(1, Math.ceil(ids / idsPerQuestion));
    for (let share = 0; share < shares; share += 1) {
      const answers = await persistence.untilDone('load the ids of the last days', () =>
        readSeenHashes(warehouse, { fromMs, toMs, shares, share }),
      );
      for (const hashes of answers) loaded += addHashes(filter, hashes, fromMs, wanted);
    }
  }
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

function reserveSlices(filter: SeenFilter, ranges: readonly Range[], sliceMs: number): void {
  const slices = new Map<number, number>();
  for (const { fromMs, ids } of ranges) {
    const slice = Math.floor(fromMs / sliceMs);
    slices.set(slice, (slices.get(slice) ?? 0) + ids);
  }
  const newest = Math.max(...slices.keys());
  // The newest one goes on growing.
  for (const [slice, ids] of slices) filter.reserve(slice * sliceMs, slice === newest ? ids * 2 : ids);
}

function addHashes(filter: SeenFilter, hashes: Buffer, receivedAt: number, wanted: LoadSeenOptions['wanted']): number {
  let added = 0;
  for (let at = 0; at + 8 <= hashes.length; at += 8) {
    const hi = hashes.readUInt32BE(at);
    const lo = hashes.readUInt32BE(at + 4);
    if (wanted && !wanted(hi, lo)) continue;
    filter.add(hi, lo, receivedAt);
    added += 1;
  }
  return added;
}
