import { once } from 'node:events';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Logger } from '@tributary/platform/logger';
import type { FormattedExecutionResult } from 'graphql';
import type { LiveConnections } from '../live-connections.ts';
import { type OperationAnswer, type Operations, resultOf } from '../operations.ts';
import type { Authenticator } from '../pipeline/auth.ts';
import { answerPreflight, corsHeaders } from './cors.ts';
import { isExpected, sendThrown } from './graphql-http.ts';
import { readParams } from './graphql-request.ts';
import { baseHeaders } from './respond.ts';

export interface GraphqlSseDeps {
  readonly authenticator: Authenticator;
  readonly operations: Operations;
  readonly connections: LiveConnections;
  readonly logger: Logger;
  readonly pingIntervalMs: number;
  /** A reader that takes nothing for this long is cut. */
  readonly drainTimeoutMs: number;
}

/**
 * GraphQL over server-sent events, "distinct connections" mode: one operation a request at `/graphql/stream`, for clients behind
 * proxies without WebSocket. Written here because graphql-sse's handler queues without bound for a slow reader.
 */
export function createGraphqlSse(deps: GraphqlSseDeps) {
  return async (request: IncomingMessage, response: ServerResponse, requestId: string): Promise<void> => {
    try {
      if (request.method === 'OPTIONS') return answerPreflight(request, response, deps.authenticator);
      const principal = deps.authenticator.fromHeaders(request.headers);
      const gone = new AbortController();
      response.once('close', () => gone.abort());
      const answered = await deps.operations.run(await readParams(request), principal, {
        requestId,
        signal: () => gone.signal,
        // A link must not change anything.
        readOnly: request.method === 'GET',
        streaming: true,
      });
      const forget = deps.connections.add(principal, () => response.destroy());
      try {
        await stream(response, answered, deps, corsHeaders(request, deps.authenticator));
      } finally {
        forget();
      }
    } catch (error) {
      if (!isExpected(error)) deps.logger.error({ err: error, requestId }, 'an event stream failed');
      // A stream that has begun can only be cut; a refusal leaves its connection to the next request.
      if (response.headersSent) response.destroy();
      else sendThrown(request, response, error, requestId, deps.authenticator);
    }
  };
}

async function stream(
  response: ServerResponse,
  answered: OperationAnswer,
  deps: GraphqlSseDeps,
  cors: OutgoingHttpHeaders,
): Promise<void> {
  const results = answered.kind === 'stream' ? answered.stream : null;
  const gone = new AbortController();
  response.once('close', () => {
    gone.abort();
    results?.return?.().catch(() => undefined);
  });
  if (response.destroyed) return void results?.return?.();
  response.writeHead(200, {
    ...baseHeaders,
    ...cors,
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  // Some browsers take the response for open only when its first bytes arrive.
  response.write(':\n\n');
  const pinger = setInterval(() => response.write(':\n\n'), deps.pingIntervalMs);
  try {
    if (answered.kind !== 'stream') await write(response, resultOf(answered), gone.signal, deps.drainTimeoutMs);
    else for await (const item of answered.stream) await write(response, item, gone.signal, deps.drainTimeoutMs);
    if (!gone.signal.aborted) response.end('event: complete\ndata: \n\n');
  } finally {
    clearInterval(pinger);
  }
}

async function write(
  response: ServerResponse,
  result: FormattedExecutionResult,
  gone: AbortSignal,
  drainTimeoutMs: number,
): Promise<void> {
  if (gone.aborted || response.write(`event: next\ndata: ${JSON.stringify(result)}\n\n`)) return;
  const timer = setTimeout(() => response.destroy(), drainTimeoutMs);
  await once(response, 'drain', { signal: gone }).catch(() => undefined);
  clearTimeout(timer);
}
