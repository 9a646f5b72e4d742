import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Cache } from '@tributary/platform/cache';
import { createMemoryCache } from '@tributary/platform/cache/memory';
import type { Clock } from '@tributary/platform/clock';
import type { Directory } from '@tributary/platform/directory';
import type { LiveBus } from '@tributary/platform/live-bus';
import type { Logger } from '@tributary/platform/logger';
import type { Metrics } from '@tributary/platform/metrics';
import { answerUnreadable } from '@tributary/platform/unreadable-requests';
import { keepRequestsYoung } from '@tributary/platform/young-requests';
import { type Caller, CodedError, type Config } from '@tributary/schema';
import type { FormattedExecutionResult } from 'graphql';
import { explorerRoutes } from './explorer/explorer.ts';
import { createGraphs, fixedGraph, type Graph, type Graphs, longestKeptText } from './graphs.ts';
import { createLiveConnections } from './live-connections.ts';
import { createGatewayMetrics, type GatewayMetrics } from './metrics.ts';
import { createOperations, type Operations } from './operations.ts';
import { type CallerSigner, createAuthenticator, createCallerSigner } from './pipeline/auth.ts';
import { createFreshness, type Freshness } from './pipeline/freshness.ts';
import { createRateLimiter } from './pipeline/rate-limit.ts';
import { createResponseCache } from './pipeline/response-cache.ts';
import { createSessions } from './pipeline/sessions.ts';
import { createTrustedDocuments, type DocumentManifest, readManifest } from './pipeline/trusted-documents.ts';
import { createDocumentValidator } from './pipeline/validate.ts';
import { openStaticSite, type StaticSite } from './static-site/static-site.ts';
import type { SubgraphClient } from './subgraph-client.ts';
import type { SubscriptionStats } from './subscriptions/engine.ts';
import { createSupergraphSource, type SupergraphSource } from './supergraph-source.ts';
import { createGraphqlHttp } from './transport/graphql-http.ts';
import { createGraphqlSse } from './transport/graphql-sse.ts';
import { createGraphqlWebSocket, type GraphqlWebSocketOptions, refuseUpgrade } from './transport/graphql-ws.ts';
import { listenOn, type OpsHandler, opsPaths, pathOf, serverOptions, stopServer } from './transport/http-server.ts';
import { createSameOrigin } from './transport/origin.ts';
import { requestIdOf, sendError } from './transport/respond.ts';
import { createSessionRoutes } from './transport/session-routes.ts';
import { webRoute } from './transport/web-route.ts';

export interface GatewayDeps {
  readonly config: Pick<Config, 'host' | 'publicUrl'> & { readonly ports: Pick<Config['ports'], 'gateway'> };
  readonly directory: Directory;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Signs callers to subgraphs; sessions are signed by a key derived from it. */
  readonly signingSecret: string;
  readonly subgraphs: readonly SubgraphClient[];
  /** Fixed graph. Default: composed from the subgraphs, and again when a remote one changes. */
  readonly supergraphSdl?: string;
  /** Answers /health, /ready and /metrics. */
  readonly opsHandler?: OpsHandler;
  /** The console's files; null or absent = none. */
  readonly staticSite?: { readonly dir: string } | null;
  /** Answers `/exports/…`: files that a signed link gives the right to. Absent = there are none. */
  readonly downloads?: (request: Request) => Promise<Response>;
  readonly metrics?: Metrics;
  /** Holds cost buckets, answers and registered documents for all gateways. Default: one of this process. */
  readonly cache?: Cache;
  /** Tells of new data, so that kept answers give way. Without it an answer is good for its whole `maxAge`. */
  readonly liveBus?: Pick<LiveBus, 'subscribe'>;
  /**
   * The console's operations, `{hash: text}` or Apollo's manifest. With one, console sessions run nothing else. Default:
   * `trusted-documents.json` in the console's directory, if it is there.
   */
  readonly trustedDocumentsFile?: string;
  /** Default 12 h. */
  readonly sessionTtlMs?: number;
  readonly tuning?: Partial<GatewayTuning>;
}

