import { apiKey, collect, startTestGateway, type TestGateway, until, writeKey } from './testing/harness.testing.ts';

const feedQuery = 'subscription { feed { text } }';
let test: TestGateway;
afterEach(() => test.dispose());

const code = (body: { errors?: readonly { extensions?: Record<string, unknown> }[] }) =>
  body.errors?.[0]?.extensions?.['code'];

async function signIn(key = apiKey, headers: Record<string, string> = {}) {
  const response = await fetch(`${test.url}/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ apiKey: key }),
  });
  const setCookie = response.headers.get('set-cookie') ?? '';
  return {
    response,
    setCookie,
    cookie: setCookie.split(';')[0] ?? '',
    body: (await response.json()) as Record<string, unknown>,
  };
}

/** The close code of a connection that initialises as given. */
async function closeCode(given: { key?: string | null; headers?: Record<string, string> }): Promise<number> {
  const closed = Promise.withResolvers<number>();
  const socket = test.socket({ ...given, onClosed: closed.resolve });
  collect(socket, feedQuery);
  return closed.promise;
}

describe('authentication by key', () => {
  it('refuses strangers, introspection too', async () => {
    test = await startTestGateway();
    for (const authorization of ['', 'Bearer nothing', 'Basic abc', `Bearer ${apiKey} more`]) {
      const { status, body, headers } = await test.query('{ __schema { types { name } } }', {}, { authorization });
      expect([status, code(body)]).toEqual([401, 'UNAUTHENTICATED']);
      expect(headers.get('www-authenticate')).toContain('Bearer');
      expect(body.data).toBeUndefined();
    }
    expect((await test.query('{ __schema { queryType { name } } }')).body.data).toEqual({
      __schema: { queryType: { name: 'Query' } },
    });
  });

  it('refuses write keys, and disabled keys from the moment the directory says so', async () => {
    test = await startTestGateway();
    expect(code((await test.query('{ now }', {}, { authorization: `Bearer ${writeKey}` })).body)).toBe('FORBIDDEN');
    expect((await test.query('{ now }')).status).toBe(200);
    test.directory.change(apiKey, { enabled: false });
    expect((await test.query('{ now }')).status).toBe(401);
  });

  it('closes a connection with 4403 without a good key, and when its key is revoked or changed', async () => {
    test = await startTestGateway();
    expect(await closeCode({ key: 'nothing' })).toBe(4403);
    expect(await closeCode({ key: null })).toBe(4403);
    const revoked = closeCode({});
    await until(() => test.world.upstreams() === 1);
    test.directory.change('tk_api_two', { enabled: false });
    expect(test.world.upstreams()).toBe(1);
    test.directory.change(apiKey, { appIds: ['app_1'] });
    expect(await revoked).toBe(4403);
    await until(() => test.world.upstreams() === 0);
  });
});

describe('console sessions', () => {
  it('keep the key in no place a script can read, and say who is signed in', async () => {
    test = await startTestGateway();
    const { setCookie, cookie, body, response } = await signIn();
    expect(response.status).toBe(200);
    expect(body).toEqual({
      tenantId: 'ten_1',
      keyId: `key_${apiKey}`,
      scopes: ['read:reports'],
      appIds: null,
      expiresAt: expect.any(Number),
    });
    expect(setCookie).toMatch(/^tributary_session=[\w.-]+; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/);
    expect(setCookie).not.toContain(apiKey);
    const who = await fetch(`${test.url}/session`, { headers: { cookie } });
    expect(await who.json()).toEqual(body);
    expect((await fetch(`${test.url}/session`)).status).toBe(401);
    expect((await signIn('nothing')).response.status).toBe(401);
    expect((await signIn(writeKey)).response.status).toBe(403);
    expect((await signIn(apiKey, { 'content-type': 'text/plain' })).response.status).toBe(400);
  });

  it('are Secure with the __Host- prefix behind https', async () => {
    test = await startTestGateway({
      config: { host: '127.0.0.1', publicUrl: 'https://mmp.example', ports: { gateway: 0 } },
    });
    const { setCookie, cookie } = await signIn(apiKey, { origin: 'https://mmp.example' });
    expect(setCookie).toMatch(/^__Host-tributary_session=.*; Secure$/);
    const headers = { cookie, authorization: undefined as unknown as string, origin: 'https://mmp.example' };
    const response = await fetch(`${test.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', cookie, origin: headers.origin },
      body: JSON.stringify({ query: '{ now }' }),
    });
    expect(await response.json()).toMatchObject({ data: { now: 0 } });
  });

  it('work for queries and connections from the console’s own pages only', async () => {
    test = await startTestGateway();
    const { cookie } = await signIn();
    const ask = async (headers: Record<string, string>, body = JSON.stringify({ query: '{ viewer { keyId } }' })) => {
      const response = await fetch(`${test.url}/graphql`, { method: 'POST', headers: { cookie, ...headers }, body });
      return [response.status, (await response.json()).data];
    };
    const json = { 'content-type': 'application/json' };
    const data = { viewer: { keyId: `key_${apiKey}` } };
    expect(await ask(json)).toEqual([200, data]);
    expect(await ask({ ...json, origin: test.url })).toEqual([200, data]);
    expect(await ask({ ...json, origin: 'https://evil.example' })).toEqual([403, undefined]);
    expect(await ask({ ...json, 'sec-fetch-site': 'cross-site' })).toEqual([403, undefined]);
    expect(await ask({ 'content-type': 'text/plain', origin: test.url })).toEqual([403, undefined]);
    expect(await ask({ ...json, cookie: `${cookie}x` })).toEqual([401, undefined]);
    expect(await closeCode({ key: null, headers: { cookie, origin: 'https://evil.example' } })).toBe(4403);
    const good = collect(test.socket({ key: null, headers: { cookie, origin: test.url } }), feedQuery);
    await until(() => test.world.upstreams() === 1);
    test.world.feed('hello');
    await until(() => good.results.length === 1);
  });

  it('refuse signing in and out from another site', async () => {
    test = await startTestGateway();
    expect((await signIn(apiKey, { origin: 'https://evil.example' })).response.status).toBe(403);
    const response = await fetch(`${test.url}/session`, {
      method: 'DELETE',
      headers: { origin: 'https://evil.example' },
    });
    expect(response.status).toBe(403);
  });

  it('end their connections with 4401 when they expire', async () => {
    test = await startTestGateway({ sessionTtlMs: 400 });
    const { cookie } = await signIn();
    const closed = closeCode({ key: null, headers: { cookie, origin: test.url } });
    await until(() => test.world.upstreams() === 1);
    expect(await closed).toBe(4401);
    await until(() => test.world.upstreams() === 0);
    expect((await fetch(`${test.url}/session`, { headers: { cookie } })).status).toBe(401);
  });

  it('end with their connections on signing out', async () => {
    test = await startTestGateway();
    const { cookie } = await signIn();
    const closed = closeCode({ key: null, headers: { cookie, origin: test.url } });
    await until(() => test.world.upstreams() === 1);
    const response = await fetch(`${test.url}/session`, { method: 'DELETE', headers: { cookie } });
    expect([response.status, response.headers.get('set-cookie')]).toEqual([204, expect.stringContaining('Max-Age=0')]);
    expect(await closed).toBe(4401);
    expect((await fetch(`${test.url}/session`, { headers: { cookie } })).status).toBe(401);
  });
});

