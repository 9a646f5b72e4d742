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

/** An answer as any server binding can give it. */
export interface OpsAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The answer to a request, or null where the path is none of these; for servers that are not node:http. Never rejects. */
export type OpsAnswers = (method: string, path: string) => Promise<OpsAnswer> | null;

const opsPaths: ReadonlySet<string> = new Set(['/health', '/ready', '/metrics']);

/**
 * Answers `GET /health` (200 while the process can answer at all), `GET /ready` (200 or 503: whether work should be sent
 * here) and `GET /metrics`, to `HEAD` too.
 */
export function createOpsAnswers(options: OpsHandlerOptions): OpsAnswers {
  const { role, metrics } = options;
  const answer = async (method: string, path: string): Promise<OpsAnswer> => {
    if (method !== 'GET' && method !== 'HEAD')
      return errorAnswer(new CodedError('METHOD_NOT_ALLOWED'), { allow: 'GET, HEAD' });
    if (path === '/health') return jsonAnswer(200, { status: 'alive', role });
    if (path === '/ready') {
      const { ok, checks } = await report(options);
      return jsonAnswer(ok ? 200 : 503, { status: ok ? 'ready' : 'not_ready', role, checks });
    }
    try {
      return answerOf(200, metrics.registry.contentType, await metrics.registry.metrics());
    } catch {
      return errorAnswer(new CodedError('INTERNAL'));
    }
  };
  return (method, path) => (opsPaths.has(path) ? answer(method, path) : null);
}

/** `createOpsAnswers` over node:http. Never rejects or throws. */
export function createOpsHandler(options: OpsHandlerOptions): OpsHandler {
  const answers = createOpsAnswers(options);
  return (request, response) => {
    const answering = answers(request.method ?? 'GET', (request.url ?? '').split('?', 1)[0]!);
    if (answering === null) return false;
    void answering.then((answer) => send(response, answer));
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
    if (!options.handler(request, response)) send(response, errorAnswer(new CodedError('NOT_FOUND')));
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

function errorAnswer(error: CodedError, headers: Readonly<Record<string, string>> = {}): OpsAnswer {
  return jsonAnswer(error.http, errorBody(error, newId('request')), headers);
}

function jsonAnswer(status: number, body: unknown, headers?: Readonly<Record<string, string>>): OpsAnswer {
  return answerOf(status, 'application/json; charset=utf-8', JSON.stringify(body), headers);
}

function answerOf(
  status: number,
  contentType: string,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): OpsAnswer {
  return {
    status,
    headers: {
      'content-type': contentType,
      'content-length': String(Buffer.byteLength(body)),
      'cache-control': 'no-store',
      ...headers,
    },
    body,
  };
}

function send(response: ServerResponse, { status, headers, body }: OpsAnswer): void {
  if (response.headersSent || response.destroyed) return;
  // node:http leaves the body out of an answer to HEAD.
  response.writeHead(status, headers).end(body);
}
