import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { keepRequestsYoung } from '@tributary/platform/young-requests';
import { CodedError, limits } from '@tributary/schema';
import { actualEncoding, type Encoding, encodingOf, tooLarge, unpack } from './body.ts';
import { type CollectorResponse, takesBody } from './core.ts';
import { clientAddress } from './ip.ts';
import {
  type ByteBudget,
  briefly,
  type CollectorServer,
  corsHeaders,
  createByteBudget,
  createDeadlines,
  createHoldings,
  createRequestIds,
  type Deadlines,
  defaultServerLimits,
  faultResponse,
  type Holdings,
  preflightHeaders,
  readOnOf,
  type ServerLimits,
  type ServerOptions,
  tooManyHeaders,
  tooMuchUnderWay,
  urlOf,
} from './server.ts';

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
    const closeIdle = trackConnections(server, shared);
    await listening(server, options);
    return {
      url: urlOf(options.host, (server.address() as AddressInfo).port),
      dispose: () => {
        shared.deadlines.dispose();
        return close(server, shared, closeIdle);
      },
    };
  },
};

/** What all requests of a server share. */
interface Shared {
  readonly options: ServerOptions;
  readonly bounds: ServerLimits;
  readonly nextId: () => string;
  readonly holdings: Holdings;
  readonly budget: ByteBudget;
  readonly deadlines: Deadlines<Exchange>;
  /** Requests under way of each connection. */
  readonly underWay: Map<Socket, number>;
  isDraining: boolean;
}

/** One request, until it is answered. */
interface Exchange {
  readonly shared: Shared;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  /** Bytes of the body that count against the budget until the answer. */
  held: number;
  isAnswered: boolean;
}

function sharedOf(options: ServerOptions, bounds: ServerLimits): Shared {
  return {
    options,
    bounds,
    nextId: createRequestIds(),
    holdings: createHoldings(bounds, options.isTrustedProxy),
    budget: createByteBudget(bounds.bodyBytesUnderWay),
    deadlines: createDeadlines(bounds.bodyTimeoutMs, (exchange) => fail(exchange, new CodedError('BODY_TIMEOUT'))),
    underWay: new Map(),
    isDraining: false,
  };
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

function close(server: Server, shared: Shared, closeIdle: () => void): Promise<void> {
  return new Promise((resolve) => {
    shared.isDraining = true;
    server.close(() => resolve());
    closeIdle();
    // Requests under way get time to end; their answers close their connections.
    setTimeout(() => server.closeAllConnections(), 5_000).unref();
  });
}

/** Holds connections to their limits. Returns what closes all without a request under way, those too that never had one. */
function trackConnections(server: Server, { holdings, underWay }: Shared): () => void {
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? '';
    if (!holdings.take(address)) return void socket.destroy();
    underWay.set(socket, 0);
    socket.once('close', () => {
      underWay.delete(socket);
      holdings.give(address);
    });
  });
  return () => {
    for (const [socket, requests] of underWay) {
      if (requests > 0) continue;
      // What is still being written is let out.
      if (socket.writableLength > 0) socket.end();
      else socket.destroy();
    }
  };
}

function takeRequest(shared: Shared, request: IncomingMessage, response: ServerResponse): void {
  const { socket, method = 'GET', url = '/' } = request;
  shared.underWay.set(socket, (shared.underWay.get(socket) ?? 0) + 1);
  const exchange: Exchange = { shared, request, response, requestId: shared.nextId(), held: 0, isAnswered: false };
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const query = mark < 0 ? '' : url.slice(mark + 1);
  try {
    if (request.rawHeaders.length > shared.bounds.headerCount * 2) throw tooManyHeaders(shared.bounds.headerCount);
    const answering = shared.options.ops(method, path);
    if (answering !== null) {
      answering.then(
        (answer) => finish(exchange, answer, answer.headers),
        (error) => fail(exchange, error),
      );
    } else if (method === 'OPTIONS') finish(exchange, noContent, preflightHeaders);
    else if (method === 'POST' && takesBody(path)) receive(exchange, path, query);
    else handOver(exchange, path, query, noBody);
  } catch (error) {
    fail(exchange, error);
  }
}

