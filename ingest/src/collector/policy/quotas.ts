import type { Cache } from '@tributary/platform/cache';
import type { Clock } from '@tributary/platform/clock';
import type { DirectoryKey } from '@tributary/schema';
import { createDailyCount, type DailyCount } from './daily-count.ts';
import { createLeasedBucket, type LeasedBucket } from './leased-bucket.ts';

/** Limits of keys, shared by all processes through the cache, asked without waiting. */
export interface Quotas {
  /** Throws RATE_LIMITED or QUOTA_EXCEEDED, with the seconds to wait, if nothing is left for the key now. Counts nothing. */
  check(key: DirectoryKey): void;
  /** Counts `events` against the key, or throws as `check` and counts nothing. A request is taken as a whole or not at all. */
  take(key: DirectoryKey, events: number): void;
  /** Tells the cache what was counted since the last time. */
  dispose(): Promise<void>;
}

export interface QuotasDeps {
  readonly cache: Cache;
  readonly clock: Clock;
  /** Told each time when the cache failed or did not answer, and the limit was kept by this process alone or not at all. */
  readonly onUnshared?: () => void;
}

/** Beyond it the key that was seen first is forgotten, and its share of this process begins anew. */
const maxKeys = 10_000;

/**
 * Rate (`DirectoryKey.rate`, a token bucket of events) and daily quota (`DirectoryKey.dailyQuota`, events of a UTC day). A key
 * without them has no limit: a self-hosted collector is bounded by its log's backpressure, and a limit nobody set would
 * refuse events that nobody wants refused.
 *
 * Each process leases tokens from the shared bucket ahead of need, in the background, so that a request waits for nothing.
 * The price is a bounded overshoot: over what the bucket allows, each process may let through one burst at its first
 * contact with a key, later a lease (a tenth of a second of the rate, or a twentieth of the burst), and in either case the request that crosses the line (up to
 * 2,000 events). All of it is owed and paid back before more is let through, so that the rate holds over time. The quota may
 * be passed by what the processes take within
 * 100 ms. While the cache is away both fail open: the daily quota counts this process alone.
 *
 * @example
 * const quotas = createQuotas({ cache, clock });
 * quotas.take(key, events.length); // throws RATE_LIMITED
 */
export function createQuotas(deps: QuotasDeps): Quotas {
  const buckets = new Map<
    string,
    { readonly rate: NonNullable<DirectoryKey['rate']>; readonly bucket: LeasedBucket }
  >();
  const counts = new Map<string, DailyCount>();

  const bucketOf = ({ keyId, tenantId, rate }: DirectoryKey): LeasedBucket | null => {
    if (rate === undefined) return null;
    const known = buckets.get(keyId);
    if (known?.rate.perSecond === rate.perSecond && known.rate.burst === rate.burst) return known.bucket;
    const bucket = createLeasedBucket({ ...deps, cacheKey: `${tenantId}:rate:${keyId}`, rate });
    known?.bucket.dispose();
    keep(buckets, keyId, { rate, bucket })?.bucket.dispose();
    return bucket;
  };
  const countOf = ({ keyId, tenantId, dailyQuota }: DirectoryKey): DailyCount | null => {
    if (dailyQuota === undefined || dailyQuota === null) return null;
    const known = counts.get(keyId);
    if (known) return known;
    const count = createDailyCount({ ...deps, cacheKey: `${tenantId}:quota:${keyId}` });
    // What was counted and not yet told would be lost with it.
    void keep(counts, keyId, count)?.dispose();
    return count;
  };
  return {
    check(key) {
      bucketOf(key)?.check();
      countOf(key)?.check(key.dailyQuota!);
    },
    take(key, events) {
      const count = countOf(key);
      count?.check(key.dailyQuota!);
      bucketOf(key)?.take(events);
      count?.add(events);
    },
    async dispose() {
      for (const { bucket } of buckets.values()) bucket.dispose();
      await Promise.all([...counts.values()].map((count) => count.dispose()));
    },
  };
}

/** Puts an entry and gives the one that had to go for it. */
function keep<T>(entries: Map<string, T>, key: string, entry: T): T | undefined {
  let gone: T | undefined;
  if (!entries.has(key) && entries.size >= maxKeys) {
    const [oldest] = entries.keys();
    gone = entries.get(oldest!);
    entries.delete(oldest!);
  }
  entries.set(key, entry);
  return gone;
}
