import { createClient as createSseClient } from 'graphql-sse';
import { WebSocket } from 'ws';
import {
  apiKey,
  type Collected,
  collect,
  otherTenantKey,
  sameRightsKey,
  startTestGateway,
  type TestGateway,
  until,
} from './testing/harness.testing.ts';

const liveQuery = /* GraphQL */ `
  subscription Live($appId: ID!) {
    liveMetrics(appId: $appId) { sequence app { name } rows { installs campaign { name roas } } }
  }`;
const settled = (test: TestGateway) =>
  until(() => test.gateway.stats().opened === test.gateway.stats().closed, 'opened = closed');

describe.each([
  ['in this process', false],
  ['behind HTTP', true],
])('subscriptions over subgraphs %s', (_name, remote) => {
  let test: TestGateway;
  beforeEach(async () => {
    test = await startTestGateway({ remote });
  });
  afterEach(() => test.dispose());

  it('completes each event from the other subgraphs, nulls included', async () => {
    const live = collect(test.socket(), liveQuery, { appId: 'app_1' });
    await until(() => test.world.upstreams() === 1);
    test.world.emit([
      { campaign: 'cmp_1', installs: 4 },
      { campaign: null, installs: 2 },
      { campaign: 'gone', installs: 1 },
    ]);
    await until(() => live.results.length === 1);
    expect(live.results[0]).toEqual({
      data: {
        liveMetrics: {
          sequence: 1,
          app: { name: 'App app_1' },
          rows: [
            { installs: 4, campaign: { name: 'Campaign cmp_1', roas: 1.5 } },
            { installs: 2, campaign: null },
            { installs: 1, campaign: { name: null, roas: 1.5 } },
          ],
        },
      },
    });
    test.world.emit([{ campaign: 'cmp_2', installs: 5 }]);
    await until(() => live.results.length === 2);
    expect(live.results[1]?.data?.['liveMetrics']).toMatchObject({ sequence: 2, rows: [{ installs: 5 }] });
  });

  it('takes aliases, fragments, conditions and operation names', async () => {
    const query = `
      query Other { now }
      subscription Live($appId: ID!, $money: Boolean = false) { now: liveMetrics(appId: $appId) { ...Rows } }
      fragment Rows on LiveMetrics { n: sequence lines: rows { c: campaign { title: name roas @include(if: $money) } } }`;
    const results: unknown[] = [];
    test
      .socket()
      .subscribe(
        { query, operationName: 'Live', variables: { appId: 'app_1' } },
        { next: (r) => void results.push(r), error() {}, complete() {} },
      );
    await until(() => test.world.upstreams() === 1);
    test.world.emit([{ campaign: 'cmp_1', installs: 4 }]);
    await until(() => results.length === 1);
    expect(results[0]).toEqual({ data: { now: { n: 1, lines: [{ c: { title: 'Campaign cmp_1' } }] } } });
  });

  it('gives errors inside an event their code and path', async () => {
    const live = collect(test.socket(), liveQuery, { appId: 'app_1' });
    await until(() => test.world.upstreams() === 1);
    test.world.emit([
      { campaign: 'cmp_1', installs: 1 },
      { campaign: 'bad', installs: 1 },
    ]);
    await until(() => live.results.length === 1);
    expect(live.results[0]?.data?.['liveMetrics']).toMatchObject({
      rows: [{ campaign: { name: 'Campaign cmp_1' } }, { campaign: { name: null } }],
    });
    expect(live.results[0]?.errors).toEqual([
      expect.objectContaining({
        path: ['liveMetrics', 'rows', 1, 'campaign', 'name'],
        extensions: expect.objectContaining({ code: 'NOT_FOUND' }),
      }),
    ]);
  });

  it('shares one upstream and one entity call per event among 50 equal subscribers of two keys', async () => {
    const sockets = [test.socket(), test.socket({ key: sameRightsKey })];
    const all = Array.from({ length: 50 }, (_, at) => collect(sockets[at % 2]!, liveQuery, { appId: 'app_1' }));
    await until(() => test.gateway.stats().subscribers === 50 && test.world.upstreams() === 1);
    for (let event = 1; event <= 3; event += 1) {
      test.world.emit([{ campaign: 'cmp_1', installs: event }]);
      await until(() => all.every((one) => one.results.length === event));
    }
    expect(test.world.counts['live opened']).toBe(1);
    expect(test.world.counts['campaign entities']).toBe(3);
    expect(test.world.counts['money entities']).toBe(3);
    expect(test.world.callers.map((caller) => caller.keyId)).toEqual(['shared', 'shared', 'shared']);
    expect(all.every((one) => JSON.stringify(one.results) === JSON.stringify(all[0]?.results))).toBe(true);
  });

  it('keeps tenants, variables and operations apart', async () => {
    collect(test.socket(), liveQuery, { appId: 'app_1' });
    collect(test.socket(), liveQuery, { appId: 'app_2' });
    collect(test.socket(), liveQuery.replace('roas', ''), { appId: 'app_1' });
    collect(test.socket({ key: otherTenantKey }), liveQuery, { appId: 'app_1' });
    await until(() => test.world.upstreams() === 4);
    expect(test.gateway.stats().streams).toBe(4);
  });

  it('closes every upstream after unsubscribes and abrupt disconnects, also of quiet streams', async () => {
    const socket = test.socket();
    const abrupt: WebSocket[] = [];
    for (let round = 0; round < 10; round += 1) {
      const one = collect(socket, liveQuery, { appId: `app_${round}` });
      const two = collect(socket, 'subscription { feed { text } }');
      abrupt.push(await rawSubscribe(test.url, liveQuery, { appId: `abrupt_${round}` }));
      await until(() => test.gateway.stats().subscribers === 2 + abrupt.length);
      if (round % 2 === 0) test.world.emit([{ campaign: 'cmp_1', installs: round }]);
      one.stop();
      two.stop();
    }
    for (const socket of abrupt) socket.terminate();
    await settled(test);
    await until(() => test.world.upstreams() === 0);
    const { opened, streams, subscribers } = test.gateway.stats();
    expect({ streams, subscribers }).toEqual({ streams: 0, subscribers: 0 });
    // A remote subgraph never saw those that were over before they reached it.
    const { counts } = test.world;
    const seen = (counts['live opened'] ?? 0) + (counts['feed opened'] ?? 0);
    expect(seen).toBeGreaterThan(remote ? 10 : opened - 1);
    await until(() => (counts['live closed'] ?? 0) + (counts['feed closed'] ?? 0) === seen);
    expect(seen).toBeLessThanOrEqual(opened);
  });

  it('refuses what the subgraph refuses, in its words', async () => {
    test.directory.change(apiKey, { appIds: ['app_1'] });
    const live = collect(test.socket(), liveQuery, { appId: 'app_9' });
    await live.ended;
    expect(live.results).toEqual([
      { data: null, errors: [expect.objectContaining({ extensions: expect.objectContaining({ code: 'FORBIDDEN' }) })] },
    ]);
    const broken = collect(test.socket(), 'subscription { broken { text } }');
    await broken.ended;
    expect(broken.results[0]?.errors?.[0]?.extensions?.['code']).toBe('INTERNAL');
    expect(JSON.stringify(broken.results)).not.toContain('secret');
    await settled(test);
  });

  it('brings who comes late up to date before anything else', async () => {
    const early = collect(test.socket(), liveQuery, { appId: 'app_1' });
    await until(() => test.world.upstreams() === 1);
    for (let at = 0; at < 20; at += 1) {
      test.world.emit([{ campaign: `cmp_${at}`, installs: at }]);
      await until(() => early.results.length === at + 1);
    }
    const late = collect(test.socket(), liveQuery, { appId: 'app_1' });
    await until(() => late.results.length === 1);
    expect(rowsOf(late.results[0])).toHaveLength(20);
    test.world.emit([{ campaign: 'cmp_1', installs: 100 }]);
    await until(() => late.results.length === 2 && early.results.length === 21);
    expect(late.results[1]).toEqual(early.results[20]);
    await until(() => test.world.upstreams() === 1);
  });
});