const noBody = new Uint8Array();
const noContent: CollectorResponse = { status: 204, headers: {}, body: '' };

/** Reads the body, then hands over. Throws what the headers alone are refused for. */
function receive(exchange: Exchange, path: string, query: string): void {
  const { request, shared } = exchange;
  const labelled = encodingOf(request.headers['content-encoding']);
  if (Number(request.headers['content-length'] ?? 0) > limits.batchBytes) throw tooLarge();
  let first: Buffer | null = null;
  let more: Buffer[] | null = null;
  shared.deadlines.add(exchange);
  request.on('data', (chunk: Buffer) => {
    // After a refusal the rest is thrown away.
    if (exchange.isAnswered) return;
    if (!shared.budget.take(chunk.length)) return fail(exchange, tooMuchUnderWay());
    exchange.held += chunk.length;
    if (exchange.held > limits.batchBytes) return fail(exchange, tooLarge());
    if (first === null) first = chunk;
    else if (more === null) more = [first, chunk];
    else more.push(chunk);
  });
  request.on('error', (cause) => {
    fail(exchange, new CodedError('BODY_UNPARSABLE', { message: 'The body was cut off.', cause }));
  });
  request.on('end', () => {
    if (exchange.isAnswered) return;
    shared.deadlines.delete(exchange);
    const sent = more === null ? (first ?? noBody) : Buffer.concat(more, exchange.held);
    const encoding = actualEncoding(sent, labelled);
    if (encoding === null) handOver(exchange, path, query, sent);
    else unpackThenHandOver(exchange, path, query, sent, encoding);
  });
}

function unpackThenHandOver(
  exchange: Exchange,
  path: string,
  query: string,
  sent: Uint8Array,
  encoding: Encoding,
): void {
  unpack(sent, encoding).then(
    (body) => handOver(exchange, path, query, body),
    (error) => fail(exchange, error),
  );
}

/** Never throws: a fault becomes an answer. */
function handOver(exchange: Exchange, path: string, query: string, body: Uint8Array): void {
  const { request, requestId, shared } = exchange;
  const { headers, method = 'GET' } = request;
  const { options } = shared;
  const forwardedFor = headers['x-forwarded-for'];
  try {
    options.answer(
      {
        method,
        path,
        query,
        authorization: headers.authorization,
        header: headerOf(request),
        userAgent: headers['user-agent'] ?? null,
        body,
        remoteAddress: clientAddress(
          request.socket.remoteAddress,
          Array.isArray(forwardedFor) ? forwardedFor.join(',') : forwardedFor,
          options.isTrustedProxy,
        ),
        receivedAt: options.now(),
        requestId,
      },
      (answer) => finish(exchange, answer, answer.headers),
    );
  } catch (error) {
    fail(exchange, error);
  }
}

function headerOf({ headers }: IncomingMessage): (name: string) => string | undefined {
  return (name) => {
    const value = headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  };
}

function fail(exchange: Exchange, error: unknown): void {
  const { request, requestId, shared } = exchange;
  const { method = 'GET', url = '/' } = request;
  const answer = faultResponse(shared.options.logger, error, { requestId, method, url, header: headerOf(request) });
  finish(exchange, answer, answer.headers);
}

/** Answers once. Never throws: where no answer can be written, the connection ends. */
function finish(exchange: Exchange, answer: CollectorResponse, headers: Readonly<Record<string, string>>): void {
  const { request, response, shared } = exchange;
  if (exchange.isAnswered) return;
  exchange.isAnswered = true;
  shared.budget.give(exchange.held);
  shared.deadlines.delete(exchange);
  const requests = shared.underWay.get(request.socket);
  if (requests !== undefined) shared.underWay.set(request.socket, requests - 1);
  if (response.destroyed) return;
  try {
    write(exchange, answer, headers);
  } catch (error) {
    shared.options.logger.error({ err: error, requestId: exchange.requestId }, 'an answer could not be written');
    response.destroy();
  }
}

function write(
  { request, response, requestId, shared }: Exchange,
  { status, body: text, bytes }: CollectorResponse,
  own: Readonly<Record<string, string>>,
): void {
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
