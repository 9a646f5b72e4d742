import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Logger } from '@tributary/platform/logger';
import { CodedError, type ErrorCode, errorCatalogue } from '@tributary/schema';
import { GraphQLError } from 'graphql';
import type { GatewayMetrics } from '../metrics.ts';
import type { OperationAnswer, OperationParams, Operations } from '../operations.ts';
import type { Authenticator } from '../pipeline/auth.ts';
import { formatThrown, toGraphQLError } from '../pipeline/format-error.ts';
import type { CostReport } from '../pipeline/rate-limit.ts';
import { etagOf } from '../pipeline/response-cache.ts';
import { isPersisted } from '../pipeline/trusted-documents.ts';
import { answerPreflight, corsHeaders } from './cors.ts';
import { couldBeForged, createUrlReader, readParams } from './graphql-request.ts';
import { errorHeaders, isJson, sendText } from './respond.ts';

export interface GraphqlHttpDeps {
  readonly authenticator: Authenticator;
  readonly operations: Operations;
  readonly logger: Logger;
  readonly metrics: Pick<GatewayMetrics, 'httpAnswered'>;
}

/** Queries and mutations at `/graphql` by GET (queries only) and POST, after GraphQL over HTTP. */
export function createGraphqlHttp(deps: GraphqlHttpDeps) {
  const readUrl = createUrlReader();
  return async (request: IncomingMessage, response: ServerResponse, requestId: string): Promise<void> => {
    const startedAt = performance.now();
    const gone = createGone(response);
    response.once('close', () => {
      deps.metrics.httpAnswered(response.statusCode, (performance.now() - startedAt) / 1000);
      gone.closed();
    });
    try {
      if (request.method === 'OPTIONS') return answerPreflight(request, response, deps.authenticator);
      await answer({ ...deps, readUrl, gone }, request, response, requestId);
    } catch (error) {
      if (!isExpected(error)) deps.logger.error({ err: error, requestId }, 'a GraphQL request failed');
      sendThrown(request, response, error, requestId, deps.authenticator);
    }
  };
}

/** A signal that the caller has gone before the answer was out; made only if something wants to know. */
function createGone(response: ServerResponse) {
  let abort: AbortController | null = null;
  return {
    signal(): AbortSignal {
      abort ??= new AbortController();
      if (response.destroyed && !response.writableEnded) abort.abort();
      return abort.signal;
    },
    closed(): void {
      if (!response.writableEnded) abort?.abort();
    },
  };
}

interface AnswerDeps extends GraphqlHttpDeps {
  readonly readUrl: (url: string) => OperationParams;
  readonly gone: { signal(): AbortSignal };
}

async function answer(
  deps: AnswerDeps,
  request: IncomingMessage,
  response: ServerResponse,
  requestId: string,
): Promise<void> {
  const { method } = request;
  if (method !== 'GET' && method !== 'POST') throw new CodedError('METHOD_NOT_ALLOWED');
  const principal = deps.authenticator.fromHeaders(request.headers);
  // A form can't send JSON across sites; this holds for cookies whatever the next check does.
  if (principal.session && method === 'POST' && !isJson(request)) {
    throw new CodedError('FORBIDDEN', { message: 'With a session cookie, send Content-Type: application/json.' });
  }
  if (couldBeForged(request)) {
    throw new CodedError('BODY_UNPARSABLE', {
      message:
        'Send Content-Type: application/json, or the header apollo-require-preflight: 1 (against forged requests).',
    });
  }
  const readOnly = method === 'GET';
  const params = readOnly ? deps.readUrl(request.url ?? '/') : await readParams(request);
  const answered = await deps.operations.run(params, principal, {
    requestId,
    signal: deps.gone.signal,
    readOnly,
    streaming: false,
  });
  const tagged = readOnly && isPersisted(params);
  send(request, response, answered, tagged, { 'x-request-id': requestId, ...corsHeaders(request, deps.authenticator) });
}

