import type { TokenBucket, TokenVerdict } from '../cache.ts';

export interface BucketState {
  readonly tokens: number;
  readonly atMs: number;
}

/** One attempt at a bucket; a bucket that was never seen is full. The Lua of redis.ts is the same computation. */
export function takeFromBucket(
  state: BucketState | null,
  bucket: TokenBucket,
  nowMs: number,
): { readonly state: BucketState; readonly verdict: TokenVerdict } {
  const { capacity, refillPerSecond, cost } = bucket;
  const elapsedMs = state ? Math.max(0, nowMs - state.atMs) : 0;
  const tokens = state ? Math.min(capacity, state.tokens + (elapsedMs * refillPerSecond) / 1000) : capacity;
  const allowed = tokens >= cost;
  // A negative cost gives back; a bucket never holds more than its capacity.
  const left = Math.min(capacity, allowed ? tokens - cost : tokens);
  return { state: { tokens: left, atMs: nowMs }, verdict: verdictOf(bucket, allowed, left) };
}

/** A cost above the capacity, or a bucket that never refills, can't be paid by waiting: the longest wait we state. */
const neverMs = 86_400_000;

/** The answer to an attempt that left `left` tokens in the bucket. */
export function verdictOf(bucket: TokenBucket, allowed: boolean, left: number): TokenVerdict {
  return { allowed, available: Math.floor(left), retryAfterMs: allowed ? 0 : waitMs(bucket, left) };
}

function waitMs({ capacity, refillPerSecond, cost }: TokenBucket, tokens: number): number {
  if (refillPerSecond <= 0 || cost > capacity) return neverMs;
  return Math.min(neverMs, Math.max(1, Math.ceil(((cost - tokens) * 1000) / refillPerSecond)));
}

/** How long an untouched bucket is remembered: until it is full again. */
export function bucketTtlMs({ capacity, refillPerSecond }: TokenBucket): number {
  return refillPerSecond <= 0 ? neverMs : Math.min(neverMs, Math.ceil((capacity * 1000) / refillPerSecond) + 1_000);
}
