import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from '@tributary/platform/logger';
import { CodedError, limits, newId } from '@tributary/schema';
import { type ExecutionArgs, GraphQLError, type GraphQLSchema, parse } from 'graphql';
import { CloseCode, handleProtocols, makeServer, type ServerOptions } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import type { EndReason, LiveConnections } from '../live-connections.ts';
import { type Operations, resultOf } from '../operations.ts';
import type { Authenticator, Principal } from '../pipeline/auth.ts';
import { formatThrown } from '../pipeline/format-error.ts';
import { isExpected } from './graphql-http.ts';
import { parseOperationParams } from './graphql-request.ts';

export interface GraphqlWebSocketOptions {
  /** A socket holding more unsent bytes than this is cut. */
  readonly maxBufferedBytes: number;
  readonly maxOperationsPerSocket: number;
  readonly maxSockets: number;
  readonly pingIntervalMs: number;
  readonly initTimeoutMs: number;
}

export interface GraphqlWebSocketDeps {
  readonly authenticator: Authenticator;
  readonly operations: Operations;
  readonly connections: LiveConnections;
  readonly logger: Logger;
  readonly options: GraphqlWebSocketOptions;
  readonly onSlowSocket?: () => void;
}

export interface GraphqlWebSocket {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  readonly size: number;
  /** Closes all sockets with 1001. */
  dispose(): Promise<void>;
}

/** Clients take 1001 as "connect again". */
const goingAway = [1001, 'Going away'] as const;
const endings: Readonly<Record<EndReason, readonly [code: number, reason: string]>> = {
  expired: [CloseCode.Unauthorized, 'The session has ended'],
  revoked: [CloseCode.Forbidden, 'The key was changed or revoked'],
  closing: goingAway,
};

interface Extra {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
  principal: Principal | null;
  /** Aborted when the socket has closed. */
  readonly gone: AbortController;
  forget: () => void;
}

/** "Try again later": a slow reader may come back and resume by its cursor. */
const closeTooSlow = 1013;
/** How long a peer may take to answer our close frame. */
const closeGraceMs = 1_000;

/**
 * graphql-transport-ws: protocol and close codes by graphql-ws, the socket's own upkeep here.
 * Over 50 lines: one closure, whose parts share this state.
 */
export function createGraphqlWebSocket(deps: GraphqlWebSocketDeps): GraphqlWebSocket {
  const { logger, options } = deps;
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: limits.graphqlBodyBytes,
    perMessageDeflate: false,
    handleProtocols,
  });
  const protocol = makeServer<Record<string, unknown>, Extra>(protocolOptions(deps));
  const alive = new WeakSet<WebSocket>();

  // One timer for all sockets. A peer that does not answer one ping until the next is gone, or its reader is stuck.
  const pinger = setInterval(() => {
    for (const socket of server.clients) {
      if (!alive.delete(socket)) socket.terminate();
      else socket.ping();
    }
  }, options.pingIntervalMs);
  pinger.unref();

  function accept(socket: WebSocket, request: IncomingMessage): void {
    const extra: Extra = { socket, request, principal: null, gone: new AbortController(), forget: () => {} };
    alive.add(socket);
    socket.on('pong', () => alive.add(socket));
    // Without a listener, a frame over the limit would end the process. `ws` closes the socket itself.
    socket.on('error', (error) => logger.debug({ err: error }, 'a WebSocket failed'));
    const closed = protocol.opened(
      {
        protocol: socket.protocol,
        send: (text) => sendText(socket, text, options.maxBufferedBytes, () => deps.onSlowSocket?.()),
        close: (code, reason) => closeSocket(socket, code ?? 1000, reason ?? ''),
        onMessage: (receive) =>
          socket.on('message', (message) => {
            receive(String(message)).catch((error: unknown) => {
              logger.error({ err: error }, 'a WebSocket message failed');
              closeSocket(socket, CloseCode.InternalServerError, 'Internal server error');
            });
          }),
      },
      extra,
    );
    socket.once('close', (code, reason) => {
      extra.forget();
      extra.gone.abort();
      closed(code, String(reason)).catch((error: unknown) =>
        logger.error({ err: error }, 'a WebSocket was not closed cleanly'),
      );
    });
  }

  return {
    upgrade(request, socket, head) {
      if (server.clients.size >= options.maxSockets) return refuseUpgrade(socket, 503, 'Service Unavailable');
      server.handleUpgrade(request, socket, head, accept);
    },
    get size() {
      return server.clients.size;
    },
    async dispose() {
      clearInterval(pinger);
      for (const socket of server.clients) closeSocket(socket, ...goingAway);
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await untilAllClosed(server);
    },
  };
}

