import type { Cache } from '@tributary/platform/cache';
import { CodedError, costBucketKey } from '@tributary/schema';
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
  charge(principal: Principal, requested: number): Promise<Charge>;
}

export function createRateLimiter(cache: Pick<Cache, 'takeTokens'>): RateLimiter {
  return {
    async charge(principal, requested) {
      const { bucket, plan } = principal;
      const most = Math.min(plan.maximumCost, bucket.capacity);
      if (requested > most) {
        throw new CodedError('COST_LIMIT_EXCEEDED', { details: { requested, maximumCost: most } });
      }
      const key = costBucketKey(principal.tenantId, principal.keyId);
      const verdict = await cache.takeTokens(key, { ...bucket, cost: requested });
      const throttle = (available: number) => ({
        maximumAvailable: bucket.capacity,
        currentlyAvailable: Math.max(0, Math.min(bucket.capacity, available)),
        restoreRate: bucket.refillPerSecond,
      });
      if (!verdict.allowed) {
        throw new CodedError('RATE_LIMITED', {
          retryAfterSeconds: Math.max(1, Math.ceil(verdict.retryAfterMs / 1_000)),
          details: { cost: { requested, throttle: throttle(verdict.available) } },
        });
      }
      return {
        settle(actual) {
          const unused = requested - actual;
          // Not waited for: the answer is ready, and a cache that is away refunds nothing as it took nothing.
          if (unused > 0) void cache.takeTokens(key, { ...bucket, cost: -unused }).catch(() => undefined);
          return { requested, actual, throttle: throttle(verdict.available + Math.max(0, unused)) };
        },
      };
    },
  };
}
