import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from '@tributary/platform/logger';
import { limits, newId, toCodedError } from '@tributary/schema';
import { readBody } from './body.ts';
import {
  type CollectorOutcome,
  type CollectorRequest,
  type CollectorResponse,
  errorResponse,
  isCollectorPath,
} from './core.ts';
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
}

export interface ListeningServer {
  readonly url: string;
  /** Takes no new connection, lets requests under way end, closes idle ones. */
  dispose(): Promise<void>;
}

const corsHeaders = { 'access-control-allow-origin': '*' } as const;
const preflightHeaders = {
  ...corsHeaders,
  'access-control-allow-methods': 'POST, GET, OPTIONS',
  'access-control-allow-headers': 'authorization, content-type, content-encoding',
  'access-control-max-age': '86400',
} as const;

/** The collector over node:http. It only translates; all decisions are the core's. */
export async function listenNode(options: NodeServerOptions): Promise<ListeningServer> {
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
      void respond(options, request, response);
    },
  );
  server.maxRequestsPerSocket = 0;
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
        server.close(() => resolve());
        server.closeIdleConnections();
        // A keep-alive connection without a request would hold the server open; those with one get time to end.
        setTimeout(() => server.closeAllConnections(), 5_000).unref();
      }),
  };
}

async function respond(options: NodeServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const requestId = newId('request');
  let answer: CollectorResponse;
  try {
    const url = request.url ?? '/';
    const mark = url.indexOf('?');
    const path = mark < 0 ? url : url.slice(0, mark);
    const body = request.method === 'POST' && isCollectorPath(path) ? await readBody(request) : new Uint8Array();
    answer = await options.answer({
      method: request.method ?? 'GET',
      path,
      query: mark < 0 ? '' : url.slice(mark + 1),
      authorization: request.headers.authorization,
      userAgent: request.headers['user-agent'] ?? null,
      body,
      remoteAddress: clientAddress(
        request.socket.remoteAddress,
        headerText(request.headers['x-forwarded-for']),
        options.isTrustedProxy,
      ),
      receivedAt: options.now(),
      requestId,
    });
  } catch (error) {
    const coded = toCodedError(error);
    if (coded.code === 'INTERNAL') options.logger.error({ err: error, requestId }, 'a request failed');
    answer = errorResponse(coded, requestId);
  }
  if (response.destroyed) return;
  // A body that was refused unread would otherwise be read to its end for the next request on the connection.
  const unread = !request.complete;
  response.writeHead(answer.status, {
    ...corsHeaders,
    ...answer.headers,
    'x-request-id': requestId,
    'content-length': Buffer.byteLength(answer.body),
    ...(unread ? { connection: 'close' } : {}),
  });
  response.end(answer.body, unread ? () => request.destroy() : undefined);
}

const headerText = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value.join(',') : value;

export type { CollectorOutcome };
