import { CodedError } from '@tributary/schema';
import type { FormattedExecutionResult, GraphQLFormattedError } from 'graphql';
import { createClient, type Client as WebSocketClient } from 'graphql-ws/client';
import { Pool } from 'undici';
import { WebSocket } from 'ws';
import { isErrorCode, toGraphQLError } from './pipeline/format-error.ts';
import { reasonOf, type SubgraphClient, type SubgraphRequest } from './subgraph-client.ts';
import { createEventQueue } from './subscriptions/event-queue.ts';

export interface RemoteSubgraphOptions {
  readonly name: string;
  /** Of its GraphQL endpoint; subscriptions go to the same path over ws(s). */
  readonly url: string;
  /** Until the whole answer is there. Default 30,000. */
  readonly timeoutMs?: number;
  /** Default 2,000. */
  readonly connectTimeoutMs?: number;
  /** Sockets kept to this subgraph. Default 64. */
  readonly connections?: number;
  /** Events held per subscription while the gateway is busy; beyond it the subscription ends. Default 256. */
  readonly maxPendingEvents?: number;
}

const pingIntervalMs = 10_000;
const pongTimeoutMs = 5_000;
const maxEventBytes = 16 * 1024 * 1024;
/** Below Node's default of 5 s for idle sockets of a server, so that ours is never the side that finds it closed. */
const keepAliveMs = 4_000;

/**
 * A subgraph behind HTTP (undici pool, keep-alive) and one multiplexed graphql-transport-ws connection for all its
 * subscriptions, opened when the first needs it and again after a loss when the next one needs it.
 * Over 50 lines: one closure, whose parts share this state.
 */
export function createRemoteSubgraphClient(options: RemoteSubgraphOptions): SubgraphClient {
  const endpoint = new URL(options.url);
  const timeoutMs = options.timeoutMs ?? 30_000;
  const pool = new Pool(endpoint.origin, {
    connections: options.connections ?? 64,
    keepAliveTimeout: keepAliveMs,
    keepAliveMaxTimeout: keepAliveMs,
    connect: { timeout: options.connectTimeoutMs ?? 2_000 },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
  });
  const socket = createSocket(endpoint);
  let disposed = false;

  async function post(request: SubgraphRequest): Promise<FormattedExecutionResult> {
    const { statusCode, body } = await pool.request({
      method: 'POST',
      path: `${endpoint.pathname}${endpoint.search}`,
      headers: {
        'content-type': 'application/json',
        accept: 'application/graphql-response+json, application/json',
        'x-request-id': request.requestId,
      },
      body: JSON.stringify(payloadOf(request)),
      signal: request.signal ?? null,
    });
    const answer = parseAnswer(await body.text());
    if (answer) return answer;
    throw new CodedError('SUBGRAPH_UNAVAILABLE', { cause: new Error(`${options.name} answered ${statusCode}`) });
  }

  async function execute(request: SubgraphRequest): Promise<FormattedExecutionResult> {
    try {
      return await post(request);
    } catch (error) {
      if (request.signal?.aborted) return { errors: [toGraphQLError(reasonOf(request.signal)).toJSON()] };
      // The server closed an idle socket just as the request went out: nothing was answered, and a read can be repeated.
      if (errorCode(error) === 'UND_ERR_SOCKET' && !isMutation(request.query)) {
        return post(request).catch((again: unknown) => refusal(again));
      }
      return refusal(error);
    }
  }

  return {
    name: options.name,
    remote: true,
    execute,
    subscribe(request) {
      let unsubscribe: () => void = () => {};
      const queue = createEventQueue<FormattedExecutionResult>({
        capacity: options.maxPendingEvents ?? 256,
        onEnd: () => unsubscribe(),
      });
      unsubscribe = socket.subscribe(payloadOf(request), {
        next(value: unknown) {
          const event = value as FormattedExecutionResult;
          if (!queue.push(event))
            queue.fail(new CodedError('SUBGRAPH_UNAVAILABLE', { cause: new Error('events outran us') }));
        },
        error(error: unknown) {
          if (Array.isArray(error)) queue.finish({ errors: error.map(fromSubgraph) });
          else queue.fail(new CodedError('SUBGRAPH_UNAVAILABLE', { cause: error }));
        },
        complete: () => queue.finish(),
      });
      return queue.iterator;
    },
    async sdl() {
      const query = '{ _service { sdl } }';
      const result = await execute({ query, callerToken: null, requestId: 'sdl' });
      const service = result.data?.['_service'] as { sdl?: unknown } | null | undefined;
      if (typeof service?.sdl === 'string') return service.sdl;
      throw new CodedError('SUBGRAPH_UNAVAILABLE', {
        message: `Subgraph ${options.name} does not give its schema.`,
        cause: result.errors,
      });
    },
    async dispose() {
      if (disposed) return;
      disposed = true;
      // Rejects when it was just connecting and could not.
      await Promise.resolve(socket.dispose()).catch(() => undefined);
      await pool.destroy();
    },
  };
}