export interface GatewayTuning extends GraphqlWebSocketOptions {
  /** Between attempts while no supergraph could be composed yet. */
  readonly supergraphRetryMs: number;
  /** Between looks at remote subgraphs' schemas. */
  readonly supergraphPollMs: number;
  /** Subscription fields whose payloads hold absolute totals; see StreamKind. */
  readonly totalsFields: readonly string[];
  readonly reopenDelaysMs: readonly number[];
  /** Given to running requests at disposal. */
  readonly drainMs: number;
  readonly sseDrainTimeoutMs: number;
  /** Of one query or mutation; then QUERY_TIMEOUT, and its subgraph requests are aborted. */
  readonly operationTimeoutMs: number;
}

export interface Gateway {
  /**
   * Binds the port and resolves with the address. By then the graph is composed, unless a remote subgraph can't be reached: it
   * is tried again in the background, and `/graphql` answers NOT_READY meanwhile. Rejects when the port can't be had or the
   * subgraphs do not compose.
   */
  listen(): Promise<{ readonly url: string }>;
  /** One operation without HTTP, as that caller; for readiness. Errors are in the result. */
  executeInternal(
    query: string,
    variables: Readonly<Record<string, unknown>>,
    caller: Caller,
  ): Promise<FormattedExecutionResult>;
  /** Swaps the graph: plans are cleared, running subscriptions end with SCHEMA_CHANGED. Rejects for an SDL that is none. */
  updateSupergraph(sdl: string): Promise<void>;
  stats(): SubscriptionStats & { readonly sockets: number };
  /** Takes no new work, ends subscriptions, lets requests finish, and disposes of the subgraph clients. Idempotent. */
  dispose(): Promise<void>;
}

const defaultTuning: GatewayTuning = {
  supergraphRetryMs: 1_000,
  supergraphPollMs: 30_000,
  totalsFields: ['liveMetrics'],
  reopenDelaysMs: [250, 500, 1_000, 2_000, 4_000, 8_000],
  maxBufferedBytes: 4 * 1024 * 1024,
  maxOperationsPerSocket: 100,
  maxSockets: 10_000,
  pingIntervalMs: 12_000,
  initTimeoutMs: 3_000,
  drainMs: 5_000,
  sseDrainTimeoutMs: 30_000,
  operationTimeoutMs: 30_000,
};
const defaultSessionTtlMs = 12 * 3_600_000;

type Route = (request: IncomingMessage, response: ServerResponse, requestId: string) => unknown;

/**
 * The public GraphQL endpoint: queries and mutations at `/graphql`, subscriptions over graphql-transport-ws at the same path and
 * over server-sent events at `/graphql/stream`, the console's session at `/session`, and its files at every other path.
 *
 * Over 50 lines: one closure, whose parts share this state.
 *
 * @example
 * const gateway = await createGateway({ config, directory, clock, logger, signingSecret, subgraphs });
 * const { url } = await gateway.listen();
 */
