import { randomUUID } from 'node:crypto';
import { describeLiveBusContract } from '../live-bus.contract.ts';
import { openRedisProxy } from '../redis-proxy.testing.ts';
import { openRedisLiveBus } from './redis.ts';

const url = process.env['TRIBUTARY_TEST_REDIS_URL'];

if (url) {
  describeLiveBusContract('Redis', async (options) => {
    const keyPrefix = `test:${randomUUID()}:`;
    const buses = await Promise.all([1, 2].map(() => openRedisLiveBus({ url, keyPrefix, ...options })));
    return { buses, dispose: async () => void (await Promise.all(buses.map((bus) => bus.dispose()))) };
  });

  describe('openRedisLiveBus with a server that goes away', () => {
    it('brings messages again by itself once it is back', async () => {
      const proxy = await openRedisProxy(url);
      const bus = await openRedisLiveBus({ url: proxy.url, keyPrefix: `test:${randomUUID()}:` });
      const heard: number[] = [];
      await bus.subscribe('directory.changed', ({ version }) => heard.push(version));
      await proxy.goAway();
      bus.publish('directory.changed', { version: 1 });
      await proxy.comeBack();
      const deadline = Date.now() + 15_000;
      while (!heard.includes(2)) {
        if (Date.now() > deadline) throw new Error('It did not come back.');
        bus.publish('directory.changed', { version: 2 });
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      expect(heard).not.toContain(1);
      await bus.dispose();
      await proxy.goAway();
    });

    it('brings what others published while it was cut off from the server', async () => {
      const proxy = await openRedisProxy(url);
      const keyPrefix = `test:${randomUUID()}:`;
      const [cutOff, other] = [
        await openRedisLiveBus({ url: proxy.url, keyPrefix }),
        await openRedisLiveBus({ url, keyPrefix }),
      ];
      const heard: number[] = [];
      await cutOff.subscribe('directory.changed', ({ version }) => heard.push(version));
      const told = Promise.withResolvers<void>();
      await other.subscribe('directory.changed', ({ version }) => version === 2 && told.resolve());
      await proxy.goAway();
      for (const version of [1, 2]) other.publish('directory.changed', { version });
      await told.promise;
      await proxy.comeBack();
      const deadline = Date.now() + 15_000;
      while (heard.length < 2 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
      expect(heard).toEqual([1, 2]);
      await Promise.all([cutOff.dispose(), other.dispose()]);
      await proxy.goAway();
    });

    it('goes on after the cursor that another process was given, which has ended', async () => {
      const keyPrefix = `test:${randomUUID()}:`;
      const first = await openRedisLiveBus({ url, keyPrefix });
      const got = Promise.withResolvers<string>();
      await first.subscribe('directory.changed', (_, cursor) => got.resolve(cursor));
      first.publish('directory.changed', { version: 1 });
      const after = await got.promise;
      await first.dispose();
      const second = await openRedisLiveBus({ url, keyPrefix });
      const heard: number[] = [];
      second.publish('directory.changed', { version: 2 });
      await second.subscribe('directory.changed', ({ version }) => heard.push(version), { after });
      const deadline = Date.now() + 15_000;
      while (heard.length === 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
      expect(heard).toEqual([2]);
      await second.dispose();
    });
  });
} else {
  describe.skip('live bus: Redis (TRIBUTARY_TEST_REDIS_URL is not set)', () => {
    it('passes the contract', () => undefined);
  });
}

describe('openRedisLiveBus without a server', () => {
  it('publishes into the void without throwing, and tells of what was dropped', async () => {
    const dropped = Promise.withResolvers<string>();
    // Port 1 is reserved; nothing listens there.
    const bus = await openRedisLiveBus({ url: 'redis://127.0.0.1:1', onDropped: dropped.resolve });
    bus.publish('directory.changed', { version: 1 });
    expect(await dropped.promise).toBe('directory.changed');
    await bus.dispose();
  });

  it('lets a subscriber that waits for the server go when it is disposed', async () => {
    const bus = await openRedisLiveBus({ url: 'redis://127.0.0.1:1' });
    const subscribing = bus.subscribe('directory.changed', () => undefined);
    await bus.dispose();
    expect(await subscribing).toBeInstanceOf(Function);
  });
});
