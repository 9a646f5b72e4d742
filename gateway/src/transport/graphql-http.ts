import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Logger } from '@tributary/platform/logger';
import { CodedError, type ErrorCode, errorCatalogue } from '@tributary/schema';
import { GraphQLError } from 'graphql';
import { type MaybePromise, thenNow } from '../maybe-promise.ts';
import type { GatewayMetrics } from '../metrics.ts';
import type { OperationAnswer, OperationParams, Operations } from '../operations.ts';
import type { Authenticator } from '../pipeline/auth.ts';
import { formatThrown, toGraphQLError } from '../pipeline/format-error.ts';
import type { CostReport } from '../pipeline/rate-limit.ts';
import { etagOf } from '../pipeline/response-cache.ts';
import { isPersisted } from '../pipeline/trusted-documents.ts';
import { answerPreflight, corsHeaders } from './cors.ts';
import { couldBeForged, createUrlReader, readParams } from './graphql-request.ts';
import { dataHeaders, errorHeaders, isJson, sendText } from './respond.ts';

export interface GraphqlHttpDeps {
  readonly authenticator: Authenticator;
  readonly operations: Operations;
  readonly logger: Logger;
  readonly metrics: Pick<GatewayMetrics, 'httpAnswered'>;
}

/**
 * Queries and mutations at `/graphql` by GET (queries only) and POST, after GraphQL over HTTP. An answer for which everything is in
 * memory is written before this returns; a promise is there only for what had to be waited for. It never rejects.
 */
export function createGraphqlHttp(deps: GraphqlHttpDeps) {
  const all = { ...deps, readUrl: createUrlReader() };
  return (request: IncomingMessage, response: ServerResponse, requestId: string): MaybePromise<void> => {
    const startedAt = performance.now();
    const count = () => deps.metrics.httpAnswered(response.statusCode, (performance.now() - startedAt) / 1000);
    const fail = (error: unknown) => {
      if (!isExpected(error)) deps.logger.error({ err: error, requestId }, 'a GraphQL request failed');
      sendThrown(request, response, error, requestId, deps.authenticator);
    };
    try {
      const waited = answer(all, request, response, requestId);
      if (waited instanceof Promise) {
        response.once('close', count);
        return waited.catch(fail);
      }
    } catch (error) {
      fail(error);
    }
    count();
  };
}

/** A signal that the caller has gone before the answer was out; made only if something wants to know. */
function createGone(response: ServerResponse): () => AbortSignal {
  let abort: AbortController | null = null;
  return () => {
    if (abort) return abort.signal;
    const made = new AbortController();
    abort = made;
    const leave = () => {
      if (!response.writableEnded) made.abort();
    };
    if (response.destroyed) leave();
    else response.once('close', leave);
    return made.signal;
  };
}

interface AnswerDeps extends GraphqlHttpDeps {
  readonly readUrl: (url: string) => OperationParams;
}

function answer(
  deps: AnswerDeps,
  request: IncomingMessage,
  response: ServerResponse,
  requestId: string,
): MaybePromise<void> {
  const { method } = request;
  if (method === 'OPTIONS') return answerPreflight(request, response, deps.authenticator);
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
  const options = { requestId, signal: createGone(response), readOnly, streaming: false };
  const run = (params: OperationParams) =>
    thenNow(deps.operations.run(params, principal, options), (answered) =>
      send(request, response, answered, {
        tagged: readOnly && isPersisted(params),
        requestId,
        cors: request.headers.origin === undefined ? null : corsHeaders(request, deps.authenticator),
      }),
    );
  return readOnly ? run(deps.readUrl(request.url ?? '/')) : readParams(request).then(run);
}

interface SendOptions {
  /** Whether the answer carries an ETag, so that a client that has it already gets 304. */
  readonly tagged: boolean;
  readonly requestId: string;
  readonly cors: OutgoingHttpHeaders | null;
}

const vary = 'Accept, Authorization, Cookie, Origin';

function send(request: IncomingMessage, response: ServerResponse, answered: OperationAnswer, out: SendOptions): void {
  if (answered.kind === 'stream') throw new CodedError('INTERNAL');
  const end = `,"extensions":{"cost":${costJson(answered.cost)}}}`;
  if (answered.kind === 'stored') {
    const { data, bytes, etag } = answered.answer;
    const body = `{"data":${data}${end}`;
    write(request, response, { body, bytes: body.length - data.length + bytes, etag: out.tagged ? etag : null }, out);
    return;
  }
  const { data, errors } = answered.result;
  const json = JSON.stringify(data ?? null);
  const body = `{${errors ? `"errors":${JSON.stringify(errors)},` : ''}"data":${json}${end}`;
  const etag = out.tagged && !errors ? etagOf(json) : null;
  write(request, response, { body, bytes: Buffer.byteLength(body), etag }, out);
}

interface Body {
  readonly body: string;
  /** Of `body` in UTF-8. */
  readonly bytes: number;
  readonly etag: string | null;
}

function write(
  request: IncomingMessage,
  response: ServerResponse,
  { body, bytes, etag }: Body,
  { requestId, cors }: SendOptions,
): void {
  if (response.headersSent || response.destroyed) return;
  // With an ETag the client keeps it and asks each time whether it still holds; nobody between does.
  const cacheControl = etag === null ? 'no-store' : 'private, no-cache';
  if (etag !== null && matches(request.headers['if-none-match'], etag)) {
    response.writeHead(304, { etag, 'cache-control': cacheControl, vary, 'x-request-id': requestId, ...cors }).end();
    return;
  }
  // One literal: to spread several into one takes longer than to write them.
  const headers: OutgoingHttpHeaders = {
    ...dataHeaders,
    'cache-control': cacheControl,
    'content-length': bytes,
    'content-type': contentTypeFor(request),
    vary,
    'x-request-id': requestId,
  };
  if (etag !== null) headers['etag'] = etag;
  // Plain ASCII is the same in both, and is copied without being looked through.
  const encoding = bytes === body.length ? 'latin1' : 'utf8';
  response.writeHead(200, cors ? { ...headers, ...cors } : headers).end(body, encoding);
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
  return request.headers.accept?.includes('application/graphql-response+json')
    ? 'application/graphql-response+json; charset=utf-8'
    : 'application/json; charset=utf-8';
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
    vary,
    ...(code === 'METHOD_NOT_ALLOWED' ? { allow: 'GET, POST' } : {}),
    ...errorHeaders(new CodedError(code, typeof retryAfterSeconds === 'number' ? { retryAfterSeconds } : {})),
  });
}

export function isExpected(error: unknown): boolean {
  return error instanceof GraphQLError || (error instanceof CodedError && error.code !== 'INTERNAL');
}
