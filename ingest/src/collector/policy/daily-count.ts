import type { Cache } from '@tributary/platform/cache';
import type { Clock } from '@tributary/platform/clock';
import { CodedError } from '@tributary/schema';

/** A count of a UTC day that several processes share. */
export interface DailyCount {
  /** Throws QUOTA_EXCEEDED once the count has reached the quota. */
  check(quota: number): void;
  add(events: number): void;
  /** Tells the cache what it was not told yet. */
  dispose(): Promise<void>;
}

export interface DailyCountOptions {
  readonly cache: Cache;
  readonly clock: Clock;
  readonly cacheKey: string;
  readonly onUnshared?: () => void;
}

const dayMs = 86_400_000;
/** How long what was counted may wait before the others are told. */
const tellAfterMs = 100;

/** What this process adds is told to the shared counter in the background, which answers with the count of all. */
export function createDailyCount({ cache, clock, cacheKey, onUnshared }: DailyCountOptions): DailyCount {
  let day = 0;
  /** Of all processes, as far as this one was told, and its own untold. */
  let known = 0;
  let untold = 0;
  let toldAt = 0;
  let telling: Promise<void> | null = null;

  const turn = (): void => {
    const today = Math.floor(clock.now() / dayMs);
    if (today === day) return;
    day = today;
    known = 0;
    untold = 0;
    toldAt = 0;
  };
  const tell = async (): Promise<void> => {
    const by = untold;
    const toldDay = day;
    untold = 0;
    known += by;
    toldAt = clock.now();
    try {
      const total = await cache.increment(`${cacheKey}:${toldDay}`, by, { ttlMs: 2 * dayMs });
      // A cache that lost the count, or is away, knows less than this process.
      if (toldDay === day) known = Math.max(known, total);
    } catch {
      onUnshared?.();
    }
  };
  const start = (): void => {
    telling = tell().finally(() => {
      telling = null;
    });
  };
  return {
    check(quota) {
      turn();
      if (known + untold < quota) return;
      throw new CodedError('QUOTA_EXCEEDED', {
        retryAfterSeconds: Math.ceil(((day + 1) * dayMs - clock.now()) / 1_000),
      });
    },
    add(events) {
      turn();
      untold += events;
      if (telling === null && clock.now() - toldAt >= tellAfterMs) start();
    },
    async dispose() {
      await telling;
      if (untold > 0) await tell();
    },
  };
}
