import { randomBytes } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { CodedError, errorBody, limits } from '@tributary/schema';

/** What guards data. An answer to a query has no need of what guards documents, and each header costs it time. */
export const dataHeaders: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
};

/** What guards documents too. */
export const baseHeaders: Readonly<Record<string, string>> = {
  ...dataHeaders,
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'x-frame-options': 'DENY',
};

/** The caller's request id when it is a plain token, else a new one. */
export function requestIdOf(request: IncomingMessage): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && /^[\w.:-]{8,100}$/.test(given) ? given : requestIds();
}

/** Names a request in logs: this process and a count. A random number for each took a fifteenth of a cached answer's time. */
const requestIds = createRequestIds();
function createRequestIds(): () => string {
  const process = randomBytes(8).toString('hex');
  let count = 0;
  return () => {
    count += 1;
    return `req_${process}${count.toString(36).padStart(6, '0')}`;
  };
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: OutgoingHttpHeaders = {},
): void {
  sendText(response, status, JSON.stringify(body), { 'content-type': 'application/json; charset=utf-8', ...headers });
}

export function sendText(response: ServerResponse, status: number, text: string, headers: OutgoingHttpHeaders): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, {
    ...baseHeaders,
    'cache-control': 'no-store',
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

/** `{error: {code, message, requestId}}` with the catalogue's status. */
export function sendError(response: ServerResponse, error: CodedError, requestId: string): void {
  sendJson(response, error.http, errorBody(error, requestId), errorHeaders(error));
}

export function errorHeaders(error: CodedError): OutgoingHttpHeaders {
  return {
    ...(error.code === 'UNAUTHENTICATED' ? { 'www-authenticate': 'Bearer realm="tributary"' } : {}),
    ...(error.retryAfterSeconds === undefined ? {} : { 'retry-after': String(error.retryAfterSeconds) }),
    // The rest of a body that was refused is not read, so the connection can't carry another request.
    ...(error.code === 'PAYLOAD_TOO_LARGE' ? { connection: 'close' } : {}),
  };
}

/** The JSON body. Throws UNSUPPORTED_ENCODING, PAYLOAD_TOO_LARGE or BODY_UNPARSABLE. */
export async function readJson(request: IncomingMessage, maxBytes: number = limits.graphqlBodyBytes): Promise<unknown> {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    throw new CodedError('UNSUPPORTED_ENCODING', { message: 'Bodies are taken without Content-Encoding here.' });
  }
  const text = await readText(request, maxBytes);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CodedError('BODY_UNPARSABLE', { message: 'The body is not JSON.', cause: error });
  }
}

function readText(request: IncomingMessage, maxBytes: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let sizeBytes = 0;
    request.on('data', (chunk: Buffer) => {
      sizeBytes += chunk.length;
      if (sizeBytes <= maxBytes) return void chunks.push(chunk);
      request.pause();
      reject(
        new CodedError('PAYLOAD_TOO_LARGE', { message: `The body is over ${maxBytes} bytes.`, details: { maxBytes } }),
      );
    });
    request.once('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    request.once('error', (cause) => reject(new CodedError('BODY_UNPARSABLE', { cause })));
    request.once('close', () => reject(new CodedError('BODY_UNPARSABLE')));
  });
}

/** Whether the body is declared as JSON (any charset parameter). */
export function isJson(request: IncomingMessage): boolean {
  return /^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? '');
}
