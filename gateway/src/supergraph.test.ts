import { createLru } from '@tributary/platform/lru';
import { CodedError } from '@tributary/schema';
import { parse } from 'graphql';
import { dedupe } from './data-source.ts';
import { canonicalJson } from './json.ts';
import { createRemoteSubgraphClient } from './remote-subgraph-client.ts';
import { normalise, rootFieldOf } from './subscriptions/plan.ts';
import { composeSupergraph } from './supergraph.ts';
import { startTestGateway, until } from './testing/harness.testing.ts';
import { createWorld, serveSubgraph } from './testing/subgraphs.testing.ts';

const sdls = () => createWorld().subgraphs.map(({ name, sdl }) => ({ name, sdl }));

describe('composeSupergraph', () => {
  it('gives the same text whatever the order of the subgraphs', () => {
    expect(composeSupergraph(sdls().reverse())).toBe(composeSupergraph(sdls()));
  });

  it('tells all faults when subgraphs do not fit together', () => {
    const [live, catalog, money] = sdls();
    const compose = () =>
      composeSupergraph([live!, catalog!, { name: 'money', sdl: money!.sdl.replace('roas: Float', 'name: Int') }]);
    expect(compose).toThrow(CodedError);
    expect(compose).toThrow(/do not compose[\s\S]*Campaign\.name/);
  });
});

describe('the graph of a running gateway', () => {
  it('follows a remote subgraph that was deployed anew', async () => {
    const { subgraphs } = createWorld();
    const first = await Promise.all(subgraphs.map((subgraph) => serveSubgraph(subgraph)));
    const clients = first.map(({ name, url }) => createRemoteSubgraphClient({ name, url }));
    const test = await startTestGateway({ subgraphs: clients, tuning: { supergraphPollMs: 20 } });
    const port = Number(new URL(first[2]!.url).port);
    await first[2]!.dispose();
    const { buildSubgraphSchema } = await import('@apollo/subgraph');
    const sdl = subgraphs[2]!.sdl.replace('roas: Float', 'roas: Float clicks: Int');
    const changed = {
      ...subgraphs[2]!,
      sdl,
      schema: buildSubgraphSchema({
        typeDefs: parse(sdl),
        resolvers: { Campaign: { __resolveReference: (it: object) => ({ ...it, clicks: 7 }) } } as never,
      }),
    };
    const again = await serveSubgraph(changed, port);
    try {
      let answer = await test.query('{ campaign(id: "cmp_1") { clicks } }');
      expect(answer.body.errors?.[0]?.extensions?.['code']).toBe('GRAPHQL_VALIDATION_FAILED');
      const deadline = Date.now() + 5_000;
      while (answer.body.errors && Date.now() < deadline)
        answer = await test.query('{ campaign(id: "cmp_1") { clicks } }');
      expect(answer.body).toEqual({ data: { campaign: { clicks: 7 } } });
    } finally {
      await test.dispose();
      await Promise.all([...first, again].map((subgraph) => subgraph.dispose()));
    }
  });

  it('answers internal questions as the given caller', async () => {
    const test = await startTestGateway();
    const caller = {
      tenantId: 'ten_9',
      appIds: null,
      scopes: ['admin' as const],
      keyId: 'ready',
      requestId: 'req_ready',
      expiresAt: 0,
    };
    expect(await test.gateway.executeInternal('{ viewer { tenantId keyId } }', {}, caller)).toEqual({
      data: { viewer: { tenantId: 'ten_9', keyId: 'ready' } },
    });
    await test.dispose();
    await until(() => test.world.upstreams() === 0);
  });
});

describe('what makes subscriptions equal', () => {
  const pick = (text: string, name?: string) => {
    const document = parse(text);
    const operation = document.definitions.find(
      (it) => it.kind === 'OperationDefinition' && (!name || it.name?.value === name),
    );
    if (operation?.kind !== 'OperationDefinition') throw new Error('no operation');
    return { document, operation };
  };
  it('is neither layout nor what is not used', () => {
    const a = pick('subscription S { feed { ...T } } fragment T on FeedItem { text }');
    const b = pick(
      'query Q { now } fragment U on Query { now } fragment T on FeedItem { text }\nsubscription S { feed {\n ...T\n} }',
      'S',
    );
    expect(normalise(b.document, b.operation)).toBe(normalise(a.document, a.operation));
    const c = pick('subscription S { feed { t: text } }');
    expect(normalise(c.document, c.operation)).not.toBe(normalise(a.document, a.operation));
  });
  it('finds the root field behind fragments and aliases', () => {
    const { document, operation } = pick(
      'subscription { ...A } fragment A on Subscription { ... { x: feed { text } } }',
    );
    expect(rootFieldOf(document, operation)).toBe('feed');
  });
  it('is not the order of keys in variables', () => {
    expect(canonicalJson({ b: [{ y: 1, x: 2 }], a: null })).toBe(canonicalJson({ a: null, b: [{ x: 2, y: 1 }] }));
  });
});

describe('dedupe', () => {
  it('sends equal representations once and remembers their places', () => {
    const [a, b] = [
      { __typename: 'C', id: '1' },
      { __typename: 'C', id: '2' },
    ];
    expect(dedupe([a, b, { ...a }, b])).toEqual({ unique: [a, b], indexes: [0, 1, 0, 1] });
  });
});

describe('createLru', () => {
  it('drops what was used least recently', () => {
    const cache = createLru<string, number>(2);
    cache.set('a', 1);
    cache.set('b', 2);
    cache.get('a');
    cache.set('c', 3);
    expect([cache.get('a'), cache.get('b'), cache.get('c'), cache.size]).toEqual([1, undefined, 3, 2]);
  });
});
