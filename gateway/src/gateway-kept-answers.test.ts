import { request as httpRequest } from 'node:http';
import type { Cache } from '@tributary/platform/cache';
import { createMemoryCache } from '@tributary/platform/cache/memory';
import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { createMetrics } from '@tributary/platform/metrics';
import { type DirectoryKey, sha256Hex } from '@tributary/schema';
import {
  adminKey,
  apiKey,
  otherTenantKey,
  partnerKey,
  sameRightsKey,
  startTestGateway,
  type TestGateway,
  type TestGatewayOptions,
} from './testing/harness.testing.ts';

/** A cache in this process gives its tokens at once, another one later; a kept answer goes out by the same rules. */
const caches: readonly (readonly [where: string, open: () => Cache])[] = [
  ['in this process', createMemoryCache],
  [
    'in another one',
    () => {
      const cache = createMemoryCache();
      return { ...cache, takeTokens: async (key, bucket) => cache.takeTokens(key, bucket) };
    },
  ],
];

const query = 'query Kept($app: ID!) { kept(appId: $app) { text } }';
const extensions = { persistedQuery: { version: 1, sha256Hash: sha256Hex(query) } };

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly bytes: Buffer;
  readonly body: {
    readonly data?: { readonly kept: { readonly text: string } };
    readonly errors?: readonly { readonly extensions: { readonly code: string } }[];
    readonly extensions?: { readonly cost: { actual: number; throttle: { currentlyAvailable: number } } };
  };
}

