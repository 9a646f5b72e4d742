import type { NewEvent } from './scan-reader.ts';

/** Refs kept at most; some 100 bytes each. */
const refsKept = 50_000;

/**
 * Tells which conversions can't have a journey yet, so that the store need not be asked for it: asking for 2,000 ids reads
 * all journeys of their times, which under load was a quarter of attribution's CPU. Exact, since there is one writer: an
 * event has no journey if it was inserted after all that this process and those before it looked at, unless a click, an
 * impression or an install made its journey before its turn came; those are remembered one by one.
 */
export interface FirstBuilds {
  /** Whatever was inserted up to here, epoch ms, may have been worked on before. It only grows. */
  seen(untilMs: number): void;
  isFirst(event: Pick<NewEvent, 'ref' | 'insertedAt'>): boolean;
  /** The journeys of these events are made now. */
  built(events: readonly Pick<NewEvent, 'ref' | 'insertedAt'>[]): void;
}

export function createFirstBuilds(): FirstBuilds {
  let seenUntil = Number.NEGATIVE_INFINITY;
  /** Ref → time of insertion, of those built that were inserted later than `seenUntil`. */
  const early = new Map<string, number>();
  const seen = (untilMs: number) => {
    if (untilMs <= seenUntil) return;
    seenUntil = untilMs;
    for (const [ref, insertedAt] of early) if (insertedAt <= seenUntil) early.delete(ref);
  };
  return {
    seen,
    isFirst: ({ ref, insertedAt }) => insertedAt > seenUntil && !early.has(ref),
    built(events) {
      for (const { ref, insertedAt } of events) if (insertedAt > seenUntil) early.set(ref, insertedAt);
      // Rather asked for than kept without bound.
      if (early.size > refsKept) seen([...early.values()].reduce((a, b) => Math.max(a, b)));
    },
  };
}
