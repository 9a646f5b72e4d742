import { buildSubgraphSchema } from '@apollo/subgraph';
import { createGateway, createLocalSubgraphClient } from '@tributary/gateway';
import { createMemoryCache } from '@tributary/platform/cache/memory';
import { systemClock } from '@tributary/platform/clock';
import { createLogger } from '@tributary/platform/logger';
import { type DirectoryKey, type DirectorySnapshot, sha256Hex } from '@tributary/schema';
import { parse } from 'graphql';

/**
 * The gateway of the fan-out benchmark over two subgraphs in its process: one publishes totals of ten campaigns, the other names
 * them. The first two keys are of one tenant with equal rights, as a busy dashboard's are; the others have a tenant each. Says its port, then obeys: `stats`, `gc`, or a
 * number of updates to publish.
 */
const [, , key, perSecond] = process.argv as [string, string, string, string];
const head = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])\n`;
const counts = { entityCalls: 0, updates: 0 };
const listeners = new Set<(at: number) => void>();

const live = subgraphOf(
  'live',
  `${head} type Query { now: Int } type Subscription { liveMetrics(appId: ID!): LiveMetrics! }
   type LiveMetrics { at: Float! rows: [LiveRow!]! } type LiveRow { installs: Int! campaign: Campaign! }
   type Campaign @key(fields: "id", resolvable: false) { id: ID! }`,
  { Subscription: { liveMetrics: { subscribe: () => liveSource() } } },
);
const names = subgraphOf('names', `${head} type Campaign @key(fields: "id") { id: ID! name: String! }`, {
  Campaign: { __resolveReference: ({ id }: { id: string }) => ({ id, name: `Campaign ${id}` }) },
});
const client = createLocalSubgraphClient(names);
const counted = {
  ...client,
  execute: (request: Parameters<typeof client.execute>[0]) => {
    counts.entityCalls += 1;
    return client.execute(request);
  },
};

function liveSource(): AsyncIterableIterator<unknown> {
  const waiting: ((step: IteratorResult<unknown>) => void)[] = [];
  const held: unknown[] = [payload(0)];
  const listener = (at: number) => {
    const next = waiting.shift();
    if (next) next({ done: false, value: payload(at) });
    else held.push(payload(at));
  };
  listeners.add(listener);
  return {
    next: () =>
      held.length > 0
        ? Promise.resolve({ done: false, value: held.shift() })
        : new Promise((resolve) => waiting.push(resolve)),
    return: async () => {
      listeners.delete(listener);
      for (const resolve of waiting.splice(0)) resolve({ done: true, value: undefined });
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

function payload(at: number) {
  const rows = Array.from({ length: 10 }, (_, row) => ({
    installs: counts.updates * 10 + row,
    campaign: { __typename: 'Campaign', id: `cmp_${row}` },
  }));
  return { liveMetrics: { at, rows } };
}

function subgraphOf(name: string, sdl: string, resolvers: object) {
  const schema = buildSubgraphSchema({ typeDefs: parse(sdl), resolvers: resolvers as never });
  return { name, sdl, schema, createContext: () => ({}) };
}

const keys: DirectoryKey[] = [0, 1, 2, 3, 4, 5, 6, 7].map((at) => ({
  keyId: `key_${at}`,
  kind: 'api',
  hash: sha256Hex(`${key}_${at}`),
  tenantId: `ten_bench_${Math.max(1, at)}`,
  appIds: null,
  scopes: ['read:reports'],
  enabled: true,
  rate: { perSecond: 1e9, burst: 1e9 },
  ratePlan: 'large',
}));
const directory: DirectorySnapshot = {
  version: 1,
  publishedAt: 0,
  apps: [],
  links: [],
  campaigns: [],
  goals: [],
  keys,
};

const gateway = await createGateway({
  config: { host: '127.0.0.1', publicUrl: null, ports: { gateway: 0 } },
  directory: { current: () => directory, onChange: () => () => {}, refresh: async () => {}, dispose: async () => {} },
  clock: systemClock,
  logger: createLogger('bench', 'error'),
  signingSecret: 'a secret for the benchmark, over 32 characters',
  subgraphs: [createLocalSubgraphClient(live), counted],
  cache: createMemoryCache(),
});
const { url } = await gateway.listen();
process.send?.({ port: Number(new URL(url).port) });

process.on('message', (asked: 'stats' | 'gc' | number) => {
  if (typeof asked === 'number') return publish(asked);
  if (asked === 'gc') for (let at = 0; at < 3; at += 1) globalThis.gc?.();
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  const { opened, closed, subscribers, sockets } = gateway.stats();
  process.send?.({
    ...counts,
    opened: opened - closed,
    subscribers,
    sockets,
    rssBytes: rss,
    heapBytes: heapUsed,
    cpuMs: (user + system) / 1_000,
  });
});

function publish(updates: number): void {
  let left = updates;
  const timer = setInterval(() => {
    if (left <= 0) return clearInterval(timer);
    left -= 1;
    counts.updates += 1;
    const at = performance.timeOrigin + performance.now();
    for (const listener of [...listeners]) listener(at);
  }, 1_000 / Number(perSecond));
}
// The benchmark is gone, however it ended.
process.on('disconnect', () => process.exit());
