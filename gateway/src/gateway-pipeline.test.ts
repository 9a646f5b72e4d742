/** Over 400 lines: the whole pipeline, in its order. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMemoryCache } from '@tributary/platform/cache/memory';
import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { sha256Hex } from '@tributary/schema';
import { composeSupergraph } from './supergraph.ts';
import {
  adminKey,
  apiKey,
  collect,
  otherTenantKey,
  partnerKey,
  sameRightsKey,
  startTestGateway,
  type TestGateway,
  trustedKey,
  until,
} from './testing/harness.testing.ts';
import { createWorld } from './testing/subgraphs.testing.ts';

let test: TestGateway;
afterEach(() => test.dispose());

type Body = { errors?: readonly { message: string; extensions?: Record<string, unknown> }[] };
const code = (body: Body) => body.errors?.[0]?.extensions?.['code'];
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const persisted = (text: string) => ({ persistedQuery: { version: 1, sha256Hash: sha256Hex(text) } });

async function post(body: unknown, key = apiKey, headers: Record<string, string> = {}) {
  const response = await fetch(`${test.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...bearer(key), ...headers },
    body: JSON.stringify(body),
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Body & { data?: unknown },
  };
}
async function get(params: Record<string, unknown>, key = apiKey, headers: Record<string, string> = {}) {
  const search = new URLSearchParams(
    Object.entries(params).map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
  return fetch(`${test.url}/graphql?${search}`, {
    headers: { ...bearer(key), 'apollo-require-preflight': '1', ...headers },
  });
}

describe('trusted documents', () => {
  it('are registered by text and hash together, and then run by the hash alone, over both transports', async () => {
    test = await startTestGateway();
    const query = 'query Named { campaign(id: "cmp_1") { name } }';
    const data = { campaign: { name: 'Campaign cmp_1' } };
    const unknown = await post({ extensions: persisted(query) });
    expect([unknown.status, code(unknown.body), unknown.body.errors?.[0]?.message]).toEqual([
      404,
      'DOCUMENT_UNKNOWN',
      // Apollo's clients send the text when they read this.
      'PersistedQueryNotFound',
    ]);
    expect((await post({ query, extensions: persisted(query) })).body.data).toEqual(data);
    expect((await post({ extensions: persisted(query) })).body.data).toEqual(data);
    expect((await post({ documentId: `sha256:${sha256Hex(query)}` })).body.data).toEqual(data);
    expect(await (await get({ extensions: persisted(query) })).json()).toMatchObject({ data });
    const overSocket = collect(test.socket(), '', {}, { extensions: persisted(query) });
    await overSocket.ended;
    expect(overSocket.results[0]?.data).toEqual(data);
  });

  it('belong to the tenant that registered them', async () => {
    test = await startTestGateway();
    const query = '{ now }';
    await post({ query, extensions: persisted(query) });
    expect(code((await post({ extensions: persisted(query) }, otherTenantKey)).body)).toBe('DOCUMENT_UNKNOWN');
    expect((await post({ extensions: persisted(query) }, sameRightsKey)).body.data).toEqual({ now: 0 });
  });

  it('are refused when the hash is not that of the text', async () => {
    test = await startTestGateway();
    const { status, body } = await post({ query: '{ now }', extensions: persisted('{ other }') });
    expect([status, code(body)]).toEqual([400, 'BAD_USER_INPUT']);
  });

  it('are all that a trustedOnly key may run: those of the manifest and those that an admin key of its tenant registered', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'tributary-manifest-'));
    try {
      const file = join(dir, 'documents.json');
      const ofManifest = 'query FromManifest { now }';
      await writeFile(file, JSON.stringify({ console_now: ofManifest }));
      test = await startTestGateway({ trustedDocumentsFile: file });
      const run = async (body: unknown) => {
        const answer = await post(body, trustedKey);
        return code(answer.body) ?? answer.body.data;
      };
      expect(await run({ query: '{ now }' })).toBe('DOCUMENT_NOT_TRUSTED');
      expect(await run({ query: '{ now }', extensions: persisted('{ now }') })).toBe('DOCUMENT_NOT_TRUSTED');
      expect(await run({ query: '{ __schema { types { name } } }' })).toBe('DOCUMENT_NOT_TRUSTED');
      expect(await run({ documentId: 'console_now' })).toEqual({ now: 0 });
      expect(await run({ extensions: persisted(ofManifest) })).toEqual({ now: 0 });
      expect(await run({ query: ofManifest })).toEqual({ now: 0 });
      await post({ query: '{ now }', extensions: persisted('{ now }') });
      expect(await run({ extensions: persisted('{ now }') })).toBe('DOCUMENT_NOT_TRUSTED');
      await post({ query: '{ now }', extensions: persisted('{ now }') }, adminKey);
      expect(await run({ extensions: persisted('{ now }') })).toEqual({ now: 0 });
      const overSocket = collect(test.socket({ key: trustedKey }), 'subscription { feed { text } }');
      await overSocket.ended;
      expect((overSocket.failure() as { extensions: { code: string } }[])[0]?.extensions.code).toBe(
        'DOCUMENT_NOT_TRUSTED',
      );
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it('bind the console’s sessions once a manifest is there, not the explorer’s', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'tributary-manifest-'));
    try {
      const file = join(dir, 'documents.json');
      await writeFile(file, JSON.stringify({ operations: [{ id: 'x', body: 'query X { now }' }] }));
      test = await startTestGateway({ trustedDocumentsFile: file });
      const signIn = async (explorer: boolean) => {
        const response = await fetch(`${test.url}/session`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ apiKey, explorer }),
        });
        return response.headers.get('set-cookie')?.split(';')[0] ?? '';
      };
      const ask = async (cookie: string, query: string) => {
        const response = await fetch(`${test.url}/graphql`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', cookie },
          body: JSON.stringify({ query }),
        });
        const body = (await response.json()) as Body & { data?: unknown };
        return code(body) ?? body.data;
      };
      const [consoles, explorers] = [await signIn(false), await signIn(true)];
      expect(await ask(consoles, 'query X { now }')).toEqual({ now: 0 });
      expect(await ask(consoles, '{ now }')).toBe('DOCUMENT_NOT_TRUSTED');
      expect(await ask(explorers, '{ now }')).toEqual({ now: 0 });
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it('stop the gateway from starting when the named file is missing or no manifest', async () => {
    test = await startTestGateway();
    await expect(startTestGateway({ trustedDocumentsFile: join(tmpdir(), 'not-there.json') })).rejects.toThrow(
      'not-there',
    );
  });
});

describe('cost', () => {
  it('is told with every answer in Shopify’s words, unused points given back', async () => {
    test = await startTestGateway();
    const { extensions } = await test.query('query ($n: Int!) { things(first: $n) { nodes { id } } }', { n: 50 });
    expect(extensions).toEqual({
      cost: {
        requested: 51,
        actual: 4,
        throttle: { maximumAvailable: 10_000, currentlyAvailable: 9_996, restoreRate: 500 },
      },
    });
  });

  it('over the plan’s maximum for one operation is refused before anything runs', async () => {
    test = await startTestGateway();
    const { status, body } = await test.query('query ($n: Int!) { things(first: $n) { nodes { id } } }', { n: 90_000 });
    expect([status, code(body as Body)]).toEqual([400, 'COST_LIMIT_EXCEEDED']);
    expect(body.errors?.[0]?.extensions?.['details']).toEqual({ requested: 90_001, maximumCost: 5_000 });
  });

  it('counts by @cost where the schema says so', async () => {
    test = await startTestGateway();
    expect((await test.query('{ margins }')).extensions?.['cost']).toMatchObject({ requested: 70, actual: 70 });
  });

  it('empties the key’s bucket: RATE_LIMITED says when to come back, on every transport, and other keys go on', async () => {
    test = await startTestGateway();
    test.directory.change(apiKey, { rate: { perSecond: 1, burst: 60 } });
    const query = 'query { things(first: 50) { nodes { id } } }';
    const [first, second] = [
      await test.query('{ margins: things(first: 58) { nodes { id } } }'),
      await test.query(query),
    ];
    expect(first.status).toBe(200);
    expect(second.status).toBe(200);
    let limited = await test.query(query);
    for (let at = 0; at < 100 && limited.status === 200; at += 1) limited = await test.query(query);
    expect([limited.status, code(limited.body as Body)]).toEqual([429, 'RATE_LIMITED']);
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(limited.body.errors?.[0]?.extensions).toMatchObject({
      retryable: true,
      retryAfterSeconds: expect.any(Number),
      details: { cost: { requested: 51, throttle: { maximumAvailable: 60, restoreRate: 1 } } },
    });
    const overSocket = collect(test.socket(), query);
    await overSocket.ended;
    expect((overSocket.failure() as { extensions: { code: string } }[])[0]?.extensions.code).toBe('RATE_LIMITED');
    expect((await test.query(query, {}, bearer(sameRightsKey))).status).toBe(200);
  });

  it('comes with a bound on open subscriptions of one key', async () => {
    test = await startTestGateway({ tuning: { maxOperationsPerSocket: 500 } });
    const socket = test.socket();
    const running = Array.from({ length: 200 }, (_, at) => collect(socket, `subscription S${at} { feed { text } }`));
    await until(() => test.gateway.stats().subscribers === 200);
    const refused = collect(socket, 'subscription One { feed { text } }');
    await refused.ended;
    expect((refused.failure() as { message: string; extensions: { code: string } }[])[0]).toMatchObject({
      message: 'This key has its 200 subscriptions open.',
      extensions: { code: 'RATE_LIMITED' },
    });
    for (const one of running) one.stop();
    await until(() => test.gateway.stats().subscribers === 0);
    const again = collect(socket, 'subscription { feed { text } }');
    await until(() => test.world.upstreams() === 1);
    again.stop();
  });
});

describe('the response cache', () => {
  const kept = 'query Kept($app: ID!) { kept(appId: $app) { text } }';
  const text = (answer: { body: { data?: unknown } }) => (answer.body.data as { kept: { text: string } }).kept.text;

  it('keeps answers of fields that say so, for callers of equal rights, apart by variables, tenant and partner', async () => {
    test = await startTestGateway();
    const app1 = { app: 'app_1' };
    const first = text(await test.query(kept, app1));
    expect(text(await test.query(kept, app1))).toBe(first);
    expect(text(await test.query(kept, app1, bearer(sameRightsKey)))).toBe(first);
    expect(test.world.counts['kept']).toBe(1);
    expect(text(await test.query(kept, { app: 'app_2' }))).toBe('ten_1 app_2 2');
    expect(text(await test.query(kept, app1, bearer(otherTenantKey)))).toBe('ten_2 app_1 3');
    expect(text(await test.query(kept, app1, bearer(partnerKey)))).toBe('ten_1 app_1 4');
    expect(text(await test.query(kept, app1, bearer(adminKey)))).toBe('ten_1 app_1 5');
  });

  it('charges one point for what it holds', async () => {
    test = await startTestGateway();
    await test.query('{ kept(appId: "app_1") { text } }');
    const { extensions } = await test.query('{ kept(appId: "app_1") { text } }');
    expect(extensions?.['cost']).toMatchObject({ actual: 1 });
  });

  it('never keeps personal fields, answers with errors, or fields without a hint', async () => {
    test = await startTestGateway();
    for (const query of ['{ kept(appId: "app_1") { owner } }', '{ kept(appId: "app_1") { text } now }']) {
      const before = test.world.counts['kept'] ?? 0;
      await test.query(query);
      await test.query(query);
      expect((test.world.counts['kept'] ?? 0) - before).toBe(2);
    }
    const before = test.world.counts['kept'] ?? 0;
    await test.query(kept, { app: 'app_broken' });
    const { body } = await test.query(kept, { app: 'app_broken' });
    expect(code(body as Body)).toBe('WAREHOUSE_UNAVAILABLE');
    expect((test.world.counts['kept'] ?? 0) - before).toBe(2);
  });

  it('makes an answer once for all who ask at the same time', async () => {
    test = await startTestGateway();
    const answers = await Promise.all(Array.from({ length: 50 }, () => test.query(kept, { app: 'app_1' })));
    expect(new Set(answers.map(text)).size).toBe(1);
    expect(test.world.counts['kept']).toBe(1);
  });

  it('lets go of what new data of the app or a changed directory makes stale, and of nothing else', async () => {
    const liveBus = createMemoryLiveBus();
    test = await startTestGateway({ liveBus });
    const ask = async (app: string) => text(await test.query(kept, { app }));
    const [one, two] = [await ask('app_1'), await ask('app_2')];
    const touched = { tenantId: 'ten_1', minutes: [], events: 1, at: Date.now() };
    liveBus.publish('metrics.touched', { ...touched, appId: 'app_1' });
    let fresh = await ask('app_1');
    for (let at = 0; at < 50 && fresh === one; at += 1) fresh = await ask('app_1');
    expect(fresh).not.toBe(one);
    expect(await ask('app_2')).toBe(two);
    test.directory.change(otherTenantKey, { enabled: false });
    expect(await ask('app_2')).not.toBe(two);
    await liveBus.dispose();
  });

  it('is shared by gateways over one Cache port', async () => {
    const cache = createMemoryCache();
    const clock = { now: () => 1_800_000_000_000 };
    test = await startTestGateway({ cache, clock });
    const other = await startTestGateway({ cache, clock });
    try {
      const first = text(await test.query(kept, { app: 'app_1' }));
      expect(text(await other.query(kept, { app: 'app_1' }))).toBe(first);
      expect(other.world.counts['kept']).toBeUndefined();
    } finally {
      await other.dispose();
    }
  });

  it('gives persisted GETs an ETag, and 304 to who has the answer already', async () => {
    test = await startTestGateway();
    const query = '{ kept(appId: "app_1") { text } }';
    await post({ query, extensions: persisted(query) });
    const answer = await get({ extensions: persisted(query) });
    const etag = answer.headers.get('etag') as string;
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'private, no-cache']);
    expect(etag).toMatch(/^W\/"/);
    const again = await get({ extensions: persisted(query) }, apiKey, { 'if-none-match': etag });
    expect([again.status, await again.text(), again.headers.get('etag')]).toEqual([304, '', etag]);
    const uncached = '{ now }';
    await post({ query: uncached, extensions: persisted(uncached) });
    expect((await get({ extensions: persisted(uncached) })).headers.get('etag')).toMatch(/^W\/"/);
    expect((await get({ query: uncached })).headers.get('etag')).toBeNull();
  });
});

describe('browsers of other origins', () => {
  const preflight = (origin: string) =>
    fetch(`${test.url}/graphql`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' },
    });

  it('are let in by preflight where an app names their origin, without credentials', async () => {
    test = await startTestGateway();
    const allowed = await preflight('https://shop.example');
    expect(allowed.status).toBe(204);
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://shop.example');
    expect(allowed.headers.get('access-control-allow-headers')).toContain('authorization');
    expect(allowed.headers.get('access-control-allow-credentials')).toBeNull();
    expect((await preflight('https://evil.example')).headers.get('access-control-allow-origin')).toBeNull();
  });

  it('query with a key only from an origin of an app of that key', async () => {
    test = await startTestGateway();
    const ask = (origin: string) => post({ query: '{ now }' }, apiKey, { origin });
    const shop = await ask('https://shop.example');
    expect([shop.status, shop.headers.get('access-control-allow-origin')]).toEqual([200, 'https://shop.example']);
    expect(shop.headers.get('vary')).toContain('Origin');
    expect(code((await ask('https://other.example')).body)).toBe('FORBIDDEN');
    expect(code((await ask('https://evil.example')).body)).toBe('FORBIDDEN');
    test.directory.change(apiKey, { appIds: ['app_2'] });
    expect(code((await ask('https://shop.example')).body)).toBe('FORBIDDEN');
  });
});

describe.each([
  ['in this process', false],
  ['behind HTTP', true],
])('work on subgraphs %s', (_name, remote) => {
  it('ends when the caller leaves', async () => {
    test = await startTestGateway({ remote });
    const { hostname, port } = new URL(test.url);
    const request = httpRequest({
      hostname,
      port,
      path: '/graphql',
      method: 'POST',
      headers: { 'content-type': 'application/json', ...bearer(apiKey) },
    });
    request.on('error', () => undefined);
    request.end(JSON.stringify({ query: '{ hang }' }));
    await until(() => test.world.counts['hang begun'] === 1);
    request.destroy();
    await until(() => test.world.counts['hang aborted'] === 1);
  });

  it('ends at the time limit, with QUERY_TIMEOUT', async () => {
    test = await startTestGateway({ remote, tuning: { operationTimeoutMs: 1_500 } });
    const { body } = await test.query('{ hang now }');
    expect(body.errors?.map(({ extensions }) => extensions?.['code'])).toEqual(['QUERY_TIMEOUT']);
    expect(body.data).toEqual({ hang: null, now: 0 });
    await until(() => test.world.counts['hang aborted'] === 1);
  });

  it('ends when the caller’s WebSocket closes', async () => {
    test = await startTestGateway({ remote });
    const socket = test.socket();
    collect(socket, '{ hang }');
    await until(() => test.world.counts['hang begun'] === 1);
    socket.terminate();
    await until(() => test.world.counts['hang aborted'] === 1);
  });
});

describe('partners', () => {
  it('ask a smaller graph, without what is tagged internal or personal', async () => {
    test = await startTestGateway();
    const asPartner = (query: string) => test.query(query, {}, bearer(partnerKey));
    for (const query of [
      '{ margins }',
      '{ campaign(id: 1) { margin } }',
      '{ people { email } }',
      '{ kept(appId: 1) { owner } }',
    ]) {
      expect(code((await test.query(query)).body as Body)).toBeUndefined();
      const { status, body } = await asPartner(query);
      expect([status, code(body as Body)]).toEqual([400, 'GRAPHQL_VALIDATION_FAILED']);
    }
    expect((await asPartner('{ people { id } campaign(id: "cmp_1") { name roas } }')).body).toEqual({
      data: { people: [{ id: 'per_1' }], campaign: { name: 'Campaign cmp_1', roas: 1.5 } },
    });
    const { body } = await asPartner('{ __type(name: "Person") { fields { name } } }');
    expect(body.data).toEqual({ __type: { fields: [{ name: 'id' }] } });
  });

  it('subscribe to the smaller graph too, and are named to the subgraphs', async () => {
    test = await startTestGateway();
    const refused = collect(
      test.socket({ key: partnerKey }),
      'subscription { liveMetrics(appId: 1) { rows { campaign { margin } } } }',
    );
    await refused.ended;
    expect((refused.failure() as { extensions: { code: string } }[])[0]?.extensions.code).toBe(
      'GRAPHQL_VALIDATION_FAILED',
    );
    test.world.callers.length = 0;
    await test.query('{ viewer { keyId } }', {}, bearer(partnerKey));
    expect(test.world.callers[0]).toMatchObject({ tenantId: 'ten_1', partnerId: 'par_1' });
  });

  it('get nothing of a fixed graph that hides something and has no contract', async () => {
    const { subgraphs } = createWorld();
    test = await startTestGateway({ supergraphSdl: composeSupergraph(subgraphs) });
    expect((await test.query('{ now }')).status).toBe(200);
    expect((await test.query('{ now }', {}, bearer(partnerKey))).status).toBe(503);
  });
});

describe('the explorer', () => {
  it('is a page of our own parts, with nothing of the graph for strangers', async () => {
    test = await startTestGateway();
    const page = await fetch(`${test.url}/graphiql`);
    const html = await page.text();
    expect(page.status).toBe(200);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
    expect(html).not.toMatch(/https?:\/\//);
    for (const path of ['/graphiql/page.js', '/graphiql/page.css']) {
      expect((await fetch(`${test.url}${path}`)).status).toBe(200);
    }
    expect((await fetch(`${test.url}/graphiql/examples`)).status).toBe(401);
    const examples = await fetch(`${test.url}/graphiql/examples`, { headers: bearer(apiKey) });
    expect(((await examples.json()) as unknown[]).length).toBeGreaterThan(3);
  });
});
