import { describeLiveBusContract } from '../live-bus.contract.ts';
import { openRedisProxy } from '../redis-proxy.testing.ts';
import { openRedisLiveBus } from './redis.ts';

const url = process.env['TRIBUTARY_TEST_REDIS_URL'];

if (url) {
  describeLiveBusContract('Redis', async (options) => {
    const buses = await Promise.all([1, 2].map(() => openRedisLiveBus({ url, ...options })));
    return { buses, dispose: async () => void (await Promise.all(buses.map((bus) => bus.dispose()))) };
  });

  describe('openRedisLiveBus with a server that goes away', () => {
    it('brings messages again by itself once it is back', async () => {
      const proxy = await openRedisProxy(url);
      const bus = await openRedisLiveBus({ url: proxy.url });
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
