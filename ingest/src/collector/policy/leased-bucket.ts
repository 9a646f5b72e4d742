import type { Cache } from '@tributary/platform/cache';
import type { Clock } from '@tributary/platform/clock';
import { CodedError } from '@tributary/schema';

/** A share of a token bucket that several processes share. */
export interface LeasedBucket {
  /** Throws RATE_LIMITED while the bucket is known to be dry. */
  check(): void;
  /** Throws RATE_LIMITED and takes nothing, or takes all of `tokens`. */
  take(tokens: number): void;
  dispose(): void;
}

export interface LeasedBucketOptions {
  readonly cache: Cache;
  readonly clock: Clock;
  readonly cacheKey: string;
  readonly rate: { readonly perSecond: number; readonly burst: number };
  readonly onUnshared?: () => void;
}

/** Leased ahead at a time: so much time of the rate, or so much of the burst where that is more. */
const leaseSeconds = 0.1;
const leaseOfBurst = 0.05;
/** A cache that has not answered for so long counts as away. */
const patienceMs = 1_000;

/** Debts are not paid more often. */
const minPayMs = 50;

/**
 * Tokens are leased from the shared bucket in the background. `balance` is what this process holds; below zero it owes, and
 * debts are paid by the next leases before anything is let through: as fast as the bucket fills, whether requests come or
 * not, since a bucket that is full gains nothing more.
 *
 * (Over 50 lines: short functions over the balance that they share.)
 */
export function createLeasedBucket(options: LeasedBucketOptions): LeasedBucket {
  const { clock, rate } = options;
  const chunk = Math.min(rate.burst, Math.max(1, rate.perSecond * leaseSeconds, rate.burst * leaseOfBurst));
  let balance = 0;
  let isDry = false;
  let closedUntil = 0;
  let payAt = 0;
  let payTimer: NodeJS.Timeout | undefined;
  /** When the lease that is under way was begun. */
  let leasingSince: number | null = null;

  const msOf = (tokens: number) => (tokens * 1_000) / rate.perSecond;
  const lease = async (): Promise<void> => {
    leasingSince = clock.now();
    const owed = Math.max(0, -balance);
    const wanted = Math.min(rate.burst, owed + chunk);
    const granted = await leaseTokens(options, wanted);
    balance += granted ?? owed + chunk;
    leasingSince = null;
    // All of it was there: what was taken on credit meanwhile may be, too.
    if (balance <= 0 && granted === wanted) return lease();
    isDry = balance <= 0;
    closedUntil = isDry ? clock.now() + msOf(1 - balance) : 0;
    if (isDry) payLater();
  };
  const payLater = (): void => {
    const waitMs = Math.max(minPayMs, msOf(Math.min(rate.burst, 1 - balance)));
    payAt = clock.now() + waitMs;
    clearTimeout(payTimer);
    payTimer = setTimeout(pay, Math.min(waitMs, 60_000)).unref();
  };
  const pay = (): void => {
    if (leasingSince === null && isDry) void lease();
  };
  const refuse = (waitMs: number): never => {
    const retryAfterSeconds = Math.min(3_600, Math.max(1, Math.ceil(waitMs / 1_000)));
    throw new CodedError('RATE_LIMITED', { retryAfterSeconds });
  };
  const check = (): void => {
    const now = clock.now();
    if (now >= closedUntil) return;
    if (now >= payAt) pay();
    refuse(closedUntil - now);
  };
  return {
    check,
    take(tokens) {
      check();
      if (balance < tokens && leasingSince !== null) {
        // On credit until the cache answers: up to a burst, unless the bucket was just found dry.
        if (clock.now() - leasingSince > patienceMs) options.onUnshared?.();
        else if (balance - tokens < (isDry ? 0 : -rate.burst)) refuse(1_000);
      } else if (isDry && balance <= -chunk) {
        void lease();
        refuse(msOf(1 - balance));
      }
      balance -= tokens;
      if (leasingSince === null && balance < chunk) void lease();
    },
    dispose: () => clearTimeout(payTimer),
  };
}

/** What the shared bucket gave, down to nothing; null when the cache failed. Never rejects. */
async function leaseTokens(options: LeasedBucketOptions, wanted: number): Promise<number | null> {
  const { cache, cacheKey, rate, onUnshared } = options;
  const ask = (cost: number) =>
    cache.takeTokens(cacheKey, { capacity: rate.burst, refillPerSecond: rate.perSecond, cost });
  try {
    const verdict = await ask(wanted);
    if (verdict.allowed) return wanted;
    if (verdict.available < 1) return 0;
    return (await ask(verdict.available)).allowed ? verdict.available : 0;
  } catch {
    onUnshared?.();
    return null;
  }
}