describe.each(caches)('a kept answer, with the cache %s,', (_where, openCache) => {
  let test: TestGateway;
  let cache: Cache;
  const start = async (given: TestGatewayOptions = {}, keys: readonly string[] = [apiKey]) => {
    cache = openCache();
    test = await startTestGateway({ cache, ...given });
    for (const key of keys) await register(key);
  };
  afterEach(async () => {
    await test.dispose();
    await cache.dispose();
  });

  async function register(key: string, text = query): Promise<void> {
    const hash = { persistedQuery: { version: 1, sha256Hash: sha256Hex(text) } };
    const response = await fetch(`${test.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      // An app of its own, so that the tests find nothing kept.
      body: JSON.stringify({ query: text, extensions: hash, variables: { app: `register ${key}` } }),
    });
    expect(response.status).toBe(200);
  }

  /** By node:http, so that no header is added to or hidden from what came. */
  function get(app: string, key = apiKey, headers: Record<string, string> = {}, hash = extensions): Promise<Answer> {
    const search = new URLSearchParams({ extensions: JSON.stringify(hash), variables: JSON.stringify({ app }) });
    return new Promise((resolve, reject) => {
      const sent = httpRequest(
        `${test.url}/graphql?${search}`,
        { headers: { authorization: `Bearer ${key}`, 'apollo-require-preflight': '1', ...headers } },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () => {
            const bytes = Buffer.concat(chunks);
            const body = bytes.length > 0 ? JSON.parse(bytes.toString('utf8')) : {};
            resolve({ status: response.statusCode ?? 0, headers: response.headers, bytes, body });
          });
        },
      );
      sent.on('error', reject).end();
    });
  }

  /** Without what differs from one answer to the next. */
  const lasting = ({ headers }: Answer) => {
    const { date: _date, 'x-request-id': requestId, 'content-length': length, ...rest } = headers;
    expect(requestId).toMatch(/^req_/);
    expect(Number(length)).toBeGreaterThan(0);
    return rest;
  };
  const code = ({ body }: Answer) => body.errors?.[0]?.extensions.code;

  it.each([
    ['plain', 'app_1', {}],
    ['beyond ASCII', 'äpp € 🚀', {}],
    ['for a page of an app', 'app_1', { origin: 'https://shop.example' }],
    ['for who names the media type', 'app_1', { accept: 'application/graphql-response+json' }],
  ])('has the status, body and headers of the one that was made: %s', async (_what, app, headers) => {
    await start();
    const made = await get(app, apiKey, headers);
    const kept = await get(app, apiKey, headers);
    expect([made.status, kept.status, kept.body.data]).toEqual([200, 200, { kept: { text: `ten_1 ${app} 2` } }]);
    expect(kept.body.data).toEqual(made.body.data);
    expect(kept.body.extensions?.cost.actual).toBe(1);
    expect(Object.keys(kept.body)).toEqual(Object.keys(made.body));
    expect(lasting(kept)).toEqual(lasting(made));
    expect(kept.bytes).toHaveLength(Number(kept.headers['content-length']));
    expect(test.world.counts['kept']).toBe(2);
  });

  it('has the headers of one that is never kept, save its ETag’s value', async () => {
    await start();
    await register(apiKey, '{ now }');
    const now = await get('app_1', apiKey, {}, { persistedQuery: { version: 1, sha256Hash: sha256Hex('{ now }') } });
    await get('app_1');
    expect({ ...lasting(await get('app_1')), etag: null }).toEqual({ ...lasting(now), etag: null });
  });

  it('is refused to a key from the moment it is revoked', async () => {
    await start();
    for (const _ of [1, 2]) expect((await get('app_1')).status).toBe(200);
    test.directory.change(apiKey, { enabled: false });
    const refused = await get('app_1');
    expect([refused.status, code(refused), refused.body.data]).toEqual([401, 'UNAUTHENTICATED', undefined]);
    expect((await get('app_1', 'nothing')).status).toBe(401);
    test.directory.change(apiKey, { enabled: true });
    expect((await get('app_1')).status).toBe(200);
  });

  it.each<[string, Partial<DirectoryKey>]>([
    ['apps', { appIds: ['app_1'] }],
    ['scopes', { scopes: ['read:reports', 'admin'] }],
    ['partner', { partnerId: 'par_1' }],
  ])('is made anew for a key whose %s changed', async (_what, changed) => {
    await start();
    const before = await get('app_1');
    test.directory.change(apiKey, changed);
    const after = await get('app_1');
    expect([before.body.data?.kept.text, after.body.data?.kept.text]).toEqual(['ten_1 app_1 2', 'ten_1 app_1 3']);
  });

  it('is never given to another tenant, to a partner or to other rights, whoever asks in between', async () => {
    await start({}, [apiKey, adminKey, partnerKey]);
    const first = await get('app_1');
    expect(first.body.data?.kept.text).toBe('ten_1 app_1 4');
    // The document belongs to the tenant too.
    expect(code(await get('app_1', otherTenantKey))).toBe('DOCUMENT_UNKNOWN');
    await register(otherTenantKey);
    const keys = [apiKey, otherTenantKey, partnerKey, adminKey, sameRightsKey];
    const texts = new Map<string, Set<string | undefined>>(keys.map((key) => [key, new Set()]));
    for (const _ of [1, 2, 3]) {
      for (const key of keys) texts.get(key)?.add((await get('app_1', key)).body.data?.kept.text);
    }
    expect([...texts].map(([key, seen]) => [key, ...seen])).toEqual([
      [apiKey, 'ten_1 app_1 4'],
      [otherTenantKey, 'ten_2 app_1 6'],
      [partnerKey, 'ten_1 app_1 7'],
      [adminKey, 'ten_1 app_1 8'],
      [sameRightsKey, 'ten_1 app_1 4'],
    ]);
  });

  it('is charged one point to the bucket of the key that asks, down to RATE_LIMITED', async () => {
    await start();
    test.directory.change(apiKey, { rate: { perSecond: 0, burst: 20 } });
    const left = async (key?: string) => {
      const answer = await get('app_1', key);
      return answer.body.extensions?.cost.throttle.currentlyAvailable ?? answer.status;
    };
    const first = await left();
    expect(first).toBeLessThan(20);
    for (let expected = first - 1; expected >= 0; expected -= 1) expect(await left()).toBe(expected);
    const refused = await get('app_1');
    expect([refused.status, code(refused)]).toEqual([429, 'RATE_LIMITED']);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(await left(sameRightsKey)).toBeGreaterThan(20);
  });

  it('is 304 for who has it, with the headers that a cache needs, until there is new data', async () => {
    const liveBus = createMemoryLiveBus();
    await start({ liveBus });
    const origin = 'https://shop.example';
    const etag = (await get('app_1')).headers['etag'] as string;
    const ask = () => get('app_1', apiKey, { origin, 'if-none-match': `"other", ${etag}` });
    for (const _ of [1, 2]) {
      const same = await ask();
      expect([same.status, same.bytes.length]).toEqual([304, 0]);
      expect(same.headers).toMatchObject({
        etag,
        vary: 'Accept, Authorization, Cookie, Origin',
        'cache-control': 'private, no-cache',
        'access-control-allow-origin': origin,
        'x-request-id': expect.stringMatching(/^req_/),
      });
    }
    expect((await get('app_1', 'nothing', { 'if-none-match': etag })).status).toBe(401);
    liveBus.publish('metrics.touched', { tenantId: 'ten_1', appId: 'app_1', minutes: [], events: 1, at: Date.now() });
    let fresh = await ask();
    for (let at = 0; at < 500 && fresh.status === 304; at += 1) fresh = await ask();
    expect([fresh.status, fresh.headers['etag'] === etag]).toEqual([200, false]);
    await liveBus.dispose();
  });

  it('is told to a page only where an app of the key lets its origin query', async () => {
    await start();
    await get('app_1');
    const allowed = async (origin: string) => {
      const { status, headers } = await get('app_1', apiKey, { origin });
      return [status, headers['access-control-allow-origin']];
    };
    expect(await allowed('https://shop.example')).toEqual([200, 'https://shop.example']);
    expect(await allowed('https://other.example')).toEqual([403, 'https://other.example']);
    expect(await allowed('https://evil.example')).toEqual([403, undefined]);
    expect((await get('app_1')).headers['access-control-allow-origin']).toBeUndefined();
    test.directory.change(apiKey, { appIds: ['app_2'] });
    expect((await allowed('https://shop.example'))[0]).toBe(403);
  });

  it('needs the header that a link or form can’t send', async () => {
    await start();
    await get('app_1');
    expect(code(await get('app_1', apiKey, { 'apollo-require-preflight': '' }))).toBe('BODY_UNPARSABLE');
  });

  it('is counted with its status, like every other', async () => {
    const metrics = createMetrics('gateway');
    await start({ metrics });
    for (const _ of [1, 2, 3]) await get('app_1');
    await get('app_1', 'nothing');
    const counted = async () => {
      const series = (await metrics.registry.metrics()).matchAll(
        /_http_seconds_count\{[^}]*status="(\w+)"[^}]*\} (\d+)/g,
      );
      return Object.fromEntries([...series].map(([, status, count]) => [status, Number(count)]));
    };
    // One that was made is counted when its connection says that it is out.
    for (let at = 0; at < 500 && (await counted())['2xx'] !== 4; at += 1) await get('app_1', 'nothing');
    expect(await counted()).toMatchObject({ '2xx': 4, '4xx': expect.any(Number) });
  });
});
