import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Logger } from '@tributary/platform/logger';
import { limits, toCodedError } from '@tributary/schema';
import { readBody } from './body.ts';
import { type CollectorRequest, type CollectorResponse, errorResponse, takesBody } from './core.ts';
import { clientAddress } from './ip.ts';

export interface NodeServerOptions {
  readonly host: string;
  readonly port: number;
  readonly logger: Logger;
  readonly now: () => number;
  readonly isTrustedProxy: (address: string) => boolean;
  /** What the core makes of a request, stored when it resolves. */
  readonly answer: (request: CollectorRequest) => Promise<CollectorResponse>;
  /** Health, readiness, metrics and the like; answers true when it took the request. */
  readonly ops: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** How long a body may take to arrive. Default `limits.bodyTimeoutMs`. */
  readonly bodyTimeoutMs?: number | undefined;
}

export interface ListeningServer {
  readonly url: string;
  /** Takes no new connection, lets requests under way end, closes idle ones. */
  dispose(): Promise<void>;
}

const corsHeaders = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'retry-after, x-request-id',
};
const preflightHeaders = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'POST, GET, OPTIONS',
  'access-control-allow-headers': 'authorization, content-type, content-encoding',
  'access-control-max-age': '86400',
};

/** How long a refused body is read on, so that its sender sees the answer before the connection closes. */
const lingerMs = 2_000;

/** The collector over node:http. It only translates; all decisions are the core's. */
export async function listenNode(options: NodeServerOptions): Promise<ListeningServer> {
  const nextId = createRequestIds();
  let isDraining = false;
  const server = createServer(
    {
      maxHeaderSize: limits.headerBytes,
      requestTimeout: 30_000,
      headersTimeout: 10_000,
      keepAliveTimeout: 65_000,
      connectionsCheckingInterval: 2_000,
    },
    (request, response) => {
      if (options.ops(request, response)) return;
      if (request.method === 'OPTIONS') return void response.writeHead(204, preflightHeaders).end();
      void respond(options, nextId(), request, response, () => isDraining);
    },
  );
  server.maxRequestsPerSocket = 0;
  const closeIdle = trackIdle(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return {
    url: `http://${host}:${port}`,
    dispose: () =>
      new Promise((resolve) => {
        isDraining = true;
        server.close(() => resolve());
        closeIdle();
        // Requests under way get time to end; their answers close their connections.
        setTimeout(() => server.closeAllConnections(), 5_000).unref();
      }),
  };
}

/** Closes all connections without a request under way, those too that never had one (closeIdleConnections leaves them). */
function trackIdle(server: Server): () => void {
  const idle = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    idle.add(socket);
    socket.once('close', () => idle.delete(socket));
  });
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    idle.delete(socket);
    response.once('close', () => {
      if (!socket.destroyed) idle.add(socket);
    });
  });
  return () => {
    for (const socket of idle) socket.destroy();
  };
}

/** Never rejects: a fault becomes an answer, or ends the connection where none can be written. */
async function respond(
  options: NodeServerOptions,
  requestId: string,
  request: IncomingMessage,
  response: ServerResponse,
  isDraining: () => boolean,
): Promise<void> {
  try {
    const answer = await options
      .answer(await read(options, requestId, request))
      .catch((error: unknown) => faultResponse(options, error, requestId));
    if (isDraining()) response.shouldKeepAlive = false;
    send(request, response, answer, requestId);
  } catch (error) {
    try {
      send(request, response, faultResponse(options, error, requestId), requestId);
    } catch (unsendable) {
      options.logger.error({ err: unsendable, requestId }, 'an answer could not be written');
      response.destroy();
    }
  }
}

async function read(
  options: NodeServerOptions,
  requestId: string,
  request: IncomingMessage,
): Promise<CollectorRequest> {
  const { method = 'GET', url = '/', headers } = request;
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const body = method === 'POST' && takesBody(path) ? await readBody(request, options.bodyTimeoutMs) : noBody;
  const forwardedFor = headers['x-forwarded-for'];
  return {
    method,
    path,
    query: mark < 0 ? '' : url.slice(mark + 1),
    authorization: headers.authorization,
    header: (name) => {
      const value = headers[name];
      return Array.isArray(value) ? value.join(', ') : value;
    },
    userAgent: headers['user-agent'] ?? null,
    body,
    remoteAddress: clientAddress(
      request.socket.remoteAddress,
      Array.isArray(forwardedFor) ? forwardedFor.join(',') : forwardedFor,
      options.isTrustedProxy,
    ),
    receivedAt: options.now(),
    requestId,
  };
}

const noBody = new Uint8Array();

function faultResponse({ logger }: NodeServerOptions, error: unknown, requestId: string): CollectorResponse {
  const coded = toCodedError(error);
  if (coded.code === 'INTERNAL') logger.error({ err: error, requestId }, 'a request failed');
  return errorResponse(coded, requestId);
}

function send(request: IncomingMessage, response: ServerResponse, answer: CollectorResponse, requestId: string): void {
  if (response.destroyed) return;
  const headers: Record<string, string | number> = { ...corsHeaders, ...answer.headers };
  headers['x-request-id'] = requestId;
  headers['content-length'] = Buffer.byteLength(answer.body);
  if (request.complete) return void response.writeHead(answer.status, headers).end(answer.body);
  // Refused before all of the body was read. Closing at once would reset the connection under the sender's feet, and the
  // answer be lost; so the rest is thrown away for a while.
  headers['connection'] = 'close';
  response.writeHead(answer.status, headers).end(answer.body);
  const end = setTimeout(() => request.destroy(), lingerMs);
  request.once('close', () => clearTimeout(end));
  request.resume();
}

/** Unique and unguessable enough for a log; a random text for each request would cost more than parsing a small event. */
function createRequestIds(): () => string {
  const prefix = `req_${randomBytes(9).toString('base64url')}_`;
  let count = 0;
  return () => {
    count += 1;
    return prefix + count.toString(36);
  };
}
