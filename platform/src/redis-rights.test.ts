import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Redis } from 'ioredis';
import { openRedisCache } from './cache/redis.ts';
import { describeCacheContract } from './cache.contract.ts';
import { openRedisLiveBus } from './live-bus/redis.ts';
import { describeLiveBusContract } from './live-bus.contract.ts';

const url = process.env['TRIBUTARY_TEST_REDIS_URL'];

if (url) describeRights(url);
else {
  describe.skip('a Redis user with the rights of the documents (TRIBUTARY_TEST_REDIS_URL is not set)', () => {
    it('may do what the product does, and nothing else', () => undefined);
  });
}

function describeRights(url: string): void {
  describe('a Redis user with the rights of the documents', () => {
    const name = `tributary-test-${randomUUID()}`;
    const own = new URL(url);
    own.username = name;
    own.password = randomUUID();
    const keyPrefix = `tributary:live:test-${randomUUID()}:`;
    let admin: Redis;

    beforeAll(async () => {
      admin = new Redis(url);
      const document = await readFile(new URL('../../docs/operations/rights.md', import.meta.url), 'utf8');
      const [, , , ...rules] = (/^ACL SETUSER .*$/m.exec(document)?.[0] ?? '').split(' ');
      expect(rules).toContain('-@all');
      await admin.call('ACL', 'SETUSER', name, ...rules.map((rule) => rule.replace('PASSWORD', own.password)));
    });
    afterAll(async () => {
      await admin.call('ACL', 'DELUSER', name);
      await admin.quit();
    });

    describeCacheContract('Redis, with the rights of the documents', () => openRedisCache({ url: own.href }));
    describeLiveBusContract('Redis, with the rights of the documents', async (options) => {
      const buses = await Promise.all([1, 2].map(() => openRedisLiveBus({ url: own.href, keyPrefix, ...options })));
      return { buses, dispose: async () => void (await Promise.all(buses.map((bus) => bus.dispose()))) };
    });

    it.each([
      ['read keys of others', ['GET', 'other:key']],
      ['write keys of others', ['SET', 'other:key', '1']],
      ['reach keys of others by a script', ['EVAL', "return redis.call('GET', 'other:key')", '0']],
      ['list keys', ['KEYS', '*']],
      ['empty the server', ['FLUSHALL']],
      ['change settings', ['CONFIG', 'SET', 'save', '']],
      ['give itself rights', ['ACL', 'SETUSER', 'default', 'on']],
    ])('may not %s', async (_what, [command = '', ...args]) => {
      const redis = new Redis(own.href);
      await expect(redis.call(command, ...args)).rejects.toThrow(/NOPERM|[Nn]o permission|can't access|ACL failure/);
      await redis.quit();
    });
  });
}
