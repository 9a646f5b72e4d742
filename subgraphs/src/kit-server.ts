import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CodedError } from '@tributary/schema';
import { createServerAdapter } from '@whatwg-node/server';
import { type ExecutionArgs, type FormattedExecutionResult, type GraphQLError, parse, validate } from 'graphql';
import type { SubscribePayload } from 'graphql-ws';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import type { Subgraph } from './types.ts';

export interface SubgraphServerOptions {
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  /** Asked first for every request (health, readiness, metrics); answers `true` when it took it. */
  readonly opsHandler?: (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;
}

export interface SubgraphServer {
  /** `http://host:port/graphql`; WebSocket (graphql-transport-ws) on the same port and path. */
  readonly url: string;
  readonly port: number;
  /** Ends subscriptions, then open requests, then the port. The subgraph itself is not disposed. */
  dispose(): Promise<void>;
}

/** Above any client's own keep-alive, so that the server is never the one to drop an idle connection first. */
const keepAliveTimeoutMs = 65_000;
/** A subscription's payloads are small; a frame above this is not ours. */
const maxFrameBytes = 1_048_576;

function executionArgsOf(subgraph: Subgraph, payload: SubscribePayload): ExecutionArgs | GraphQLError[] {
  try {
    const document = parse(payload.query, { maxTokens: 4_000 });
    const faults = validate(subgraph.schema, document);
    if (faults.length > 0) return faults.map((fault) => subgraph.formatError(fault, 'GRAPHQL_VALIDATION_FAILED'));
    return {
      schema: subgraph.schema,
      document,
      operationName: payload.operationName ?? null,
      variableValues: payload.variables ?? null,
      contextValue: subgraph.createContext({ callerToken: payload.extensions?.['caller'] }),
    };
  } catch (error) {
    return [subgraph.formatError(error, 'GRAPHQL_PARSE_FAILED')];
  }
}

function serveWebSocket(subgraph: Subgraph, sockets: WebSocketServer) {
  const shown = (error: GraphQLError) => subgraph.formatError(error).toJSON();
  return useServer(
    {
      onSubscribe: (_socket, _id, payload) => executionArgsOf(subgraph, payload),
      onNext: (_socket, _id, _payload, _args, result): FormattedExecutionResult => ({
        ...(result.data === undefined ? {} : { data: result.data }),
        ...(result.errors ? { errors: result.errors.map(shown) } : {}),
      }),
      onError: (_socket, _id, _payload, errors) => errors.map(shown),
    },
    sockets,
    12_000,
  );
}

/**
 * Serves a subgraph on its own port: `/graphql` over HTTP and WebSocket. Every operation carries the signed caller in
 * `extensions.caller`; one socket may carry many callers' operations.
 *
 * @example
 * const server = await serveSubgraph(subgraph, { host: '127.0.0.1', port: 0 });
 */
export async function serveSubgraph(subgraph: Subgraph, options: SubgraphServerOptions): Promise<SubgraphServer> {
  const adapter = createServerAdapter((request: Request) => subgraph.fetch(request));
  const server = createServer((request, response) => {
    void (async () => {
      if (options.opsHandler && (await options.opsHandler(request, response))) return;
      await adapter(request, response);
    })().catch((error: unknown) => {
      subgraph.formatError(error);
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });
  server.keepAliveTimeout = keepAliveTimeoutMs;
  // Must be above keepAliveTimeout, or node times the next request's headers from the connection's idle start.
  server.headersTimeout = keepAliveTimeoutMs + 5_000;
  const sockets = new WebSocketServer({ server, path: '/graphql', maxPayload: maxFrameBytes });
  const protocol = serveWebSocket(subgraph, sockets);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  }).catch((error: unknown) => {
    throw new CodedError('CONFIG_INVALID', {
      message: `Port ${options.port} on ${options.host} cannot be opened.`,
      cause: error,
    });
  });
  const { port } = server.address() as AddressInfo;
  let disposed: Promise<void> | null = null;
  return {
    url: `http://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}/graphql`,
    port,
    dispose() {
      disposed ??= (async () => {
        await protocol.dispose();
        const closed = new Promise<void>((resolve) => server.close(() => resolve()));
        server.closeIdleConnections();
        await closed;
      })();
      return disposed;
    },
  };
}
