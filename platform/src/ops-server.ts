import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CodedError, errorBody, newId } from '@tributary/schema';
import type { Metrics } from './metrics.ts';

/** What a role says of its dependencies: name → `ok` or what is wrong, fit for strangers. */
export interface ReadyReport {
  readonly ok: boolean;
  readonly checks: Record<string, string>;
}

export interface OpsHandlerOptions {
  readonly role: string;
  readonly ready: () => Promise<ReadyReport>;
  readonly metrics: Pick<Metrics, 'registry'>;
  /** A readiness answer that takes longer counts as not ready. Default 5,000. */
  readonly readyTimeoutMs?: number;
}

/** Answers the request and returns true, or leaves it untouched and returns false. */
export type OpsHandler = (request: IncomingMessage, response: ServerResponse) => boolean;

/**
 * Answers `GET /health` (200 while the process can answer at all), `GET /ready` (200 or 503: whether work should be sent
 * here) and `GET /metrics`, to `HEAD` too. Never rejects or throws.
 */
export function createOpsHandler(options: OpsHandlerOptions): OpsHandler {
  const { role, metrics } = options;
  return (request, response) => {
    const path = (request.url ?? '').split('?', 1)[0];
    if (path !== '/health' && path !== '/ready' && path !== '/metrics') return false;
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      sendError(response, new CodedError('METHOD_NOT_ALLOWED'), { allow: 'GET, HEAD' });
    } else if (path === '/health') {
      sendJson(response, 200, { status: 'alive', role });
    } else if (path === '/ready') {
      void report(options).then(({ ok, checks }) => {
        sendJson(response, ok ? 200 : 503, { status: ok ? 'ready' : 'not_ready', role, checks });
      });
    } else {
      metrics.registry.metrics().then(
        (text) => send(response, 200, metrics.registry.contentType, text),
        () => sendError(response, new CodedError('INTERNAL')),
      );
    }
    return true;
  };
}

export interface OpsServer {
  readonly url: string;
  /** Stops listening and ends open connections. Idempotent. */
  dispose(): Promise<void>;
}

/** Serves the operational paths of a role that has no port of its own. `port` 0 = any free one. Rejects when it's taken. */
export async function serveOps(options: {
  readonly host: string;
  readonly port: number;
  readonly handler: OpsHandler;
}): Promise<OpsServer> {
  const server = createServer((request, response) => {
    if (!options.handler(request, response)) sendError(response, new CodedError('NOT_FOUND'));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const { address, port, family } = server.address() as AddressInfo;
  let disposing: Promise<void> | null = null;
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    dispose() {
      disposing ??= new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      return disposing;
    },
  };
}

async function report({ ready, readyTimeoutMs = 5_000 }: OpsHandlerOptions): Promise<ReadyReport> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<ReadyReport>((resolve) => {
    timer = setTimeout(
      () => resolve({ ok: false, checks: { ready: `no answer within ${readyTimeoutMs} ms` } }),
      readyTimeoutMs,
    );
  });
  try {
    return await Promise.race([ready(), late]);
  } catch (error) {
    // The text of an uncoded error may hold anything; the code of a coded one is public.
    return { ok: false, checks: { ready: error instanceof CodedError ? error.code : 'INTERNAL' } };
  } finally {
    clearTimeout(timer);
  }
}

function sendError(response: ServerResponse, error: CodedError, headers: Record<string, string> = {}): void {
  sendJson(response, error.http, errorBody(error, newId('request')), headers);
}

function sendJson(response: ServerResponse, status: number, body: unknown, headers?: Record<string, string>): void {
  send(response, status, 'application/json; charset=utf-8', JSON.stringify(body), headers);
}

function send(
  response: ServerResponse,
  status: number,
  contentType: string,
  body: string,
  headers: Record<string, string> = {},
): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...headers,
  });
  // node:http leaves the body out of an answer to HEAD.
  response.end(body);
}
