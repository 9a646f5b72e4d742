import { CodedError } from '@tributary/schema';
import { parse } from 'graphql';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { z } from 'zod';
import {
  aCallerToken,
  aDirectory,
  aDirectoryApp,
  aDirectoryCampaign,
  askEntities,
  silentLogger,
  testSecret,
} from './kit.testing.ts';
import {
  addConnection,
  addEntityStub,
  asIdEntity,
  asksForSdlOnly,
  connectionArgs,
  connectionOf,
  createSubgraphBuilder,
  decodeCursor,
  defineSubgraph,
  encodeCursor,
  type IdReference,
  parsePage,
  parseTimeRange,
  requireApp,
  requireCampaign,
  type SubgraphServer,
  serveSubgraph,
} from './kit.ts';
import type { Subgraph } from './types.ts';

const directory = aDirectory({
  apps: [aDirectoryApp({ appId: 'app_a', tenantId: 'ten_a' }), aDirectoryApp({ appId: 'app_b', tenantId: 'ten_b' })],
  campaigns: [
    aDirectoryCampaign({ campaignId: 'cmp_a', tenantId: 'ten_a', appId: 'app_a' }),
    aDirectoryCampaign({ campaignId: 'cmp_b', tenantId: 'ten_b', appId: 'app_b' }),
  ],
});
const callerA = aCallerToken({ tenantId: 'ten_a' });

function createSample(logger = silentLogger): Subgraph {
  const kit = createSubgraphBuilder();
  const { builder, Money } = kit;
  const App = builder.objectRef<IdReference>('App').implement({
    fields: (t) => ({
      id: t.exposeID('id'),
      name: t.string({ resolve: ({ id }, _args, context) => requireApp(context, directory, id).name }),
      earned: t.field({ type: Money, resolve: () => ({ amount: '1.500000', currency: 'USD' }) }),
      at: t.field({ type: 'DateTime', resolve: () => 1_700_000_000_123 }),
    }),
  });
  asIdEntity(builder, App);
  const Campaign = addEntityStub(builder, 'Campaign');
  const AppConnection = addConnection(kit, 'App', App);
  builder.queryType({
    fields: (t) => ({
      apps: t.field({
        type: AppConnection,
        args: connectionArgs(t.arg),
        resolve: (_root, args) => {
          const page = parsePage(args);
          const from = page.after === null ? 0 : decodeCursor(page.after, z.tuple([z.number()]))[0] + 1;
          const rows = Array.from({ length: 250 }, (_, index) => ({ id: `app_${index}` })).slice(
            from,
            from + page.limit,
          );
          return connectionOf(rows, page, (row) => encodeCursor([Number(row.id.slice(4))]));
        },
      }),
      campaign: t.field({ type: Campaign, resolve: () => ({ id: 'cmp_a' }) }),
      echo: t.field({
        type: 'DateTime',
        args: { at: t.arg({ type: 'DateTime', required: true }) },
        resolve: (_root, { at }) => at,
      }),
      fail: t.string({
        resolve: () => {
          throw new Error('a secret of the inside');
        },
      }),
      away: t.string({
        resolve: () => {
          throw new CodedError('WAREHOUSE_UNAVAILABLE', { cause: new Error('host 10.0.0.1') });
        },
      }),
    }),
  });
  builder.subscriptionType({
    fields: (t) => ({
      counting: t.int({
        subscribe: async function* () {
          yield 1;
          yield 2;
        },
        resolve: (value) => value as number,
      }),
    }),
  });
  return defineSubgraph({
    name: 'events',
    builder,
    deps: { clock: { now: () => Date.now() }, logger, signingSecret: testSecret },
  });
}