export async function createGateway(deps: GatewayDeps): Promise<Gateway> {
  const { logger, clock } = deps;
  const tuning = { ...defaultTuning, ...deps.tuning };
  const metrics = createGatewayMetrics(deps.metrics);
  const signer = createCallerSigner({ secret: deps.signingSecret, clock });
  const clients = deps.subgraphs.map(metrics.timed);
  tellOfFaults(deps);
  const manifest = await openManifest(deps);
  let warmUp: (graph: Graph) => void = () => {};
  const graphs = createGraphs({ ...tuning, clients, signer, logger, warm: (graph) => warmUp(graph) });
  const source = createSource(deps, tuning, graphs);
  const freshness = await createFreshness({ liveBus: deps.liveBus ?? null, directory: deps.directory, clock });
  const operations = createPipeline(deps, { tuning, graphs, signer, freshness, manifest });
  warmUp = (graph) => warm(graph, operations, manifest, logger);
  const transports = createTransports(deps, { tuning, metrics, manifest, operations });
  const site = await openSite(deps);
  const server = createServer(serverOptions);
  answerUnreadable(server);
  const stats = () => ({ ...graphs.stats(), sockets: transports.sockets.size });
  metrics.observe(stats);
  let disposing: Promise<void> | null = null;

  const downloads = deps.downloads ? webRoute(deps.downloads) : fallbackRoute(null);
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const requestId = requestIdOf(request);
    const path = pathOf(request);
    // The busiest path writes all its headers at once, which is cheaper.
    if (path !== '/graphql') response.setHeader('x-request-id', requestId);
    const route = transports.routes.get(path) ?? (path.startsWith('/exports/') ? downloads : fallbackRoute(site));
    const fail = (error: unknown) => {
      logger.error({ err: error, requestId }, 'a request failed');
      sendError(response, new CodedError('INTERNAL'), requestId);
    };
    try {
      const waited = route(request, response, requestId);
      if (waited instanceof Promise) waited.catch(fail);
    } catch (error) {
      fail(error);
    }
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    if (disposing) refuseUpgrade(socket, 503, 'Service Unavailable');
    else if (pathOf(request) !== '/graphql') refuseUpgrade(socket, 404, 'Not Found');
    else transports.sockets.upgrade(request, socket, head);
  });

  async function dispose(): Promise<void> {
    await source?.dispose();
    freshness.dispose();
    const stopped = stopServer(server, tuning.drainMs);
    // Connections first: a client whose connection goes away subscribes again elsewhere, one whose operation completes does not.
    transports.connections.dispose();
    await transports.sockets.dispose();
    graphs.endSubscriptions();
    await stopped;
    await graphs.dispose();
    await Promise.all(deps.subgraphs.map((client) => client.dispose()));
  }

  return {
    async listen() {
      keepRequestsYoung();
      const url = await listenOn(server, deps.config.host, deps.config.ports.gateway);
      await loadGraph(deps, graphs, source);
      logger.info({ url, graph: graphs.of(null) !== null }, 'the gateway listens');
      return { url };
    },
    async executeInternal(query, variables, caller) {
      const graph = graphs.of({ partnerId: caller.partnerId ?? null });
      if (!graph) throw new CodedError('NOT_READY');
      const asked = { ...caller, expiresAt: Math.max(caller.expiresAt, clock.now() + 1_000) };
      const context = { callerToken: signer.signCaller(asked), requestId: caller.requestId };
      return graph.queries.execute({ query, variables }, context);
    },
    updateSupergraph: (sdl) => graphs.use(fixedGraph(sdl)),
    stats,
    dispose: () => (disposing ??= dispose()),
  };
}

/** A gateway without a console is whole; a directory that is not there (yet) is said, not fatal. */
async function openSite(deps: GatewayDeps): Promise<StaticSite | null> {
  if (!deps.staticSite) return null;
  const { dir } = deps.staticSite;
  try {
    return await openStaticSite({ dir, https: isHttps(deps) });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    deps.logger.warn({ dir }, 'the console is not built, so it is not served');
    return null;
  }
}

function isHttps(deps: GatewayDeps): boolean {
  return deps.config.publicUrl?.startsWith('https:') ?? false;
}

function fallbackRoute(site: StaticSite | null): Route {
  return (request, response, requestId) =>
    site ? site.serve(request, response, requestId) : sendError(response, new CodedError('NOT_FOUND'), requestId);
}

/** Faults whose cause callers do not see. */
function tellOfFaults({ subgraphs, logger }: GatewayDeps): void {
  for (const client of subgraphs) {
    client.onUnexpectedError?.((error, { requestId }) =>
      logger.error({ err: error, requestId, subgraph: client.name }, 'a resolver failed'),
    );
  }
}

function createSource(deps: GatewayDeps, tuning: GatewayTuning, graphs: Graphs): SupergraphSource | null {
  if (deps.supergraphSdl !== undefined) return null;
  return createSupergraphSource({
    clients: deps.subgraphs,
    logger: deps.logger,
    onComposed: graphs.use,
    retryMs: tuning.supergraphRetryMs,
    pollMs: tuning.supergraphPollMs,
  });
}

async function loadGraph(deps: GatewayDeps, graphs: Graphs, source: SupergraphSource | null): Promise<void> {
  if (deps.supergraphSdl !== undefined) return graphs.use(fixedGraph(deps.supergraphSdl));
  try {
    await source?.refresh();
  } catch (error) {
    if (!(error instanceof CodedError) || error.code !== 'SUBGRAPH_UNAVAILABLE') throw error;
    deps.logger.warn({ err: error }, 'a subgraph cannot be reached yet');
  }
  source?.start();
}