class SubgraphSocket extends WebSocket {
  constructor(address: string, protocols?: string | string[]) {
    super(address, protocols, { handshakeTimeout: 5_000, perMessageDeflate: false, maxPayload: maxEventBytes });
  }
}

function createSocket(endpoint: URL): WebSocketClient {
  const url = new URL(endpoint);
  url.protocol = endpoint.protocol === 'https:' ? 'wss:' : 'ws:';
  let pongTimer: NodeJS.Timeout | undefined;
  const client = createClient({
    url: url.href,
    webSocketImpl: SubgraphSocket,
    lazy: true,
    keepAlive: pingIntervalMs,
    connectionAckWaitTimeout: 5_000,
    // A retry would send the same signed caller, which has expired by then: who subscribes opens again with a fresh one.
    retryAttempts: 0,
    on: {
      ping(received) {
        if (!received) pongTimer = setTimeout(() => client.terminate(), pongTimeoutMs);
      },
      pong(received) {
        if (received) clearTimeout(pongTimer);
      },
      closed: () => clearTimeout(pongTimer),
    },
  });
  return client;
}

function payloadOf(request: SubgraphRequest) {
  return {
    query: request.query,
    ...(request.variables ? { variables: { ...request.variables } } : {}),
    ...(request.operationName ? { operationName: request.operationName } : {}),
    ...(request.callerToken === null ? {} : { extensions: { caller: request.callerToken } }),
  };
}

function parseAnswer(text: string): FormattedExecutionResult | null {
  try {
    const answer: unknown = JSON.parse(text);
    if (answer === null || typeof answer !== 'object') return null;
    const { data, errors } = answer as { data?: unknown; errors?: unknown };
    if (Array.isArray(errors)) return { ...answer, errors: errors.map(fromSubgraph) } as FormattedExecutionResult;
    return data !== null && typeof data === 'object' ? (answer as FormattedExecutionResult) : null;
  } catch {
    return null;
  }
}

/**
 * A subgraph that calls our own planned text unparsable or invalid is out of step with the composed graph; to the caller that
 * is INTERNAL. All other codes of the catalogue pass.
 */
function fromSubgraph(error: GraphQLFormattedError): GraphQLFormattedError {
  const code = error.extensions?.['code'];
  const ours = isErrorCode(code) && code !== 'GRAPHQL_PARSE_FAILED' && code !== 'GRAPHQL_VALIDATION_FAILED';
  return ours ? error : { ...error, extensions: { ...error.extensions, code: 'INTERNAL', subgraphCode: code } };
}

function refusal(error: unknown): FormattedExecutionResult {
  const code = errorCode(error);
  const timedOut = code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT';
  return {
    errors: [
      toGraphQLError(new CodedError(timedOut ? 'QUERY_TIMEOUT' : 'SUBGRAPH_UNAVAILABLE', { cause: error })).toJSON(),
    ],
  };
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

function isMutation(query: string): boolean {
  return query.trimStart().startsWith('mutation');
}
