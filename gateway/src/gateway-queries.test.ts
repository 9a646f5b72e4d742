import { createRemoteSubgraphClient } from './remote-subgraph-client.ts';
import { apiKey, startTestGateway, type TestGateway } from './testing/harness.testing.ts';
import { createWorld, serveSubgraph } from './testing/subgraphs.testing.ts';

describe.each([
  ['in this process', false],
  ['behind HTTP', true],
])('queries over subgraphs %s', (_name, remote) => {
  let test: TestGateway;
  beforeAll(async () => {
    test = await startTestGateway({ remote });
  });
  afterAll(() => test.dispose());

  it('joins fields of three subgraphs', async () => {
    const { body, status, headers } = await test.query('{ rows(count: 2) { installs campaign { name roas } } now }');
    expect(body).toEqual({
      data: {
        rows: [
          { installs: 0, campaign: { name: 'Campaign cmp_0', roas: null } },
          { installs: 1, campaign: { name: 'Campaign cmp_1', roas: 1.5 } },
        ],
        now: 0,
      },
    });
    expect(status).toBe(200);
    expect(headers.get('x-request-id')).toMatch(/^req_/);
    expect(headers.get('cache-control')).toBe('no-store');
  });

  it('asks for each entity once, however often it is in the answer', async () => {
    const before = test.world.counts['campaign entities'] ?? 0;
    const { body } = await test.query('{ rows(count: 50) { campaign { name } } }');
    expect((body.data as { rows: { campaign: { name: string } }[] }).rows[49]?.campaign.name).toBe('Campaign cmp_4');
    expect((test.world.counts['campaign entities'] ?? 0) - before).toBe(5);
  });

  it('keeps places apart that share an entity', async () => {
    const { body } = await test.query('{ rows(count: 10) { campaign { twin { id name } } } }');
    const { rows } = body.data as { rows: { campaign: { twin: { id: string; name: string } } }[] };
    expect(rows.map((row) => row.campaign.twin.name)).toEqual(
      Array.from({ length: 10 }, (_, at) => `Campaign twin_cmp_${at % 5}`),
    );
  });

  it('takes aliases, fragments and variables', async () => {
    const query = `
      query Names($a: ID!, $b: ID! = "cmp_2", $with: Boolean!) { one: campaign(id: $a) { ...Named } two: campaign(id: $b) { title: name roas @include(if: $with) } }
      fragment Named on Campaign { __typename name money: roas }`;
    const { body } = await test.query(query, { a: 'cmp_1', with: false });
    expect(body).toEqual({
      data: {
        one: { __typename: 'Campaign', name: 'Campaign cmp_1', money: 1.5 },
        two: { title: 'Campaign cmp_2' },
      },
    });
  });

  it('gives a subgraph’s coded error its code, text and path', async () => {
    const { body } = await test.query('{ campaigns(ids: ["cmp_1", "bad"]) { name } }');
    expect(body.data).toEqual({ campaigns: [{ name: 'Campaign cmp_1' }, { name: null }] });
    expect(body.errors).toEqual([
      {
        message: 'No such campaign.',
        path: ['campaigns', 1, 'name'],
        extensions: { code: 'NOT_FOUND', requestId: expect.stringMatching(/^req_/), retryable: false },
      },
    ]);
  });

  it('gives one error per place of an entity that failed once', async () => {
    const { body } = await test.query(
      '{ a: campaign(id: "cmp_1") { twin { id } } b: campaigns(ids: ["bad","cmp_1","bad"]) { id name roas } }',
    );
    expect(body.errors?.map((error) => error.path)).toEqual([
      ['b', 0, 'name'],
      ['b', 2, 'name'],
    ]);
  });

  it('says nothing of what failed inside', async () => {
    const { body } = await test.query('{ campaign(id: "crash") { name } }');
    expect(body.errors?.[0]).toEqual({
      message: 'Something failed here. The request id finds it in the logs.',
      path: ['campaign', 'name'],
      extensions: { code: 'INTERNAL', requestId: expect.any(String), retryable: true },
    });
    expect(JSON.stringify(body)).not.toContain('secret');
  });

  it('runs mutations by POST', async () => {
    const { body } = await test.query('mutation { rename(id: "cmp_1", name: "New") { name roas } }');
    expect(body).toEqual({ data: { rename: { name: 'New', roas: 1.5 } } });
  });

  it('passes the caller on, signed, with the request id', async () => {
    test.world.callers.length = 0;
    await test.query('{ viewer { tenantId keyId } }', {}, { 'x-request-id': 'from-the-client-1' });
    expect(test.world.callers).toEqual([
      expect.objectContaining({
        tenantId: 'ten_1',
        appIds: null,
        scopes: ['read:reports'],
        keyId: `key_${apiKey}`,
        requestId: 'from-the-client-1',
      }),
    ]);
  });
});

describe('a subgraph that cannot be reached', () => {
  it('leaves the rest of the answer whole, with SUBGRAPH_UNAVAILABLE at its places', async () => {
    const { subgraphs } = createWorld();
    const [live, catalog, money] = subgraphs;
    const served = await Promise.all([live!, catalog!, money!].map((subgraph) => serveSubgraph(subgraph)));
    const clients = served.map(({ name, url }) => createRemoteSubgraphClient({ name, url, connectTimeoutMs: 300 }));
    const test = await startTestGateway({ subgraphs: clients });
    try {
      await served[2]!.dispose();
      const { body } = await test.query('{ campaigns(ids: ["cmp_1","cmp_2"]) { name roas } }');
      expect(body.data).toEqual({
        campaigns: [
          { name: 'Campaign cmp_1', roas: null },
          { name: 'Campaign cmp_2', roas: null },
        ],
      });
      expect(body.errors?.map(({ path, extensions }) => [path, extensions?.['code']])).toEqual([
        [['campaigns', 0], 'SUBGRAPH_UNAVAILABLE'],
        [['campaigns', 1], 'SUBGRAPH_UNAVAILABLE'],
      ]);
    } finally {
      await test.dispose();
      await Promise.all(served.map((subgraph) => subgraph.dispose()));
    }
  });

  it('is waited for: the gateway answers NOT_READY until it is there', async () => {
    const { subgraphs } = createWorld();
    const first = await Promise.all(subgraphs.map((subgraph) => serveSubgraph(subgraph)));
    const port = Number(new URL(first[2]!.url).port);
    await first[2]!.dispose();
    const clients = first.map(({ name, url }) => createRemoteSubgraphClient({ name, url, connectTimeoutMs: 300 }));
    const test = await startTestGateway({ subgraphs: clients, tuning: { supergraphRetryMs: 20 } });
    const again = await (async () => {
      const { status, body } = await test.query('{ now }');
      expect([status, body.errors?.[0]?.extensions?.['code']]).toEqual([503, 'NOT_READY']);
      return serveSubgraph(subgraphs[2]!, port);
    })();
    try {
      const deadline = Date.now() + 5_000;
      let answer = await test.query('{ now }');
      while (answer.status === 503 && Date.now() < deadline) answer = await test.query('{ now }');
      expect(answer.body).toEqual({ data: { now: 0 } });
    } finally {
      await test.dispose();
      await Promise.all([...first, again].map((subgraph) => subgraph.dispose()));
    }
  });
});
