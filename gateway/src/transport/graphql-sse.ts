import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '@tributary/platform/logger';
import { CodedError } from '@tributary/schema';
import type { FormattedExecutionResult } from 'graphql';
import type { LiveConnections } from '../live-connections.ts';
import type { OperationParams, Operations } from '../operations.ts';
import type { Authenticator } from '../pipeline/auth.ts';
import { isExpected, sendThrown } from './graphql-http.ts';
import { baseHeaders, isJson, readJson } from './respond.ts';

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
      const principal = deps.authenticator.fromHeaders(request.headers);
      const result = await deps.operations.run(await paramsOf(request), principal);
      const forget = deps.connections.add(principal, () => response.destroy());
      try {
        await stream(response, result, deps);
      } finally {
        forget();
      }
    } catch (error) {
      if (!isExpected(error)) deps.logger.error({ err: error, requestId }, 'an event stream failed');
      sendThrown(request, response, error, requestId);
      if (response.headersSent) response.destroy();
    }
  };
}

async function paramsOf(request: IncomingMessage): Promise<OperationParams> {
  let given: Record<string, unknown>;
  if (request.method === 'POST') {
    if (!isJson(request)) throw new CodedError('BODY_UNPARSABLE', { message: 'Send Content-Type: application/json.' });
    const body = await readJson(request);
    if (body === null || typeof body !== 'object') throw new CodedError('BODY_UNPARSABLE');
    given = body as Record<string, unknown>;
  } else if (request.method === 'GET') {
    given = Object.fromEntries(new URL(request.url ?? '/', 'http://gateway').searchParams);
    if (typeof given['variables'] === 'string') given['variables'] = parseVariables(given['variables']);
    // A link must not change anything.
    if (typeof given['query'] === 'string' && /\bmutation\b/.test(given['query']))
      throw new CodedError('METHOD_NOT_ALLOWED');
  } else {
    throw new CodedError('METHOD_NOT_ALLOWED');
  }
  const { query, operationName, variables } = given;
  if (typeof query !== 'string' || query === '')
    throw new CodedError('BODY_UNPARSABLE', { message: 'There is no query.' });
  if (variables !== undefined && variables !== null && (typeof variables !== 'object' || Array.isArray(variables))) {
    throw new CodedError('BODY_UNPARSABLE', { message: 'variables must be an object.' });
  }
  return {
    query,
    operationName: typeof operationName === 'string' ? operationName : null,
    variables: (variables ?? {}) as Record<string, unknown>,
  };
}

function parseVariables(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CodedError('BODY_UNPARSABLE', { message: 'variables is not JSON.', cause: error });
  }
}

async function stream(
  response: ServerResponse,
  result: AsyncIterableIterator<FormattedExecutionResult> | FormattedExecutionResult,
  deps: GraphqlSseDeps,
): Promise<void> {
  const results = Symbol.asyncIterator in result ? result : null;
  const gone = new AbortController();
  response.once('close', () => {
    gone.abort();
    results?.return?.().catch(() => undefined);
  });
  if (response.destroyed) return void results?.return?.();
  response.writeHead(200, {
    ...baseHeaders,
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  // Some browsers take the response for open only when its first bytes arrive.
  response.write(':\n\n');
  const pinger = setInterval(() => response.write(':\n\n'), deps.pingIntervalMs);
  try {
    if (!results) await write(response, result as FormattedExecutionResult, gone.signal, deps.drainTimeoutMs);
    else for await (const item of results) await write(response, item, gone.signal, deps.drainTimeoutMs);
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
