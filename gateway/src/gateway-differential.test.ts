import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createGatewayRuntime } from '@graphql-hive/gateway-runtime';
import { signCaller } from '@tributary/schema';
import type { FormattedExecutionResult } from 'graphql';
import { createRemoteSubgraphClient } from './remote-subgraph-client.ts';
import { composeSupergraph } from './supergraph.ts';
import { apiKey, startTestGateway, type TestGateway } from './testing/harness.testing.ts';
import { createWorld, type RemoteSubgraph, secret, serveSubgraph } from './testing/subgraphs.testing.ts';

/**
 * The same operations on the same subgraphs, by this gateway and by Hive Gateway: the data, its nulls and the paths of its errors
 * must be equal. (Messages and codes are each gateway's own.)
 */
let test: TestGateway;
let hive: Server;
let hiveUrl: string;
let served: RemoteSubgraph[];

beforeAll(async () => {
  const created = createWorld();
  created.world.emit([
    { campaign: 'cmp_0', installs: 1 },
    { campaign: null, installs: 2 },
    { campaign: 'bad', installs: 3 },
    { campaign: 'cmp_1', installs: 4 },
  ]);
  served = await Promise.all(created.subgraphs.map((subgraph) => serveSubgraph(subgraph)));
  test = await startTestGateway({
    subgraphs: served.map(({ name, url }) => createRemoteSubgraphClient({ name, url })),
  });
  let supergraph = composeSupergraph(created.subgraphs);
  for (const { name, url } of served) supergraph = supergraph.replace(`http://${name}.subgraph.internal/graphql`, url);
  const token = signCaller(
    {
      tenantId: 'ten_1',
      appIds: null,
      scopes: ['read:reports'],
      keyId: `key_${apiKey}`,
      requestId: 'r',
      expiresAt: Date.now() + 600_000,
    },
    secret,
  );
  const runtime = createGatewayRuntime({
    supergraph,
    logging: false,
    maskedErrors: false,
    transportEntries: {
      '*.http': { options: { subscriptions: { kind: 'ws' } } },
    },
    plugins: () => [
      {
        // As our gateway does, the caller travels in the extensions of each operation.
        onSubgraphExecute({ executionRequest, setExecutionRequest }: never) {
          const request = executionRequest as { extensions?: object };
          (setExecutionRequest as (request: object) => void)({
            ...request,
            extensions: { ...request.extensions, caller: token },
          });
        },
      },
    ],
  } as never);
  disposeHive = () => (runtime as unknown as AsyncDisposable)[Symbol.asyncDispose]?.();
  hive = createServer(runtime as never);
  await new Promise<void>((resolve) => hive.listen(0, '127.0.0.1', resolve));
  hiveUrl = `http://127.0.0.1:${(hive.address() as AddressInfo).port}/graphql`;
});
let disposeHive: () => unknown = () => {};
afterAll(async () => {
  await disposeHive();
  await test.dispose();
  hive.closeAllConnections();
  await new Promise((resolve) => hive.close(resolve));
  await Promise.all(served.map((subgraph) => subgraph.dispose()));
});

type Variables = Record<string, unknown>;
type Operation = readonly [query: string, variables?: Variables];
const titled = (operations: readonly Operation[]) =>
  operations.map(([query, variables = {}]): [string, Variables] => [query, variables]);
