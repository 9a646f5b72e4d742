import type { Cache, TokenVerdict } from '@tributary/platform/cache';
import { CodedError, costBucketKey } from '@tributary/schema';
import { type MaybePromise, thenNow } from '../maybe-promise.ts';
import type { Principal } from './auth.ts';

/** `extensions.cost` of an answer, in Shopify's words. Points; restoreRate a second. */
export interface CostReport {
  readonly requested: number;
  readonly actual: number;
  readonly throttle: {
    readonly maximumAvailable: number;
    readonly currentlyAvailable: number;
    readonly restoreRate: number;
  };
}

export interface Charge {
  /** Gives back what was not used, and says how things stand. Call once. */
  settle(actual: number): CostReport;
}

export interface RateLimiter {
  /**
   * Takes the points from the key's bucket, which all processes share. Throws COST_LIMIT_EXCEEDED when the plan allows no single
   * operation of that cost, and RATE_LIMITED with the seconds to wait.
   */
  charge(principal: Principal, requested: number): MaybePromise<Charge>;
}

export function createRateLimiter(cache: Pick<Cache, 'takeTokens'>): RateLimiter {
  return {
    charge(principal, requested) {
      const { bucket, plan } = principal;
      const most = Math.min(plan.maximumCost, bucket.capacity);
      if (requested > most) {
        throw new CodedError('COST_LIMIT_EXCEEDED', { details: { requested, maximumCost: most } });
      }
      return thenNow(take(cache, principal, requested), (verdict) => {
        if (!verdict.allowed) {
          throw new CodedError('RATE_LIMITED', {
            retryAfterSeconds: Math.max(1, Math.ceil(verdict.retryAfterMs / 1_000)),
            details: { cost: { requested, throttle: throttleOf(bucket, verdict.available) } },
          });
        }
        return {
          settle(actual) {
            const unused = requested - actual;
            // Not waited for: the answer is ready, and a cache that is away refunds nothing as it took nothing.
            if (unused > 0) void Promise.resolve(take(cache, principal, -unused)).catch(() => undefined);
            return { requested, actual, throttle: throttleOf(bucket, verdict.available + Math.max(0, unused)) };
          },
        };
      });
    },
  };
}

function throttleOf({ capacity, refillPerSecond }: Principal['bucket'], available: number): CostReport['throttle'] {
  return {
    maximumAvailable: capacity,
    currentlyAvailable: Math.max(0, Math.min(capacity, available)),
    restoreRate: refillPerSecond,
  };
}

/** Principals do not change: a changed key is another one. */
const bucketKeys = new WeakMap<Principal, string>();

function take(cache: Pick<Cache, 'takeTokens'>, principal: Principal, cost: number): MaybePromise<TokenVerdict> {
  const { capacity, refillPerSecond } = principal.bucket;
  let key = bucketKeys.get(principal);
  if (key === undefined) {
    key = costBucketKey(principal.tenantId, principal.keyId);
    bucketKeys.set(principal, key);
  }
  return cache.takeTokens(key, { capacity, refillPerSecond, cost });
}