function protocolOptions(deps: GraphqlWebSocketDeps): ServerOptions<Record<string, unknown>, Extra> {
  return {
    connectionInitWaitTimeout: deps.options.initTimeoutMs,
    onConnect({ connectionParams, extra }) {
      try {
        const principal = deps.authenticator.fromConnection(connectionParams, extra.request.headers);
        extra.principal = principal;
        extra.forget = deps.connections.add(principal, (reason) => closeSocket(extra.socket, ...endings[reason]));
        // The socket may have closed while its first message was on its way.
        if (extra.socket.readyState !== extra.socket.OPEN) extra.forget();
        return true;
      } catch (error) {
        if (!isExpected(error)) throw error;
        return false;
      }
    },
    async onSubscribe(context, _id, payload) {
      const { extra } = context;
      const requestId = newId('request');
      try {
        const running = Object.keys(context.subscriptions).length;
        const limit = deps.options.maxOperationsPerSocket;
        if (running > limit) {
          throw new CodedError('OPERATION_TOO_LARGE', { message: `A connection carries at most ${limit} operations.` });
        }
        if (!extra.principal) throw new CodedError('UNAUTHENTICATED');
        const answered = await deps.operations.run(parseOperationParams(payload), extra.principal, {
          requestId,
          signal: () => extra.gone.signal,
          streaming: true,
        });
        return passThrough(answered.kind === 'stream' ? answered.stream : resultOf(answered));
      } catch (error) {
        if (!isExpected(error)) deps.logger.error({ err: error, requestId }, 'a WebSocket operation failed');
        const { message, ...rest } = formatThrown(error, requestId);
        return [new GraphQLError(message, { extensions: rest.extensions ?? {} })];
      }
    },
    subscribe: ((args: PassThrough) => args.contextValue) as never,
    // Errors are plain objects by now; graphql-ws would call toJSON on them.
    onNext: (_context, _id, _payload, _args, result) => result as never,
  };
}

interface PassThrough extends ExecutionArgs {
  readonly contextValue: unknown;
}

/**
 * graphql-ws wants execution arguments and then executes. Ours have run by then, so it gets a subscription document whatever was
 * asked, and the answer as its context, which `subscribe` hands back.
 */
const anySubscription = parse('subscription { any }');
function passThrough(result: unknown): PassThrough {
  return {
    schema: null as unknown as GraphQLSchema,
    document: anySubscription,
    contextValue: result,
    rootValue: undefined,
  };
}

/** Resolves when the bytes left this process, which is what makes a slow reader slow its own operations down. */
function sendText(socket: WebSocket, text: string, maxBufferedBytes: number, onSlow: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    if (socket.readyState !== socket.OPEN) return resolve();
    if (socket.bufferedAmount > maxBufferedBytes) {
      onSlow();
      closeSocket(socket, closeTooSlow, 'SUBSCRIBER_TOO_SLOW');
      return resolve();
    }
    socket.send(text, (error) => (error ? reject(error) : resolve()));
  });
}

/** Closes politely, and for good when the peer does not answer (it may be the one that does not read). */
function closeSocket(socket: WebSocket, code: number, reason: string): void {
  if (socket.readyState === socket.CLOSED) return;
  socket.close(code, reason);
  const timer = setTimeout(() => socket.terminate(), closeGraceMs);
  timer.unref();
  socket.once('close', () => clearTimeout(timer));
}

function untilAllClosed(server: WebSocketServer): Promise<void> {
  return Promise.all(
    [...server.clients].map((socket) => new Promise<void>((resolve) => socket.once('close', () => resolve()))),
  ).then(() => undefined);
}

export function refuseUpgrade(socket: Duplex, status: number, text: string): void {
  socket.end(`HTTP/1.1 ${status} ${text}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
