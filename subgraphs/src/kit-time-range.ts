import { CodedError } from '@tributary/schema';
import type { TimeRangeInput } from './kit-builder.ts';

/** UTC epoch milliseconds; `fromMs` inclusive, `toMs` exclusive. */
export interface TimeBounds {
  readonly fromMs: number;
  readonly toMs: number;
}

export const maxRangeDays = 400;
const dayMs = 86_400_000;

function refuse(message: string): never {
  throw new CodedError('BAD_USER_INPUT', { message, details: { field: 'range' } });
}

/**
 * Bounds of `input TimeRange`. Either `lastDays` (1…400, ends now) or `from` with optional `to` (default now); span
 * above 0 and at most 400 days. Throws BAD_USER_INPUT.
 */
export function parseTimeRange(input: TimeRangeInput, nowMs: number): TimeBounds {
  const { lastDays, from, to } = input;
  if (lastDays != null) {
    if (from != null || to != null) refuse('A range takes lastDays or from, not both.');
    if (lastDays < 1 || lastDays > maxRangeDays) refuse(`lastDays takes 1…${maxRangeDays}.`);
    return { fromMs: nowMs - lastDays * dayMs, toMs: nowMs };
  }
  if (from == null) refuse('A range takes lastDays or from.');
  const bounds = { fromMs: from, toMs: to ?? nowMs };
  if (bounds.toMs <= bounds.fromMs) refuse('A range must end after it begins.');
  if (bounds.toMs - bounds.fromMs > maxRangeDays * dayMs) refuse(`A range spans at most ${maxRangeDays} days.`);
  return bounds;
}
