import { describeCacheContract } from '../cache.contract.ts';
import { createMemoryCache } from './memory.ts';

describeCacheContract('memory', async () => createMemoryCache());

describe('createMemoryCache', () => {
  const atClock = (maxEntries = 100) => {
    let now = 1_000;
    const cache = createMemoryCache({ clock: { now: () => now }, maxEntries });
    return {
      cache,
      advance: (ms: number) => {
        now += ms;
      },
    };
  };

  it('forgets at its time to the millisecond', async () => {
    const { cache, advance } = atClock();
    await cache.set('k', 'v', { ttlMs: 10 });
    advance(9);
    expect(await cache.get('k')).toBe('v');
    advance(1);
    expect(await cache.get('k')).toBeNull();
  });

  it('keeps no more than maxEntries, and lets those go that were unused for longest', async () => {
    const { cache } = atClock(3);
    for (const key of ['a', 'b', 'c']) await cache.set(key, key, { ttlMs: 1_000 });
    await cache.get('a');
    await cache.set('d', 'd', { ttlMs: 1_000 });
    expect(await Promise.all(['a', 'b', 'c', 'd'].map((key) => cache.get(key)))).toEqual(['a', null, 'c', 'd']);
  });

  it('does not make room when a key that is there is set again', async () => {
    const { cache } = atClock(2);
    for (const key of ['a', 'b', 'b']) await cache.set(key, key, { ttlMs: 1_000 });
    expect(await cache.get('a')).toBe('a');
  });

  it('refills a bucket in proportion to the time, up to its capacity', async () => {
    const { cache, advance } = atClock();
    const bucket = { capacity: 10, refillPerSecond: 2, cost: 10 };
    expect((await cache.takeTokens('k', bucket)).available).toBe(0);
    advance(2_500);
    expect(await cache.takeTokens('k', bucket)).toEqual({ allowed: false, available: 5, retryAfterMs: 2_500 });
    advance(2_499);
    expect((await cache.takeTokens('k', bucket)).allowed).toBe(false);
    advance(1);
    expect((await cache.takeTokens('k', bucket)).allowed).toBe(true);
    advance(3_600_000);
    expect((await cache.takeTokens('k', { ...bucket, cost: 0 })).available).toBe(10);
  });
});