const queries: readonly Operation[] = [
  ['{ now }'],
  ['{ __typename }'],
  ['{ a: __typename now }'],
  ['{ one: now two: now }'],
  ['{ viewer { tenantId } }'],
  ['{ campaign(id: "cmp_1") { id } }'],
  ['{ campaign(id: "cmp_1") { name } }'],
  ['{ campaign(id: "cmp_1") { roas } }'],
  ['{ campaign(id: "cmp_0") { roas } }'],
  ['{ campaign(id: "cmp_1") { id name roas __typename } }'],
  ['{ c: campaign(id: "cmp_1") { i: id n: name r: roas t: __typename } }'],
  ['{ campaign(id: "cmp_1") { twin { id } } }'],
  ['{ campaign(id: "cmp_1") { twin { name } } }'],
  ['{ campaign(id: "cmp_1") { twin { twin { name roas } name } } }'],
  ['{ campaigns(ids: []) { id name } }'],
  ['{ campaigns(ids: ["a", "b", "a"]) { id name roas } }'],
  ['{ campaigns(ids: ["a", "b", "a"]) { twin { id name roas } } }'],
  ['{ a: campaign(id: "a") { name } b: campaign(id: "b") { roas } }'],
  ['{ rows { installs } }'],
  ['{ rows(count: 0) { installs campaign { name } } }'],
  ['{ rows(count: 7) { installs campaign { name } } }'],
  ['{ rows(count: 7) { campaign { name roas twin { name } } } }'],
  ['{ x: rows(count: 2) { campaign { name } } y: rows(count: 3) { campaign { roas } } }'],
  ['{ campaign(id: "bad") { name } }'],
  ['{ campaign(id: "bad") { name roas } }'],
  ['{ campaign(id: "crash") { id name } }'],
  ['{ campaigns(ids: ["a", "bad", "b", "bad"]) { id name } }'],
  ['{ campaigns(ids: ["a", "bad"]) { n: name r: roas } }'],
  ['{ campaigns(ids: ["bad", "crash"]) { name } now }'],
  ['{ broken }'],
  ['{ things(first: 3) { nodes { id } } }'],
  ['{ things(first: 3) { nodes { __typename id } } }'],
  ['{ things(first: 3) { nodes { ... on Campaign { name roas } ... on App { name } } } }'],
  ['{ things(first: 3) { nodes { id ... on Campaign { twin { name } } } } }'],
  ['{ things(first: 3) { nodes { ...T } } } fragment T on Thing { id ... on App { appName: name } }'],
  ['{ people { id email } }'],
  ['{ margins }'],
  ['query ($id: ID!) { campaign(id: $id) { name } }', { id: 'cmp_2' }],
  ['query ($id: ID! = "cmp_3") { campaign(id: $id) { name } }'],
  ['query ($id: ID! = "cmp_3") { campaign(id: $id) { name } }', { id: 'cmp_4' }],
  ['query ($ids: [ID!]!) { campaigns(ids: $ids) { name roas } }', { ids: ['x', 'y'] }],
  ['query ($n: Int) { rows(count: 2) { installs } now @skip(if: true) }', { n: 1 }],
  ['query ($w: Boolean!) { campaign(id: "a") { id name @include(if: $w) roas } }', { w: true }],
  ['query ($w: Boolean!) { campaign(id: "a") { id name @include(if: $w) roas } }', { w: false }],
  ['query ($w: Boolean!) { campaign(id: "a") { id roas @skip(if: $w) } }', { w: true }],
  ['query ($w: Boolean!) { campaign(id: "a") { id ... @include(if: $w) { name roas } } }', { w: false }],
  ['query ($w: Boolean!) { now viewer @include(if: $w) { keyId } }', { w: false }],
  [
    'query ($a: Boolean!, $b: Boolean!) { campaign(id: "a") { name @include(if: $a) @skip(if: $b) id } }',
    { a: true, b: true },
  ],
  ['query ($w: Boolean = false) { campaign(id: "a") { id ...F @include(if: $w) } } fragment F on Campaign { roas }'],
  [
    '{ campaign(id: "a") { ...F ...G } } fragment F on Campaign { name twin { id } } fragment G on Campaign { twin { name } }',
  ],
  ['{ campaign(id: "a") { twin { id } ... { twin { roas } } ... on Campaign { twin { name } } } }'],
  ['{ campaign(id: "a") { big(bytes: 40) } }'],
  ['{ a: campaign(id: "a") { big(bytes: 1) } b: campaign(id: "a") { big(bytes: 2) } }'],
  ['query A { now } query B { rows(count: 1) { installs } }', { $operationName: 'B' }],
  ['mutation { rename(id: "a", name: "n") { id name } }'],
  ['mutation { a: rename(id: "a", name: "1") { name roas } b: rename(id: "b", name: "2") { name twin { name } } }'],
];
const subscriptions: readonly Operation[] = [
  ['subscription { liveMetrics(appId: "app_1") { sequence rows { installs } } }'],
  ['subscription { liveMetrics(appId: "app_1") { app { id name } rows { campaign { id } } } }'],
  ['subscription { live: liveMetrics(appId: "app_1") { rows { n: installs campaign { name roas twin { name } } } } }'],
  [
    'subscription ($w: Boolean!) { liveMetrics(appId: "app_1") { rows { campaign { name @include(if: $w) roas } } } }',
    { w: false },
  ],
];

const pathsOf = (result: FormattedExecutionResult) =>
  (result.errors ?? []).map(({ path }) => JSON.stringify(path ?? null)).sort();

async function ask(url: string, query: string, given: Variables, headers: Record<string, string>) {
  const { $operationName: operationName, ...variables } = given;
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json', ...headers },
    body: JSON.stringify({ query, variables, operationName }),
  });
  return (await response.json()) as FormattedExecutionResult;
}

describe('beside Hive Gateway', () => {
  it('is held against 60 operations', () => {
    expect(queries.length + subscriptions.length).toBeGreaterThanOrEqual(60);
  });

  it.each(titled(queries))('%s %j', async (query, variables) => {
    const ours = await ask(`${test.url}/graphql`, query, variables, { authorization: `Bearer ${apiKey}` });
    const theirs = await ask(hiveUrl, query, variables, {});
    expect(ours.data).toEqual(theirs.data);
    expect(pathsOf(ours)).toEqual(pathsOf(theirs));
  });

  it.each(titled(subscriptions))('%s %j', async (query, variables) => {
    const [ours, theirs] = await Promise.all([
      firstEvent(`${test.url}/graphql/stream`, query, variables, { authorization: `Bearer ${apiKey}` }),
      firstEvent(hiveUrl, query, variables, {}),
    ]);
    expect(ours.data).toEqual(theirs.data);
    // Hive says row 0 here, though its own data has the null in row 2, as ours has: its count is compared, our place is stated.
    if (query.includes('live:')) expect(pathsOf(ours)).toEqual(['["live","rows",2,"campaign","name"]']);
    else expect(pathsOf(ours)).toEqual(pathsOf(theirs));
    expect(pathsOf(ours)).toHaveLength(pathsOf(theirs).length);
  });
});

/** Over server-sent events, which both speak. Each begins with the whole state, so it is the same for both. */
async function firstEvent(url: string, query: string, variables: Variables, headers: Record<string, string>) {
  const abort = new AbortController();
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
    body: JSON.stringify({ query, variables }),
    signal: abort.signal,
  });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let held = '';
  try {
    for (;;) {
      const step = await reader?.read();
      held += step?.value ?? '';
      const data = /^data: ?(\{.*)$/m.exec(held)?.[1];
      if (data && held.includes(`${data}\n`)) return JSON.parse(data) as FormattedExecutionResult;
      if (!step || step.done) throw new Error(`no event: ${held}`);
    }
  } finally {
    abort.abort();
  }
}
