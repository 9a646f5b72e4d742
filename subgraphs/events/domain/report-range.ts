import { CodedError } from '@tributary/schema';

interface RangeInput {
  readonly lastDays?: number | null | undefined;
  readonly from?: number | null | undefined;
  readonly to?: number | null | undefined;
}

const dayMs = 86_400_000;

function refuse(message: string): never {
  throw new CodedError('BAD_USER_INPUT', { message, details: { field: 'range' } });
}

/**
 * Bounds of a `TimeRange` whose length the caller's plan limits, not the kit. Throws BAD_USER_INPUT for what is no range.
 */
export function reportRangeOf({ lastDays, from, to }: RangeInput, nowMs: number): { fromMs: number; toMs: number } {
  if (lastDays != null) {
    if (from != null || to != null) refuse('A range takes lastDays or from, not both.');
    if (lastDays < 1) refuse('lastDays takes 1 or more.');
    return { fromMs: nowMs - lastDays * dayMs, toMs: nowMs };
  }
  if (from == null) refuse('A range takes lastDays or from.');
  return { fromMs: from, toMs: to ?? nowMs };
}
