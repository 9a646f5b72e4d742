import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import { describeCacheContract } from '../cache.contract.ts';
import { openRedisProxy } from '../redis-proxy.testing.ts';
import { type CacheOperation, openRedisCache } from './redis.ts';

const url = process.env['TRIBUTARY_TEST_REDIS_URL'];

if (url) {
  describeCacheContract('Redis', () => openRedisCache({ url }));

  describe('openRedisCache with a server that goes away', () => {
    it('fails open meanwhile and works again by itself afterwards', async () => {
      const proxy = await openRedisProxy(url);
      const cache = await openRedisCache({ url: proxy.url });
      const key = `system:test:${randomUUID()}`;
      await cache.set(key, 'v', { ttlMs: 60_000 });
      await proxy.goAway();
      expect(await cache.get(key)).toBeNull();
      await proxy.comeBack();
      const deadline = Date.now() + 15_000;
      while ((await cache.get(key)) !== 'v') {
        if (Date.now() > deadline) throw new Error('It did not come back.');
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await cache.dispose();
      await proxy.goAway();
    });
  });
} else {
  describe.skip('cache: Redis (TRIBUTARY_TEST_REDIS_URL is not set)', () => {
    it('passes the contract', () => undefined);
  });
}

describe('openRedisCache without a server', () => {
  const bucket = { capacity: 5, refillPerSecond: 1, cost: 1 };

  it('fails open at once, and tells of each failure', async () => {
    const failed: CacheOperation[] = [];
    const cache = await openRedisCache({
      url: `redis://127.0.0.1:${await freePort()}`,
      onFailure: (operation) => failed.push(operation),
    });
    await cache.set('k', 'v', { ttlMs: 1_000 });
    expect(await cache.get('k')).toBeNull();
    await cache.delete('k');
    expect(await cache.increment('k', 3, { ttlMs: 1_000 })).toBe(3);
    expect(await cache.takeTokens('k', bucket)).toEqual({ allowed: true, available: 5, retryAfterMs: 0 });
    expect(failed).toEqual(['set', 'get', 'delete', 'increment', 'take_tokens']);
    await cache.dispose();
  });

  it('does not wait longer than its time limit for a server that accepts and never answers', async () => {
    const silent = await listen();
    const failed: CacheOperation[] = [];
    const cache = await openRedisCache({
      url: `redis://127.0.0.1:${silent.port}`,
      commandTimeoutMs: 50,
      onFailure: (operation) => failed.push(operation),
    });
    expect(await cache.takeTokens('k', bucket)).toMatchObject({ allowed: true });
    expect(failed).toEqual(['take_tokens']);
    await cache.dispose();
    await silent.close();
  });
});

async function listen(): Promise<{ port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** A port that nobody listens on: one that was just given back. */
async function freePort(): Promise<number> {
  const { port, close } = await listen();
  await close();
  return port;
}