describe('requests over HTTP', () => {
  it('are refused when they could come from another site’s form or link', async () => {
    test = await startTestGateway();
    const authorization = `Bearer ${apiKey}`;
    const link = await fetch(`${test.url}/graphql?query=${encodeURIComponent('{ now }')}`, {
      headers: { authorization },
    });
    expect([link.status, code(await link.json())]).toEqual([400, 'BODY_UNPARSABLE']);
    const preflighted = await fetch(`${test.url}/graphql?query=${encodeURIComponent('{ now }')}`, {
      headers: { authorization, 'apollo-require-preflight': '1', accept: 'application/graphql-response+json' },
    });
    expect([preflighted.status, await preflighted.json()]).toMatchObject([200, { data: { now: 0 } }]);
    const mutation = await fetch(
      `${test.url}/graphql?query=${encodeURIComponent('mutation { rename(id: 1, name: "x") { id } }')}`,
      {
        headers: { authorization, 'apollo-require-preflight': '1' },
      },
    );
    expect(mutation.status).toBe(405);
  });

  it('are refused for subscriptions, with the way to go', async () => {
    test = await startTestGateway();
    const { status, body } = await test.query(feedQuery);
    expect([status, code(body)]).toEqual([400, 'SUBSCRIPTION_OVER_HTTP']);
    expect(body.errors?.[0]?.message).toContain('WebSocket');
  });

  it.each([
    ['tokens', `{ ${'now '.repeat(4_001)} }`],
    ['levels', `{ campaign(id: 1) { ${'twin { '.repeat(16)} id ${'} '.repeat(16)} } }`],
    ['aliases', `{ ${Array.from({ length: 61 }, (_, at) => `a${at}: now`).join(' ')} }`],
    [
      'aliases',
      `{ ...a } fragment a on Query { ${'...b '.repeat(9)} } fragment b on Query { ${'...c '.repeat(9)} } fragment c on Query { x: now }`,
    ],
    [
      'fields',
      `{ ...a } ${['a', 'b', 'c', 'd'].map((name, at) => `fragment ${name} on Query { ${`...${'bcde'[at]} `.repeat(9)} }`).join(' ')} fragment e on Query { now }`,
    ],
  ])('are refused with too many %s', async (what, query) => {
    test = await startTestGateway();
    const { status, body } = await test.query(query);
    expect([status, code(body)]).toEqual([400, 'OPERATION_TOO_LARGE']);
    expect(body.errors?.[0]?.extensions?.['details']).toMatchObject({ what });
  });

  it('are refused by size, encoding, form and method', async () => {
    test = await startTestGateway();
    const send = async (init: RequestInit) => {
      const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json', ...init.headers };
      const response = await fetch(`${test.url}/graphql`, { method: 'POST', ...init, headers });
      return [response.status, code(await response.json())];
    };
    expect(await send({ body: JSON.stringify({ query: '{ now }', variables: { x: 'x'.repeat(300_000) } }) })).toEqual([
      413,
      'PAYLOAD_TOO_LARGE',
    ]);
    expect(await send({ body: '{' })).toEqual([400, 'BODY_UNPARSABLE']);
    expect(await send({ body: '[{"query":"{ now }"}]' })).toEqual([400, 'BODY_UNPARSABLE']);
    expect(await send({ body: '{}' })).toEqual([400, 'BODY_UNPARSABLE']);
    expect(await send({ body: '{}', headers: { 'content-encoding': 'br' } })).toEqual([415, 'UNSUPPORTED_ENCODING']);
    expect(await send({ method: 'PUT', body: '{}' })).toEqual([405, 'METHOD_NOT_ALLOWED']);
    expect(await send({ body: JSON.stringify({ query: '{ now' }) })).toEqual([400, 'GRAPHQL_PARSE_FAILED']);
    expect(await send({ body: JSON.stringify({ query: '{ nothing }' }) })).toEqual([400, 'GRAPHQL_VALIDATION_FAILED']);
    expect(await send({ body: JSON.stringify({ query: '{ now }', operationName: 'Other' }) })).toEqual([
      400,
      'GRAPHQL_VALIDATION_FAILED',
    ]);
    expect(
      await send({ body: JSON.stringify({ query: 'query ($n: Int!) { rows(count: $n) { installs } }' }) }),
    ).toEqual([400, 'BAD_USER_INPUT']);
    expect(
      await send({ body: JSON.stringify({ extensions: { persistedQuery: { version: 1, sha256Hash: 'x' } } }) }),
    ).toEqual([404, 'DOCUMENT_UNKNOWN']);
  });

  it('get no plan by Apollo’s debugging header', async () => {
    test = await startTestGateway();
    const { body } = await test.query('{ now }', {}, { 'apollo-query-plan-experimental': '1' });
    expect(body).toEqual({ data: { now: 0 } });
  });

  it('get health, readiness and metrics from the ops handler, and NOT_FOUND elsewhere', async () => {
    test = await startTestGateway({ opsHandler: (request, response) => response.end(`ops ${request.url}`) });
    expect(await (await fetch(`${test.url}/ready?x`)).text()).toBe('ops /ready?x');
    const missing = await fetch(`${test.url}/nothing`);
    expect([missing.status, ((await missing.json()) as { error: { code: string } }).error.code]).toEqual([
      404,
      'NOT_FOUND',
    ]);
  });

  it('in work are finished when the gateway is disposed of, new ones are not taken', async () => {
    let release: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    test = await startTestGateway({
      wrap: (client) => ({
        ...client,
        execute: async (request) =>
          (request.callerToken ? held : Promise.resolve()).then(() => client.execute(request)),
      }),
    });
    const answer = test.query('{ now }');
    await until(() => test.gateway.stats().sockets === 0);
    await fetch(`${test.url}/nothing`);
    const disposed = test.gateway.dispose();
    release();
    expect((await answer).body).toEqual({ data: { now: 0 } });
    await disposed;
    await expect(fetch(`${test.url}/nothing`)).rejects.toThrow();
  });
});

describe('a gateway that stops', () => {
  it('tells connected clients to connect again, and does not complete their operations', async () => {
    test = await startTestGateway();
    const closed = Promise.withResolvers<number>();
    const live = collect(test.socket({ onClosed: closed.resolve }), feedQuery);
    const events = await fetch(`${test.url}/graphql/stream`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${apiKey}` },
      body: JSON.stringify({ query: feedQuery }),
    });
    await until(() => test.gateway.stats().subscribers === 2);
    await test.gateway.dispose();
    expect(await closed.promise).toBe(1001);
    expect(live.results).toEqual([]);
    await expect(events.text()).rejects.toThrow();
    const { opened, closed: ended } = test.gateway.stats();
    expect(ended).toBe(opened);
  });

  it('starts without a console that was not built', async () => {
    test = await startTestGateway({ staticSite: { dir: '/nowhere/at/all' } });
    expect((await fetch(`${test.url}/overview`)).status).toBe(404);
  });
});
