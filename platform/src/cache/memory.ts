import type { Cache } from '../cache.ts';
import { type Clock, systemClock } from '../clock.ts';
import { createLru } from '../lru.ts';
import { type BucketState, bucketTtlMs, takeFromBucket } from './token-bucket.ts';

export interface MemoryCacheOptions {
  readonly clock?: Clock;
  /** The entry unused for longest goes when there are more. Default 100,000. */
  readonly maxEntries?: number;
}

interface Entry {
  readonly value: string | number | BucketState;
  readonly expiresAt: number;
}

/**
 * The cache of one process. Another process has another: rate limits count per process here.
 *
 * @example
 * const cache = createMemoryCache({ maxEntries: 10_000 });
 */
export function createMemoryCache({ clock = systemClock, maxEntries = 100_000 }: MemoryCacheOptions = {}): Cache {
  const entries = createLru<string, Entry>(maxEntries);

  function read(key: string): Entry['value'] | null {
    const entry = entries.get(key);
    if (!entry) return null;
    if (entry.expiresAt > clock.now()) return entry.value;
    entries.delete(key);
    return null;
  }

  function write(key: string, value: Entry['value'], expiresAt: number): void {
    entries.set(key, { value, expiresAt });
  }

  return {
    async get(key) {
      const value = read(key);
      return value === null || typeof value === 'object' ? null : String(value);
    },
    async set(key, value, { ttlMs }) {
      write(key, value, clock.now() + ttlMs);
    },
    async delete(key) {
      entries.delete(key);
    },
    async increment(key, by, { ttlMs }) {
      const value = read(key);
      const sum = (value === null || typeof value === 'object' ? 0 : Number(value)) + by;
      write(key, sum, value === null ? clock.now() + ttlMs : entries.get(key)!.expiresAt);
      return sum;
    },
    takeTokens(key, bucket) {
      const now = clock.now();
      const value = read(key);
      const { state, verdict } = takeFromBucket(
        value !== null && typeof value === 'object' ? value : null,
        bucket,
        now,
      );
      write(key, state, now + bucketTtlMs(bucket));
      return verdict;
    },
    async dispose() {
      entries.clear();
    },
  };
}
