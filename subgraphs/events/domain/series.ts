import { CodedError } from '@tributary/schema';
import { daysOf } from './calendar.ts';

export type SeriesGrain = 'MINUTE' | 'FIFTEEN_MINUTES' | 'HOUR' | 'DAY';
export type SeriesMetric = 'EVENTS' | 'SESSIONS' | 'INSTALLS' | 'PURCHASES' | 'REVENUE' | 'PEOPLE';

export interface SeriesPoint {
  /** Begin of the bucket, UTC ms. */
  readonly at: number;
  readonly value: number;
}

const grainMs = { MINUTE: 60_000, FIFTEEN_MINUTES: 900_000, HOUR: 3_600_000 } as const;

/** More points than any chart shows; keeps one answer below about 200 KB. */
export const maxSeriesPoints = 3_000;

/** The buckets of a range, oldest first, each with the key under which the warehouse reports it. */
export function bucketsOf(
  fromMs: number,
  toMs: number,
  grain: SeriesGrain,
  timezone: string,
): readonly { key: string; at: number }[] {
  if (grain === 'DAY') {
    return daysOf(fromMs, toMs, timezone).map((day) => ({ key: day.date, at: day.startMs }));
  }
  const step = grainMs[grain];
  const first = Math.floor(fromMs / step) * step;
  const count = Math.ceil((toMs - first) / step);
  if (count > maxSeriesPoints) {
    throw new CodedError('BAD_USER_INPUT', {
      message: `That is ${count} points; a series has at most ${maxSeriesPoints}. Take a coarser grain or a shorter range.`,
      details: { field: 'grain', limit: maxSeriesPoints },
    });
  }
  return Array.from({ length: count }, (_, index) => ({
    key: String(first + index * step),
    at: first + index * step,
  }));
}

/** One point per bucket, 0 where the warehouse has nothing. */
export function fillSeries(
  buckets: readonly { key: string; at: number }[],
  values: ReadonlyMap<string, number>,
): readonly SeriesPoint[] {
  return buckets.map((bucket) => ({ at: bucket.at, value: values.get(bucket.key) ?? 0 }));
}
