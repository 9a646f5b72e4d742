import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '@tributary/platform/clock';
import type { Directory } from '@tributary/platform/directory';
import type { Logger } from '@tributary/platform/logger';
import type { Metrics } from '@tributary/platform/metrics';
import { type Caller, CodedError, type Config } from '@tributary/schema';
import type { FormattedExecutionResult } from 'graphql';
import { createLiveConnections } from './live-connections.ts';
import { createGatewayMetrics, type GatewayMetrics } from './metrics.ts';
import { createOperations, type Graph } from './operations.ts';
import { createAuthenticator, createCallerSigner } from './pipeline/auth.ts';
import { createOperationInspector } from './pipeline/limits.ts';
import { createSessions } from './pipeline/sessions.ts';
import { createDocumentValidator } from './pipeline/validate.ts';
import { createQueryExecutor } from './query-executor.ts';
import { openStaticSite, type StaticSite } from './static-site/static-site.ts';
import type { SubgraphClient } from './subgraph-client.ts';
import { createSubscriptionEngine, type SubscriptionStats } from './subscriptions/engine.ts';
import { buildSupergraph } from './supergraph.ts';
import { createSupergraphSource } from './supergraph-source.ts';
import { createGraphqlHttp } from './transport/graphql-http.ts';
import { createGraphqlSse } from './transport/graphql-sse.ts';
import { createGraphqlWebSocket, type GraphqlWebSocketOptions, refuseUpgrade } from './transport/graphql-ws.ts';
import { listenOn, type OpsHandler, opsPaths, pathOf, serverOptions, stopServer } from './transport/http-server.ts';
import { createSameOrigin } from './transport/origin.ts';
import { requestIdOf, sendError } from './transport/respond.ts';
import { createSessionRoutes } from './transport/session-routes.ts';

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
  readonly metrics?: Metrics;
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
  const graphs = createGraphs({ ...deps, subgraphs: deps.subgraphs.map(metrics.timed) }, tuning);
  const transports = createTransports(deps, tuning, graphs, metrics);
  const site = await openSite(deps);
  const server = createServer(serverOptions);
  const stats = () => ({ ...graphs.subscriptions.stats(), sockets: transports.sockets.size });
  metrics.observe(stats);
  let disposing: Promise<void> | null = null;

  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const requestId = requestIdOf(request);
    response.setHeader('x-request-id', requestId);
    const route = transports.routes.get(pathOf(request)) ?? fallbackRoute(site);
    Promise.resolve(route(request, response, requestId)).catch((error: unknown) => {
      logger.error({ err: error, requestId }, 'a request failed');
      sendError(response, new CodedError('INTERNAL'), requestId);
    });
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    if (disposing) refuseUpgrade(socket, 503, 'Service Unavailable');
    else if (pathOf(request) !== '/graphql') refuseUpgrade(socket, 404, 'Not Found');
    else transports.sockets.upgrade(request, socket, head);
  });

  async function dispose(): Promise<void> {
    await graphs.source?.dispose();
    const stopped = stopServer(server, tuning.drainMs);
    // Connections first: a client whose connection goes away subscribes again elsewhere, one whose operation completes does not.
    transports.connections.dispose();
    await transports.sockets.dispose();
    graphs.subscriptions.dispose();
    await stopped;
    await graphs.dispose();
    await Promise.all(deps.subgraphs.map((client) => client.dispose()));
  }

  return {
    async listen() {
      const url = await listenOn(server, deps.config.host, deps.config.ports.gateway);
      await graphs.load();
      logger.info({ url, graph: graphs.current() !== null }, 'the gateway listens');
      return { url };
    },
    async executeInternal(query, variables, caller) {
      const graph = graphs.current();
      if (!graph) throw new CodedError('NOT_READY');
      const asked = { ...caller, expiresAt: Math.max(caller.expiresAt, clock.now() + 1_000) };
      const context = { callerToken: graphs.signer.signCaller(asked), requestId: caller.requestId };
      return graph.queries.execute({ query, variables }, context);
    },
    updateSupergraph: graphs.use,
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

/** The composed graph and what runs operations on it. */
function createGraphs(deps: GatewayDeps, tuning: GatewayTuning) {
  const { logger } = deps;
  const signer = createCallerSigner({ secret: deps.signingSecret, clock: deps.clock });
  for (const client of deps.subgraphs) {
    client.onUnexpectedError?.((error, { requestId }) =>
      logger.error({ err: error, requestId, subgraph: client.name }, 'a resolver failed'),
    );
  }
  const subscriptions = createSubscriptionEngine({
    clients: deps.subgraphs,
    signer,
    logger,
    totalsFields: tuning.totalsFields,
    reopenDelaysMs: tuning.reopenDelaysMs,
  });
  let graph: Graph | null = null;

  async function use(sdl: string): Promise<void> {
    const supergraph = buildSupergraph(sdl);
    if (graph?.supergraph.id === supergraph.id) return;
    if (graph) graph.queries.updateSupergraph(sdl);
    const queries = graph?.queries ?? (await createQueryExecutor({ clients: deps.subgraphs, sdl, logger }));
    graph = { supergraph, queries };
    subscriptions.useSupergraph(supergraph);
  }
  const source =
    deps.supergraphSdl === undefined
      ? createSupergraphSource({
          clients: deps.subgraphs,
          logger,
          onSdl: use,
          retryMs: tuning.supergraphRetryMs,
          pollMs: tuning.supergraphPollMs,
        })
      : null;

  return {
    signer,
    subscriptions,
    source,
    use,
    current: () => graph,
    async load() {
      if (deps.supergraphSdl !== undefined) return use(deps.supergraphSdl);
      try {
        await source?.refresh();
      } catch (error) {
        if (!(error instanceof CodedError) || error.code !== 'SUBGRAPH_UNAVAILABLE') throw error;
        logger.warn({ err: error }, 'a subgraph cannot be reached yet');
      }
      source?.start();
    },
    dispose: async () => graph?.queries.dispose(),
  };
}

function createTransports(
  deps: GatewayDeps,
  tuning: GatewayTuning,
  graphs: ReturnType<typeof createGraphs>,
  metrics: GatewayMetrics,
) {
  const { logger, clock, directory } = deps;
  const ttlMs = deps.sessionTtlMs ?? defaultSessionTtlMs;
  const secure = isHttps(deps);
  // The prefix makes browsers refuse the cookie from a subdomain or over plain HTTP.
  const cookieName = secure ? '__Host-tributary_session' : 'tributary_session';
  const sameOrigin = createSameOrigin(deps.config.publicUrl);
  const sessions = createSessions({ secret: deps.signingSecret, clock, ttlMs });
  const authenticator = createAuthenticator({ directory, sessions, sameOrigin, cookieName });
  const connections = createLiveConnections({ authenticator, directory, clock });
  const inspect = createOperationInspector();
  const operations = createOperations({
    graph: graphs.current,
    inspect,
    validate: createDocumentValidator(),
    subscriptions: graphs.subscriptions,
    signer: graphs.signer,
  });
  const shared = { authenticator, operations, connections, logger };
  const routes = new Map<string, Route>([
    [
      '/graphql',
      createGraphqlHttp({ graph: graphs.current, authenticator, inspect, signer: graphs.signer, logger, metrics }),
    ],
    [
      '/graphql/stream',
      createGraphqlSse({ ...shared, pingIntervalMs: tuning.pingIntervalMs, drainTimeoutMs: tuning.sseDrainTimeoutMs }),
    ],
    ['/session', createSessionRoutes({ authenticator, sessions, connections, sameOrigin, cookieName, secure, ttlMs })],
  ]);
  const { opsHandler } = deps;
  if (opsHandler) for (const path of opsPaths) routes.set(path, (request, response) => opsHandler(request, response));
  return {
    routes,
    connections,
    sockets: createGraphqlWebSocket({ ...shared, options: tuning, onSlowSocket: metrics.slowSocket }),
  };
}
