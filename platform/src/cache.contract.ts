import { randomUUID } from 'node:crypto';
import type { Cache } from './cache.ts';

/**
 * What every adapter of the cache promises. `open` gives an opening of one shared store; the store may hold keys of
 * others. Time is the adapter's own, so that these tests wait for what they expect.
 */
export function describeCacheContract(name: string, open: () => Promise<Cache>): void {
  describe(`cache: ${name}`, () => {
    let cache: Cache;
    let key: string;
    beforeEach(async () => {
      cache = await open();
      key = `system:test:${randomUUID()}`;
    });
    afterEach(() => cache.dispose());

    it('gives back what was set, until it is deleted', async () => {
      expect(await cache.get(key)).toBeNull();
      await cache.set(key, 'ä\u0000\n', { ttlMs: 60_000 });
      expect(await cache.get(key)).toBe('ä\u0000\n');
      await cache.set(key, '', { ttlMs: 60_000 });
      expect(await cache.get(key)).toBe('');
      await cache.delete(key);
      expect(await cache.get(key)).toBeNull();
    });

    it('forgets a value after its time', async () => {
      await cache.set(key, 'short', { ttlMs: 30 });
      await until(async () => (await cache.get(key)) === null);
    });

    it('counts up and down', async () => {
      expect(await cache.increment(key, 5, { ttlMs: 60_000 })).toBe(5);
      expect(await cache.increment(key, -2, { ttlMs: 60_000 })).toBe(3);
      expect(await cache.get(key)).toBe('3');
    });

    it('lets a counter vanish after its first addition, however often it is added to', async () => {
      await cache.increment(key, 1, { ttlMs: 150 });
      const before = Date.now();
      let value = 1;
      while (value !== 100) {
        if (Date.now() - before > 10_000) throw new Error('The counter never began again.');
        const next = await cache.increment(key, 100, { ttlMs: 150 });
        if (next <= value) break;
        value = next;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      expect(Date.now() - before).toBeGreaterThan(80);
    });

    it('hands out no more tokens than the bucket holds, to any number of takers at once', async () => {
      const bucket = { capacity: 10, refillPerSecond: 0, cost: 2 };
      const verdicts = await Promise.all(Array.from({ length: 12 }, () => cache.takeTokens(key, bucket)));
      expect(verdicts.filter(({ allowed }) => allowed)).toHaveLength(5);
      expect(verdicts.filter(({ allowed }) => allowed).map(({ available }) => available)).toEqual([8, 6, 4, 2, 0]);
      expect(verdicts.filter(({ allowed, retryAfterMs }) => allowed === retryAfterMs > 0)).toEqual([]);
    });

    it('states when a refused taker may come back, and keeps its word', async () => {
      const bucket = { capacity: 1, refillPerSecond: 20, cost: 1 };
      // Asked at once: between two answers of a busy machine the bucket may fill again.
      const taking = () => cache.takeTokens(key, bucket);
      const [taken, refused] = await Promise.all([taking(), taking()]);
      expect(taken).toEqual({ allowed: true, available: 0, retryAfterMs: 0 });
      expect(refused.allowed).toBe(false);
      expect(refused.retryAfterMs).toBeGreaterThan(0);
      expect(refused.retryAfterMs).toBeLessThanOrEqual(50);
      await until(async () => (await cache.takeTokens(key, bucket)).allowed);
    });

    it('refuses a cost above the capacity', async () => {
      const verdict = await cache.takeTokens(key, { capacity: 3, refillPerSecond: 100, cost: 4 });
      expect(verdict).toMatchObject({ allowed: false, available: 3 });
    });

    it('takes tokens back by a negative cost, up to the capacity', async () => {
      const bucket = { capacity: 10, refillPerSecond: 0 };
      await cache.takeTokens(key, { ...bucket, cost: 8 });
      expect(await cache.takeTokens(key, { ...bucket, cost: -5 })).toMatchObject({ allowed: true, available: 7 });
      expect(await cache.takeTokens(key, { ...bucket, cost: -5 })).toMatchObject({ allowed: true, available: 10 });
    });

    it('can be disposed twice', async () => {
      await Promise.all([cache.dispose(), cache.dispose()]);
    });
  });
}

async function until(condition: () => Promise<boolean>, withinMs = 10_000): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('It did not happen in time.');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