/** Rejects for a file that is there and is no manifest: to run without it would let more through than its owner thinks. */
async function openManifest(deps: GatewayDeps): Promise<DocumentManifest> {
  const file =
    deps.trustedDocumentsFile ?? (deps.staticSite ? join(deps.staticSite.dir, 'trusted-documents.json') : null);
  const manifest = file === null ? null : await readManifest(file);
  if (manifest) deps.logger.info({ file, documents: manifest.size }, 'trusted documents are loaded');
  else if (deps.trustedDocumentsFile !== undefined)
    throw new CodedError('CONFIG_INVALID', { message: `There is no ${file}.` });
  return manifest ?? new Map();
}

/** Plans of the trusted documents. One that does not fit (the partners' graph holds less) is told when somebody asks it. */
function warm(graph: Graph, operations: Operations, manifest: DocumentManifest, logger: Logger): void {
  for (const text of new Set(manifest.values())) {
    try {
      operations.warm(graph, text);
    } catch (error) {
      logger.debug({ err: error }, 'a trusted document does not fit this graph');
    }
  }
}

interface TransportParts {
  readonly tuning: GatewayTuning;
  readonly metrics: GatewayMetrics;
  readonly manifest: DocumentManifest;
  readonly operations: Operations;
}

function createTransports(deps: GatewayDeps, parts: TransportParts) {
  const { logger, clock, directory } = deps;
  const { tuning } = parts;
  const ttlMs = deps.sessionTtlMs ?? defaultSessionTtlMs;
  const secure = isHttps(deps);
  // The prefix makes browsers refuse the cookie from a subdomain or over plain HTTP.
  const cookieName = secure ? '__Host-tributary_session' : 'tributary_session';
  const sameOrigin = createSameOrigin(deps.config.publicUrl);
  const sessions = createSessions({ secret: deps.signingSecret, clock, ttlMs });
  const sessionsTrustedOnly = () => parts.manifest.size > 0;
  const authenticator = createAuthenticator({ directory, sessions, sameOrigin, cookieName, sessionsTrustedOnly });
  const connections = createLiveConnections({ authenticator, directory, clock });
  const shared = { authenticator, operations: parts.operations, connections, logger };
  const routes = new Map<string, Route>([
    ['/graphql', createGraphqlHttp({ ...shared, metrics: parts.metrics })],
    [
      '/graphql/stream',
      createGraphqlSse({ ...shared, pingIntervalMs: tuning.pingIntervalMs, drainTimeoutMs: tuning.sseDrainTimeoutMs }),
    ],
    ['/session', createSessionRoutes({ authenticator, sessions, connections, sameOrigin, cookieName, secure, ttlMs })],
    ...explorerRoutes({ authenticator }),
  ]);
  const { opsHandler } = deps;
  if (opsHandler) for (const path of opsPaths) routes.set(path, (request, response) => opsHandler(request, response));
  return {
    routes,
    connections,
    sockets: createGraphqlWebSocket({ ...shared, options: tuning, onSlowSocket: parts.metrics.slowSocket }),
  };
}

interface PipelineParts {
  readonly tuning: GatewayTuning;
  readonly graphs: Graphs;
  readonly signer: CallerSigner;
  readonly freshness: Freshness;
  readonly manifest: DocumentManifest;
}

function createPipeline(deps: GatewayDeps, { tuning, graphs, signer, freshness, manifest }: PipelineParts): Operations {
  const { clock, directory } = deps;
  const cache = deps.cache ?? createMemoryCache({ clock });
  return createOperations({
    graphOf: graphs.of,
    validate: createDocumentValidator(),
    documents: createTrustedDocuments({ cache, manifest: () => manifest }),
    limiter: createRateLimiter(cache),
    responses: createResponseCache({ cache, clock }),
    freshness,
    appIdsOf: createAppIndex(directory),
    signer,
    timeoutMs: tuning.operationTimeoutMs,
    longestKeptText,
  });
}

/** Ids of a tenant's apps, indexed once per snapshot. */
function createAppIndex(directory: Directory): (tenantId: string) => ReadonlySet<string> {
  const indexes = new WeakMap<object, Map<string, ReadonlySet<string>>>();
  return (tenantId) => {
    const snapshot = directory.current();
    const index = indexes.get(snapshot) ?? new Map<string, ReadonlySet<string>>();
    indexes.set(snapshot, index);
    let ids = index.get(tenantId);
    if (!ids) {
      ids = new Set(snapshot.apps.filter((app) => app.tenantId === tenantId).map(({ appId }) => appId));
      index.set(tenantId, ids);
    }
    return ids;
  };
}
