import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { answerUnreadable } from '@tributary/platform/unreadable-requests';
import { keepRequestsYoung } from '@tributary/platform/young-requests';
import { CodedError, limits } from '@tributary/schema';
import { encodingOf, tooLarge } from './body.ts';
import { type CollectorResponse, takesBody } from './core.ts';
import {
  briefly,
  type CollectorServer,
  corsHeaders,
  defaultServerLimits,
  preflightHeaders,
  readOnOf,
  type ServerOptions,
  tooManyHeaders,
  tooMuchUnderWay,
  urlOf,
} from './server.ts';
import { type Exchange, fail, finish, handOver, type Shared, sharedOf, takeBody } from './server-node/exchange.ts';
import { createPlainRequests, type PlainRequests } from './server-node/plain-requests.ts';

/** The collector over node:http. */
export const nodeServer: CollectorServer = {
  async listen(options) {
    keepRequestsYoung();
    const bounds = { ...defaultServerLimits, ...options.limits };
    const shared = sharedOf(options, bounds);
    const server = createServer(
      {
        maxHeaderSize: limits.headerBytes,
        headersTimeout: bounds.headerTimeoutMs,
        requestTimeout: bounds.headerTimeoutMs + bounds.bodyTimeoutMs * 2,
        keepAliveTimeout: bounds.idleTimeoutMs,
        connectionsCheckingInterval: Math.min(2_000, Math.ceil(bounds.headerTimeoutMs / 4)),
        noDelay: true,
      },
      (request, response) => takeRequest(shared, request, response),
    );
    // Node would leave out what is beyond its own count; all are counted here, and too many are refused.
    server.maxHeadersCount = 0;
    server.maxRequestsPerSocket = 0;
    answerUnreadable(server);
    const plain = spreadConnections(server, shared);
    await listening(server, options);
    return {
      url: urlOf(options.host, (server.address() as AddressInfo).port),
      dispose: () => {
        shared.deadlines.dispose();
        return close(server, shared).finally(() => plain.dispose());
      },
    };
  },
};

/** A request that node:http reads. */
interface HttpExchange extends Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

function listening(server: Server, { port, host, reusePort = false }: ServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, reusePort, backlog: 4_096 }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function close(server: Server, shared: Shared): Promise<void> {
  return new Promise((resolve) => {
    shared.isDraining = true;
    server.close(() => resolve());
    for (const [socket, { requests }] of shared.connections) {
      if (requests > 0) continue;
      // What is still being written is let out.
      if (socket.writableLength > 0) socket.end();
      else socket.destroy();
    }
    // Requests under way get time to end; their answers close their connections.
    setTimeout(() => {
      for (const socket of shared.connections.keys()) socket.destroy();
    }, 5_000).unref();
  });
}

/**
 * Holds connections to their limits, and begins each with `plain-requests.ts`. What node:http itself does with a new connection is the
 * listener that its server has from the start; it is called once a connection brings something else.
 */
function spreadConnections(server: Server, shared: Shared): PlainRequests {
  const { holdings, connections } = shared;
  const useHttp = server.listeners('connection') as ((this: Server, socket: Socket) => void)[];
  server.removeAllListeners('connection');
  const plain = createPlainRequests(shared, (socket) => {
    for (const take of useHttp) take.call(server, socket);
  });
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? '';
    if (!holdings.take(address)) return void socket.destroy();
    const connection = { requests: 0 };
    connections.set(socket, connection);
    socket.once('close', () => {
      connections.delete(socket);
      holdings.give(address);
    });
    plain.take(socket, connection);
  });
  return plain;
}

function takeRequest(shared: Shared, request: IncomingMessage, response: ServerResponse): void {
  const { method = 'GET', url = '/', socket } = request;
  const connection = shared.connections.get(socket) ?? { requests: 0 };
  connection.requests += 1;
  const exchange: HttpExchange = {
    shared,
    connection,
    requestId: shared.nextId(),
    method,
    url,
    header: headerOf(request),
    peer: socket.remoteAddress,
    write: (answer) => write(exchange, answer),
    destroy: () => void response.destroy(),
    held: 0,
    isAnswered: false,
    request,
    response,
  };
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  try {
    if (request.rawHeaders.length > shared.bounds.headerCount * 2) throw tooManyHeaders(shared.bounds.headerCount);
    const answering = shared.options.ops(method, path);
    if (answering !== null) {
      answering.then(
        (answer) => finish(exchange, answer),
        (error) => fail(exchange, error),
      );
    } else if (method === 'OPTIONS') finish(exchange, allowed);
    else if (method === 'POST' && takesBody(path)) receive(exchange);
    else handOver(exchange, noBody);
  } catch (error) {
    fail(exchange, error);
  }
}

const noBody = new Uint8Array();
const allowed: CollectorResponse = { status: 204, headers: preflightHeaders, body: '' };

/** Reads the body, then hands over. Throws what the headers alone are refused for. */
function receive(exchange: HttpExchange): void {
  const { request, shared } = exchange;
  const labelled = encodingOf(request.headers['content-encoding']);
  if (Number(request.headers['content-length'] ?? 0) > limits.batchBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  shared.deadlines.add(exchange);
  request.on('data', (chunk: Buffer) => {
    // After a refusal the rest is thrown away.
    if (exchange.isAnswered) return;
    if (!shared.budget.take(chunk.length)) return fail(exchange, tooMuchUnderWay());
    exchange.held += chunk.length;
    if (exchange.held > limits.batchBytes) return fail(exchange, tooLarge());
    chunks.push(chunk);
  });
  request.on('error', (cause) => {
    fail(exchange, new CodedError('BODY_UNPARSABLE', { message: 'The body was cut off.', cause }));
  });
  request.on('end', () => {
    if (exchange.isAnswered) return;
    shared.deadlines.delete(exchange);
    takeBody(exchange, chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks), labelled);
  });
}

function headerOf({ headers }: IncomingMessage): (name: string) => string | undefined {
  return (name) => {
    const value = headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  };
}

function write(exchange: HttpExchange, { status, headers: own, body: text, bytes }: CollectorResponse): void {
  const { request, response, requestId, shared } = exchange;
  shared.deadlines.delete(exchange);
  if (response.destroyed) return;
  const body = bytes ?? text;
  // A flat list is written out as it is; an object would be read once more.
  const headers: string[] = ['x-request-id', requestId];
  if (status !== 204) headers.push('content-length', String(own['content-length'] ?? Buffer.byteLength(body)));
  for (const name in corsHeaders) if (own[name] === undefined) headers.push(name, corsHeaders[name]!);
  for (const name in own) if (name !== 'content-length') headers.push(name, own[name]!);
  if (shared.isDraining) response.shouldKeepAlive = false;
  if (request.complete) return void response.writeHead(status, headers).end(body);
  // Refused before all of the body was read. The answer goes out whole, but ends with the body: node closes the connection of
  // one that has ended, under the feet of who still sends. A sender that was too slow has had its time.
  headers.push('connection', 'close');
  response.writeHead(status, headers).write(body);
  const readOn = status === 408 ? briefly : readOnOf(request.headers['content-length'], shared.bounds);
  const cut = setTimeout(() => request.destroy(), readOn.ms);
  request.once('close', () => clearTimeout(cut));
  request.once('end', () => response.end());
  let read = 0;
  request.on('data', (chunk: Buffer) => {
    read += chunk.length;
    if (read > readOn.bytes) request.pause();
  });
  request.resume();
}
