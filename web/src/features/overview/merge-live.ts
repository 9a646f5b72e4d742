import type { LiveMetrics, LiveRow } from './queries.ts';

const keyOf = (row: LiveRow): string => row.campaign?.id ?? '';

/**
 * The state after a payload. The first payload of a subscription holds all rows; a later one may hold only those that
 * changed, each with absolute totals. A row without anything left is kept at zero by the sender, so nothing is added up here.
 */
export function mergeLive(before: LiveMetrics | null, payload: LiveMetrics): LiveMetrics {
  if (before === null || before.window !== payload.window) return payload;
  const rows = new Map(before.rows.map((row) => [keyOf(row), row]));
  for (const row of payload.rows) rows.set(keyOf(row), row);
  return { ...payload, rows: [...rows.values()] };
}

/** The last `length` values with one more at the end. */
export function pushSample(samples: readonly number[], value: number, length: number): readonly number[] {
  return [...samples.slice(-(length - 1)), value];
}