describe('a subgraph over HTTP and WebSocket', () => {
  let subgraph: Subgraph;
  let server: SubgraphServer;
  beforeAll(async () => {
    subgraph = createSample();
    server = await serveSubgraph(subgraph, {
      host: '127.0.0.1',
      port: 0,
      opsHandler: (request, response) => {
        if (request.url !== '/health') return false;
        response.end('ok');
        return true;
      },
    });
  });
  afterAll(async () => {
    await server.dispose();
    await subgraph.dispose();
  });

  const post = async (query: string, options: { caller?: string | null; variables?: Record<string, unknown> } = {}) => {
    const caller = options.caller === undefined ? callerA : options.caller;
    const response = await fetch(server.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify({ query, variables: options.variables, ...(caller ? { extensions: { caller } } : {}) }),
    });
    return { status: response.status, text: await response.clone().text(), body: await response.json() };
  };

  it('answers with money without trailing zeros and times in UTC milliseconds', async () => {
    const { body } = await post('{ apps(first: 1) { edges { node { id earned { amount currency } at } } } }');
    expect(body.data.apps.edges[0].node).toEqual({
      id: 'app_0',
      earned: { amount: '1.5', currency: 'USD' },
      at: '2023-11-14T22:13:20.123Z',
    });
  });

  it('pages through a list by opaque cursors, each row once', async () => {
    const seen: string[] = [];
    for (let after: string | null = null; ; ) {
      const { body } = await post(
        'query ($after: String) { apps(first: 100, after: $after) { edges { node { id } } pageInfo { hasNextPage endCursor } } }',
        { variables: { after } },
      );
      seen.push(...body.data.apps.edges.map((edge: { node: { id: string } }) => edge.node.id));
      if (!body.data.apps.pageInfo.hasNextPage) break;
      after = body.data.apps.pageInfo.endCursor;
    }
    expect(seen).toEqual(Array.from({ length: 250 }, (_, index) => `app_${index}`));
  });

  it.each([
    ['more than 100 rows', '{ apps(first: 101) { edges { cursor } } }', 'BAD_USER_INPUT'],
    ['no rows', '{ apps(first: 0) { edges { cursor } } }', 'BAD_USER_INPUT'],
    ['a cursor of another list', '{ apps(after: "WyJ4Il0") { edges { cursor } } }', 'BAD_USER_INPUT'],
    ['a time without zone', '{ echo(at: "2026-11-24T00:00:00") }', 'BAD_USER_INPUT'],
    ['a field that is not there', '{ nothing }', 'GRAPHQL_VALIDATION_FAILED'],
    ['half a document', '{ apps', 'GRAPHQL_PARSE_FAILED'],
    ['a store that is away', '{ away }', 'WAREHOUSE_UNAVAILABLE'],
    ['an error of no code', '{ fail }', 'INTERNAL'],
  ])('answers %s with a code and nothing of the inside', async (_what, query, code) => {
    const { body, text } = await post(query);
    expect(body.errors[0].extensions.code).toBe(code);
    expect(text).not.toMatch(/secret|10\.0\.0\.1|\.ts:|at .*\(/);
  });

  it('refuses variables of the wrong type with BAD_USER_INPUT', async () => {
    const { body } = await post('query ($first: Int!) { apps(first: $first) { edges { cursor } } }', {
      variables: { first: 'x' },
    });
    expect(body.errors[0].extensions.code).toBe('BAD_USER_INPUT');
  });

  it.each([
    ['that is half a JSON text', '{"query":'],
    ['that holds no operation', '{}'],
  ])('answers a body %s with BODY_UNPARSABLE', async (_what, body) => {
    const headers = { 'content-type': 'application/json', accept: 'application/json' };
    const response = await fetch(server.url, { method: 'POST', headers, body });
    expect([response.status, (await response.json()).errors[0].extensions.code]).toEqual([400, 'BODY_UNPARSABLE']);
  });

  it('refuses everything but the SDL without a valid caller', async () => {
    const expired = aCallerToken({ tenantId: 'ten_a', expiresAt: 1 });
    for (const caller of [null, `${callerA}x`, expired]) {
      for (const query of [
        '{ campaign { id } }',
        '{ __schema { types { name } } }',
        '{ _service { sdl } campaign { id } }',
      ]) {
        const { status, body } = await post(query, { caller });
        expect([status, body.data, body.errors[0].extensions.code]).toEqual([401, undefined, 'UNAUTHENTICATED']);
      }
    }
    const { status, body } = await post('{ _service { sdl } }', { caller: null });
    expect([status, body.data._service.sdl]).toEqual([200, subgraph.sdl]);
  });

  it('serves no web page at its endpoint', async () => {
    const response = await fetch(server.url, { headers: { accept: 'text/html' } });
    expect(await response.text()).not.toContain('<html');
  });

  it('lets the operations handler answer first', async () => {
    expect(await (await fetch(new URL('/health', server.url))).text()).toBe('ok');
  });

  it('runs subscriptions of a valid caller and refuses others, on one socket', async () => {
    const client = createClient({ url: server.url.replace('http', 'ws'), webSocketImpl: WebSocket, retryAttempts: 0 });
    const query = 'subscription { counting }';
    const seen: unknown[] = [];
    for await (const result of client.iterate({ query, extensions: { caller: callerA } })) seen.push(result.data);
    expect(seen).toEqual([{ counting: 1 }, { counting: 2 }]);
    const refused = client.iterate({ query }).next();
    await expect(refused).rejects.toEqual([
      expect.objectContaining({ extensions: { code: 'UNAUTHENTICATED', retryable: false } }),
    ]);
    await client.dispose();
  });

  it('prints the same SDL each time', () => {
    expect(createSample().sdl).toBe(subgraph.sdl);
    expect(subgraph.sdl).toContain('@key(fields: "id", resolvable: false)');
  });
});

