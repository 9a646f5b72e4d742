import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { composeSupergraph, createGateway, createRemoteSubgraphClient } from '@tributary/gateway';
import { createBareGateway } from '@tributary/gateway/bare';
import { createMemoryCache } from '@tributary/platform/cache/memory';
import { systemClock } from '@tributary/platform/clock';
import { createLogger } from '@tributary/platform/logger';
import { type DirectorySnapshot, sha256Hex } from '@tributary/schema';
import type { GraphQLSchema } from 'graphql';
import { type BenchSubgraph, resolvers, subgraphNames, typeDefs } from './gateway-graph.ts';

/**
 * One server of the gateway benchmark, a process of its own: the four subgraphs with their answers memoised, one of the gateways
 * over them, or a bare node:http server. Says its addresses over the channel.
 */
const [, , kind, given, key] = process.argv as [string, string, string, string, string];
const logger = createLogger('bench', 'error');
const keepAlive = { keepAliveTimeout: 65_000 };

type Urls = Readonly<Record<BenchSubgraph, string>>;

const kinds: Readonly<Record<string, () => Promise<Record<string, string>>>> = {
  subgraphs: serveSubgraphs,
  bare: async () => ({ url: await listen(createServer(keepAlive, fixedAnswer(given))) }),
  ours: serveOurs,
  full: serveFull,
  apollo: serveApollo,
  hive: () => serveHive(false),
  hiveRust: () => serveHive(true),
};

async function serveSubgraphs(): Promise<Record<string, string>> {
  const { buildSubgraphSchema } = await import('@apollo/subgraph');
  const { execute, parse } = await import('graphql');
  const urls: Record<string, string> = {};
  for (const name of subgraphNames) {
    const schema = buildSubgraphSchema({ typeDefs: parse(typeDefs[name]), resolvers: resolvers[name] as never });
    const memo = new Map<string, Buffer>();
    urls[name] = await listen(createServer(keepAlive, memoised(schema as GraphQLSchema, memo, { execute, parse })));
  }
  return urls;
}

/** Answers are made once per body; a caller's signature and the request id do not count. */
function memoised(
  schema: GraphQLSchema,
  memo: Map<string, Buffer>,
  { execute, parse }: Pick<typeof import('graphql'), 'execute' | 'parse'>,
): RequestListener {
  return (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', async () => {
      const text = Buffer.concat(chunks).toString('utf8');
      const signed = text.indexOf(',"extensions":{"caller"');
      const memoKey = signed < 0 ? text : text.slice(0, signed);
      let body = memo.get(memoKey);
      if (!body) {
        const { query, variables, operationName } = JSON.parse(text);
        const result = await execute({ schema, document: parse(query), variableValues: variables, operationName });
        body = Buffer.from(JSON.stringify(result));
        memo.set(memoKey, body);
      }
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
    });
  };
}

function fixedAnswer(body: string): RequestListener {
  const length = Buffer.byteLength(body);
  return (_request, response) =>
    response.writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'content-length': length }).end(body);
}

const urlsOf = (): Urls => JSON.parse(given) as Urls;
const clients = () => subgraphNames.map((name) => createRemoteSubgraphClient({ name, url: urlsOf()[name] }));
const supergraphSdl = () => composeSupergraph(subgraphNames.map((name) => ({ name, sdl: typeDefs[name] })));

/** With the addresses in it, for gateways that find subgraphs by them. */
function addressedSdl(): string {
  let sdl = supergraphSdl();
  for (const name of subgraphNames) sdl = sdl.replace(`http://${name}.subgraph.internal/graphql`, urlsOf()[name]);
  return sdl;
}

async function serveOurs(): Promise<Record<string, string>> {
  const { handler } = await createBareGateway({ subgraphs: clients(), supergraphSdl: supergraphSdl(), logger });
  return { url: await listen(createServer(keepAlive, handler)) };
}

async function serveFull(): Promise<Record<string, string>> {
  const directory: DirectorySnapshot = {
    version: 1,
    publishedAt: 0,
    apps: [],
    links: [],
    campaigns: [],
    goals: [],
    keys: [
      {
        keyId: 'key_bench',
        kind: 'api',
        hash: sha256Hex(key),
        tenantId: 'ten_bench',
        appIds: null,
        scopes: ['read:reports', 'admin'],
        enabled: true,
        // So that the bucket is drawn from and never empty.
        rate: { perSecond: 1e9, burst: 1e9 },
        ratePlan: 'large',
      },
    ],
  };
  const gateway = await createGateway({
    config: { host: '127.0.0.1', publicUrl: null, ports: { gateway: 0 } },
    directory: { current: () => directory, onChange: () => () => {}, refresh: async () => {}, dispose: async () => {} },
    clock: systemClock,
    logger,
    signingSecret: 'a secret for the benchmark, over 32 characters',
    subgraphs: clients(),
    cache: createMemoryCache(),
  });
  const { url } = await gateway.listen();
  return { url: `${url}/graphql` };
}

async function serveApollo(): Promise<Record<string, string>> {
  process.env['APOLLO_TELEMETRY_DISABLED'] = '1';
  const [{ ApolloGateway }, { ApolloServer }, { startStandaloneServer }] = await Promise.all([
    import('@apollo/gateway'),
    import('@apollo/server'),
    import('@apollo/server/standalone'),
  ]);
  const server = new ApolloServer({ gateway: new ApolloGateway({ supergraphSdl: addressedSdl() }) });
  const { url } = await startStandaloneServer(server, { listen: { port: 0, host: '127.0.0.1' } });
  return { url: `${url.replace('localhost', '127.0.0.1')}graphql` };
}

async function serveHive(rust: boolean): Promise<Record<string, string>> {
  const { createGatewayRuntime } = await import('@graphql-hive/gateway-runtime');
  const unifiedGraphHandler = rust ? (await import('@graphql-hive/router-runtime')).unifiedGraphHandler : undefined;
  const runtime = createGatewayRuntime({
    supergraph: addressedSdl(),
    logging: false,
    ...(unifiedGraphHandler ? { unifiedGraphHandler } : {}),
  } as never);
  return { url: `${await listen(createServer(keepAlive, runtime as unknown as RequestListener))}` };
}

function listen(server: Server): Promise<string> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`);
    });
  });
}

const start = kinds[kind];
if (!start) throw new Error(`No such server: ${kind}`);
process.send?.(await start());
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.({ cpuMs: (user + system) / 1_000 });
});
// The benchmark is gone, however it ended.
process.on('disconnect', () => process.exit());
