/**
 * Small shared values and counters. Every key begins with the tenant id (or `system`), then the purpose.
 *
 * - Durability: none; anything may vanish at any time.
 * - `takeTokens` is atomic over all processes that share the cache.
 * - When the server is away: reads answer `null`, writes are dropped, buckets allow (they fail open), each counted in metrics.
 */
export interface Cache {
  get(key: string): Promise<string | null>;
  set(key: string, value: string, options: { readonly ttlMs: number }): Promise<void>;
  delete(key: string): Promise<void>;
  /** Adds and returns the new value; the counter vanishes `ttlMs` after its first addition. */
  increment(key: string, by: number, options: { readonly ttlMs: number }): Promise<number>;
  /** At once where the cache is in this process: a promise would cost the busiest path more than the bucket does. */
  takeTokens(key: string, bucket: TokenBucket): Promise<TokenVerdict> | TokenVerdict;
  dispose(): Promise<void>;
}

export interface TokenBucket {
  readonly capacity: number;
  readonly refillPerSecond: number;
  /** Negative = tokens given back: always allowed, and never beyond the capacity. */
  readonly cost: number;
}

export interface TokenVerdict {
  readonly allowed: boolean;
  readonly available: number;
  /** 0 when allowed. */
  readonly retryAfterMs: number;
}