describe('access', () => {
  const subgraph = createSample();
  const contextOf = (token: string) => subgraph.createContext({ callerToken: token });

  it('answers alike for foreign and unknown apps', async () => {
    const foreign = await askEntities(subgraph, callerA, 'App', ['app_b'], 'name');
    const unknown = await askEntities(subgraph, callerA, 'App', ['app_x'], 'name');
    expect(foreign).toEqual({ data: { _entities: [null] }, codes: ['NOT_FOUND'] });
    expect(unknown).toEqual(foreign);
    expect((await askEntities(subgraph, callerA, 'App', ['app_a'], 'name')).data._entities).toEqual([
      { name: 'app_a' },
    ]);
  });

  it('hides apps outside the list of the key, and their campaigns', () => {
    const context = contextOf(aCallerToken({ tenantId: 'ten_a', appIds: ['app_other'] }));
    for (const read of [
      () => requireApp(context, directory, 'app_a'),
      () => requireCampaign(context, directory, 'cmp_a'),
    ]) {
      expect(read).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
    }
  });

  it('hides campaigns of other tenants', () => {
    expect(() => requireCampaign(contextOf(callerA), directory, 'cmp_b')).toThrow(
      expect.objectContaining({ code: 'NOT_FOUND' }),
    );
    expect(requireCampaign(contextOf(callerA), directory, 'cmp_a').app.appId).toBe('app_a');
  });

  it('forbids reading without read:reports', () => {
    const context = contextOf(aCallerToken({ tenantId: 'ten_a', scopes: ['ingest:write'] }));
    expect(() => requireApp(context, directory, 'app_a')).toThrow(expect.objectContaining({ code: 'FORBIDDEN' }));
  });

  it('makes loaders once per operation and anew for the next', () => {
    const [one, two] = [contextOf(callerA), contextOf(callerA)];
    const loader = one.loaders.get('x', () => ({}));
    expect(one.loaders.get('x', () => ({}))).toBe(loader);
    expect(two.loaders.get('x', () => ({}))).not.toBe(loader);
  });

  it('takes a document for the SDL question only if it asks for nothing else', () => {
    const asks = (query: string) => asksForSdlOnly(parse(query));
    expect(asks('{ _service { sdl } }')).toBe(true);
    expect(asks('query Q { a: _service { sdl } }')).toBe(true);
    for (const query of [
      '{ x }',
      '{ ...F } fragment F on Query { _service { sdl } }',
      'subscription { _service { sdl } }',
      'query A { _service { sdl } } query B { x }',
    ]) {
      expect(asks(query)).toBe(false);
    }
  });
});

describe('time ranges', () => {
  const now = Date.parse('2026-11-24T12:00:00Z');
  const day = 86_400_000;

  it.each([
    [{ lastDays: 7 }, now - 7 * day, now],
    [{ lastDays: 400 }, now - 400 * day, now],
    [{ from: now - day }, now - day, now],
    [{ from: now - 3 * day, to: now - day }, now - 3 * day, now - day],
    [{ from: now - day, to: null, lastDays: null }, now - day, now],
  ])('of %j are read', (input, fromMs, toMs) => {
    expect(parseTimeRange(input, now)).toEqual({ fromMs, toMs });
  });

  it.each([
    [{}],
    [{ lastDays: 0 }],
    [{ lastDays: 401 }],
    [{ lastDays: -1 }],
    [{ lastDays: 3, from: now - day }],
    [{ to: now }],
    [{ from: now }],
    [{ from: now, to: now - 1 }],
    [{ from: now - 400 * day - 1 }],
  ])('of %j are refused', (input) => {
    expect(() => parseTimeRange(input, now)).toThrow(expect.objectContaining({ code: 'BAD_USER_INPUT' }));
  });
});
