import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Authenticator } from '../pipeline/auth.ts';

const allowedMethods = 'GET, POST';
const allowedHeaders =
  'authorization, content-type, apollo-require-preflight, x-apollo-operation-name, x-request-id, last-event-id';
const exposedHeaders = 'etag, retry-after, x-request-id';
/** Browsers keep a preflight's answer no longer than two hours. */
const preflightSeconds = 7_200;

/**
 * Headers that let the page of the request's origin read the answer, where an app allows that origin. Credentials are never
 * allowed: across origins only a key counts, never the console's cookie. Empty without Origin.
 */
export function corsHeaders(
  request: IncomingMessage,
  authenticator: Pick<Authenticator, 'mayQueryFrom'>,
): OutgoingHttpHeaders {
  const { origin } = request.headers;
  if (origin === undefined || !authenticator.mayQueryFrom(origin)) return {};
  return { 'access-control-allow-origin': origin, 'access-control-expose-headers': exposedHeaders };
}

/** Answers a preflight. It carries no key, so the origin is allowed if any app allows it; the request itself is held to its key's. */
export function answerPreflight(
  request: IncomingMessage,
  response: ServerResponse,
  authenticator: Pick<Authenticator, 'mayQueryFrom'>,
): void {
  const headers = corsHeaders(request, authenticator);
  const allowed = Object.keys(headers).length > 0;
  response.writeHead(204, {
    vary: 'Origin',
    allow: `${allowedMethods}, OPTIONS`,
    ...headers,
    ...(allowed
      ? {
          'access-control-allow-methods': allowedMethods,
          'access-control-allow-headers': allowedHeaders,
          'access-control-max-age': String(preflightSeconds),
        }
      : {}),
  });
  response.end();
}