/** @param tagged whether the answer carries an ETag, so that a client that has it already gets 304. */
function send(
  request: IncomingMessage,
  response: ServerResponse,
  answered: OperationAnswer,
  tagged: boolean,
  cors: OutgoingHttpHeaders,
): void {
  if (answered.kind === 'stream') throw new CodedError('INTERNAL');
  const [body, data] = bodyOf(answered);
  const etag = tagged && data !== null ? (answered.kind === 'stored' ? answered.answer.etag : etagOf(data)) : null;
  const headers: OutgoingHttpHeaders = {
    'content-type': contentTypeFor(request),
    vary: 'Accept, Authorization, Cookie, Origin',
    ...cors,
    // The client keeps it and asks each time whether it still holds; nobody between does.
    ...(etag === null ? {} : { etag, 'cache-control': 'private, no-cache' }),
  };
  if (etag !== null && matches(request.headers['if-none-match'], etag)) {
    response.writeHead(304, { etag, 'cache-control': 'private, no-cache', vary: headers['vary'], ...cors });
    response.end();
    return;
  }
  sendText(response, 200, body, headers);
}

/** The body, and the JSON of its data where the answer is whole. */
function bodyOf(answered: Exclude<OperationAnswer, { kind: 'stream' }>): [body: string, data: string | null] {
  const cost = costJson(answered.cost);
  if (answered.kind === 'stored') {
    const { data } = answered.answer;
    return [`{"data":${data},"extensions":{"cost":${cost}}}`, data];
  }
  const { result } = answered;
  const data = JSON.stringify(result.data ?? null);
  const errors = result.errors ? `"errors":${JSON.stringify(result.errors)},` : '';
  return [`{${errors}"data":${data},"extensions":{"cost":${cost}}}`, result.errors ? null : data];
}

/** By hand: it is made for every answer, and all its parts are numbers. */
function costJson({ requested, actual, throttle }: CostReport): string {
  const { maximumAvailable, currentlyAvailable, restoreRate } = throttle;
  return `{"requested":${requested},"actual":${actual},"throttle":{"maximumAvailable":${maximumAvailable},"currentlyAvailable":${currentlyAvailable},"restoreRate":${restoreRate}}}`;
}

function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  // The comparison is weak, so the mark of weakness does not count.
  const bare = etag.replace(/^W\//, '');
  return header.split(',').some((given) => given.trim() === '*' || given.trim().replace(/^W\//, '') === bare);
}

/** `application/graphql-response+json` for who names it, else JSON. */
export function contentTypeFor(request: IncomingMessage): string {
  const named = request.headers.accept?.includes('application/graphql-response+json') ?? false;
  return `${named ? 'application/graphql-response+json' : 'application/json'}; charset=utf-8`;
}

/** A refusal in the form of a GraphQL response, with the catalogue's status. */
export function sendThrown(
  request: IncomingMessage,
  response: ServerResponse,
  thrown: unknown,
  requestId: string,
  authenticator: Pick<Authenticator, 'mayQueryFrom'>,
): void {
  const error = toGraphQLError(thrown);
  const code = error.extensions['code'] as ErrorCode;
  const retryAfterSeconds = error.extensions['retryAfterSeconds'];
  sendText(response, errorCatalogue[code].http, JSON.stringify({ errors: [formatThrown(error, requestId)] }), {
    'content-type': contentTypeFor(request),
    ...corsHeaders(request, authenticator),
    'x-request-id': requestId,
    vary: 'Accept, Authorization, Cookie, Origin',
    ...(code === 'METHOD_NOT_ALLOWED' ? { allow: 'GET, POST' } : {}),
    ...errorHeaders(new CodedError(code, typeof retryAfterSeconds === 'number' ? { retryAfterSeconds } : {})),
  });
}

export function isExpected(error: unknown): boolean {
  return error instanceof GraphQLError || (error instanceof CodedError && error.code !== 'INTERNAL');
}
