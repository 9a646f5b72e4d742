import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { HeaderMap, type HTTPGraphQLResponse } from '@apollo/server';
import type { Logger } from '@tributary/platform/logger';
import { CodedError, type ErrorCode, errorCatalogue, limits } from '@tributary/schema';
import { type FormattedExecutionResult, GraphQLError, OperationTypeNode } from 'graphql';
import type { GatewayMetrics } from '../metrics.ts';
import type { Graph } from '../operations.ts';
import type { Authenticator, CallerSigner } from '../pipeline/auth.ts';
import { formatErrors, formatThrown, toGraphQLError } from '../pipeline/format-error.ts';
import type { InspectedOperation } from '../pipeline/limits.ts';
import { errorHeaders, isJson, readJson, sendText } from './respond.ts';

export interface GraphqlHttpDeps {
  readonly graph: () => Graph | null;
  readonly authenticator: Authenticator;
  readonly inspect: (query: string, operationName: string | null | undefined) => InspectedOperation;
  readonly signer: CallerSigner;
  readonly logger: Logger;
  readonly metrics: Pick<GatewayMetrics, 'httpAnswered'>;
}

/** Queries and mutations at `/graphql` by GET (queries only) and POST, after GraphQL over HTTP. */
export function createGraphqlHttp(deps: GraphqlHttpDeps) {
  return async (request: IncomingMessage, response: ServerResponse, requestId: string): Promise<void> => {
    const startedAt = performance.now();
    response.once('close', () =>
      deps.metrics.httpAnswered(response.statusCode, (performance.now() - startedAt) / 1000),
    );
    try {
      await answer(deps, request, response, requestId);
    } catch (error) {
      if (!isExpected(error)) deps.logger.error({ err: error, requestId }, 'a GraphQL request failed');
      sendThrown(request, response, error, requestId);
    }
  };
}

async function answer(
  deps: GraphqlHttpDeps,
  request: IncomingMessage,
  response: ServerResponse,
  requestId: string,
): Promise<void> {
  const method = request.method ?? 'GET';
  if (method !== 'GET' && method !== 'POST') throw new CodedError('METHOD_NOT_ALLOWED');
  const principal = deps.authenticator.fromHeaders(request.headers);
  // A form can't send JSON across sites; Apollo asks the same of every request, this holds for cookies whatever it does.
  if (principal.session && method === 'POST' && !isJson(request)) {
    throw new CodedError('FORBIDDEN', { message: 'With a session cookie, send Content-Type: application/json.' });
  }
  const graph = deps.graph();
  if (!graph) throw new CodedError('NOT_READY');
  const url = request.url ?? '/';
  const search = url.includes('?') ? url.slice(url.indexOf('?')) : '';
  const body = method === 'POST' && isJson(request) ? await readJson(request) : undefined;
  refuseUnfit(deps, method === 'POST' ? body : Object.fromEntries(new URLSearchParams(search)));

  const abort = new AbortController();
  response.once('close', () => {
    if (!response.writableEnded) abort.abort();
  });
  const result = await graph.queries.executeHttp(
    { method, headers: headerMap(request), search, body: body ?? {} },
    { callerToken: deps.signer.sign(principal, requestId), requestId, signal: abort.signal },
  );
  send(response, result, requestId);
}

/** Parse errors, limits and subscriptions are told before Apollo sees the text; what has no text it refuses itself. */
function refuseUnfit(deps: GraphqlHttpDeps, params: unknown): void {
  if (params === null || typeof params !== 'object') return;
  const { query, operationName } = params as { query?: unknown; operationName?: unknown };
  if (typeof query !== 'string' || query === '') return;
  if (Buffer.byteLength(query) > limits.graphqlBodyBytes) throw new CodedError('OPERATION_TOO_LARGE');
  const { operation } = deps.inspect(query, typeof operationName === 'string' ? operationName : null);
  // Apollo Gateway would answer 500 with the planner's stack.
  if (operation.operation === OperationTypeNode.SUBSCRIPTION) throw new CodedError('SUBSCRIPTION_OVER_HTTP');
}

function headerMap(request: IncomingMessage): HeaderMap {
  const headers = new HeaderMap();
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  return headers;
}

function send(response: ServerResponse, result: HTTPGraphQLResponse, requestId: string): void {
  if (result.body.kind !== 'complete') throw new CodedError('INTERNAL');
  const headers: OutgoingHttpHeaders = Object.fromEntries(result.headers);
  sendText(response, result.status ?? 200, withPublicErrors(result.body.string, requestId), headers);
}

/** Apollo puts `errors` first; only then is the text taken apart, so an answer without errors goes out as it is. */
function withPublicErrors(text: string, requestId: string): string {
  if (!text.startsWith('{"errors":[')) return text;
  const result = JSON.parse(text) as FormattedExecutionResult;
  return JSON.stringify({ ...result, errors: formatErrors(result.errors ?? [], requestId) });
}

/** A refusal in the form of a GraphQL response, with the catalogue's status. */
export function sendThrown(
  request: IncomingMessage,
  response: ServerResponse,
  thrown: unknown,
  requestId: string,
): void {
  const error = toGraphQLError(thrown);
  const code = error.extensions['code'] as ErrorCode;
  const wantsGraphql = (request.headers.accept ?? '').includes('application/graphql-response+json');
  sendText(response, errorCatalogue[code].http, JSON.stringify({ errors: [formatThrown(error, requestId)] }), {
    'content-type': `${wantsGraphql ? 'application/graphql-response+json' : 'application/json'}; charset=utf-8`,
    ...(code === 'METHOD_NOT_ALLOWED' ? { allow: 'GET, POST' } : {}),
    ...errorHeaders(new CodedError(code)),
  });
}

export function isExpected(error: unknown): boolean {
  return error instanceof GraphQLError || (error instanceof CodedError && error.code !== 'INTERNAL');
}