describe('subscriptions', () => {
  let test: TestGateway;
  afterEach(() => test.dispose());

  it('end with SCHEMA_CHANGED when the graph is swapped, and go on by the new one', async () => {
    const { composeSupergraph } = await import('./supergraph.ts');
    const { createWorld } = await import('./testing/subgraphs.testing.ts');
    test = await startTestGateway();
    const live = collect(test.socket(), liveQuery, { appId: 'app_1' });
    await until(() => test.world.upstreams() === 1);
    const sdls = createWorld().subgraphs.map(({ name, sdl }) => ({ name, sdl: `${sdl}\n# changed\n` }));
    sdls[2]!.sdl = sdls[2]!.sdl.replace('roas: Float', 'roas: Float clicks: Int');
    await test.gateway.updateSupergraph(composeSupergraph(sdls));
    await live.ended;
    expect(live.results.at(-1)?.errors?.[0]?.extensions).toMatchObject({ code: 'SCHEMA_CHANGED', retryable: true });
    await settled(test);
    expect((await test.query('{ __type(name: "Campaign") { fields { name } } }')).body.data).toMatchObject({
      __type: { fields: expect.arrayContaining([{ name: 'clicks' }]) },
    });
    const again = collect(test.socket(), liveQuery, { appId: 'app_1' });
    await until(() => test.world.upstreams() === 1);
    test.world.emit([{ campaign: 'cmp_1', installs: 1 }]);
    await until(() => again.results.length === 1);
  });

  it('come back by themselves after the subgraph’s connection was lost, whole', async () => {
    const { createWorld, serveSubgraph } = await import('./testing/subgraphs.testing.ts');
    const { createRemoteSubgraphClient } = await import('./remote-subgraph-client.ts');
    const { world, subgraphs } = createWorld();
    const served = await Promise.all(subgraphs.map((subgraph) => serveSubgraph(subgraph)));
    test = await startTestGateway({
      subgraphs: served.map(({ name, url }) => createRemoteSubgraphClient({ name, url })),
      tuning: { reopenDelaysMs: [5, 5, 5] },
    });
    try {
      const live = collect(test.socket(), liveQuery, { appId: 'app_1' });
      const feed = collect(test.socket(), 'subscription { feed { text } }');
      await until(() => world.upstreams() === 2);
      world.emit([{ campaign: 'cmp_1', installs: 1 }]);
      await until(() => live.results.length === 1);
      served[0]!.cut();
      world.emit([{ campaign: 'cmp_2', installs: 2 }]);
      await until(() => live.results.length >= 2);
      expect(rowsOf(live.results.at(-1))).toHaveLength(2);
      await feed.ended;
      expect(feed.results.at(-1)?.errors?.[0]?.extensions?.['code']).toBe('SUBGRAPH_UNAVAILABLE');
    } finally {
      await test.dispose();
      await Promise.all(served.map((subgraph) => subgraph.dispose()));
    }
  });

  it('of totals are opened anew when the subgraph ends them, since totals have no end', async () => {
    test = await startTestGateway({ tuning: { reopenDelaysMs: [5] } });
    const live = collect(test.socket(), liveQuery, { appId: 'app_1' });
    await until(() => test.world.upstreams() === 1);
    test.world.emit([{ campaign: 'cmp_1', installs: 1 }]);
    await until(() => live.results.length === 1);
    test.world.endLive();
    await until(() => test.world.counts['live opened'] === 2);
    test.world.emit([{ campaign: 'cmp_2', installs: 2 }]);
    await until(() => live.results.length === 3);
    expect(live.results.map(rowsOf)).toEqual([expect.any(Array), expect.any(Array), expect.any(Array)]);
  });

  it('are refused when they do not fit the schema, also where validation itself throws', async () => {
    test = await startTestGateway();
    const codeOf = async (query: string, variables: Record<string, unknown> = {}) => {
      const one = collect(test.socket(), query, variables);
      await one.ended;
      return (one.failure() as { extensions: { code: string } }[] | null)?.[0]?.extensions.code;
    };
    expect(await codeOf('subscription { nothing }')).toBe('GRAPHQL_VALIDATION_FAILED');
    expect(await codeOf('subscription {')).toBe('GRAPHQL_PARSE_FAILED');
    expect(await codeOf('subscription { feed { text } other: feed { text } }')).toBe('GRAPHQL_VALIDATION_FAILED');
    expect(await codeOf('subscription ($with: Boolean!) { feed @include(if: $with) { text } }', { with: true })).toBe(
      'GRAPHQL_VALIDATION_FAILED',
    );
    expect(await codeOf(liveQuery, { appId: null })).toBe('BAD_USER_INPUT');
    expect(await codeOf(`subscription { feed { ${'text '.repeat(4_000)} } }`)).toBe('OPERATION_TOO_LARGE');
  });

  it('share a connection with queries', async () => {
    test = await startTestGateway();
    const one = collect(test.socket(), '{ campaign(id: "bad") { name roas } }');
    await one.ended;
    expect(one.results).toMatchObject([
      {
        data: { campaign: { name: null, roas: 1.5 } },
        errors: [
          expect.objectContaining({
            path: ['campaign', 'name'],
            extensions: expect.objectContaining({ code: 'NOT_FOUND' }),
          }),
        ],
      },
    ]);
  });

  it('go over server-sent events too, and end when the client leaves', async () => {
    test = await startTestGateway();
    const client = createSseClient({
      url: `${test.url}/graphql/stream`,
      headers: { authorization: `Bearer ${apiKey}` },
      retryAttempts: 0,
    });
    const results: unknown[] = [];
    const stop = client.subscribe(
      { query: liveQuery, variables: { appId: 'app_1' } },
      { next: (r) => void results.push(r), error() {}, complete() {} },
    );
    await until(() => test.world.upstreams() === 1);
    test.world.emit([{ campaign: 'cmp_1', installs: 1 }]);
    await until(() => results.length === 1);
    expect(results[0]).toMatchObject({ data: { liveMetrics: { rows: [{ campaign: { roas: 1.5 } }] } } });
    stop();
    await settled(test);
    const refused = await fetch(
      `${test.url}/graphql/stream?query=${encodeURIComponent('subscription { feed { text } }')}`,
    );
    expect(refused.status).toBe(401);
    client.dispose();
  });
});

const rowsOf = (result: Collected['results'][number] | undefined) =>
  (result?.data?.['liveMetrics'] as { rows: unknown[] } | undefined)?.rows;

/** A client that never says goodbye. */
function rawSubscribe(url: string, query: string, variables: object): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  socket.on('open', () =>
    socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${apiKey}` } })),
  );
  return new Promise((resolve) => {
    socket.once('message', () => {
      socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query, variables } }));
      resolve(socket);
    });
  });
}
