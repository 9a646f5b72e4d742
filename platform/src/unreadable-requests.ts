import { randomBytes } from 'node:crypto';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { CodedError, errorBody } from '@tributary/schema';

/**
 * Answers what node:http can't read, and would answer with a bare status line, as everything else is answered: a code of the catalogue
 * and a request id. Head over the size limit → HEADERS_TOO_LARGE, too slow → BODY_TIMEOUT, else BODY_UNPARSABLE. The connection ends
 * with it.
 */
export function answerUnreadable(server: Server): void {
  server.on('clientError', (fault: NodeJS.ErrnoException, stream) => {
    const socket = stream as Socket & { readonly _httpMessage?: { readonly headersSent: boolean } };
    // Behind an answer that has begun it would be read as a part of it.
    const hasBegun = socket._httpMessage?.headersSent === true;
    if (socket.writable && !hasBegun && fault.code !== 'ECONNRESET') socket.write(answerTo(fault));
    socket.destroySoon();
  });
}

function answerTo({ code }: NodeJS.ErrnoException): string {
  const error = codedError(code);
  const requestId = `req_${randomBytes(8).toString('hex')}`;
  const body = JSON.stringify(errorBody(error, requestId));
  return [
    `HTTP/1.1 ${error.http} ${reasons[error.http]}`,
    'connection: close',
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'cache-control: no-store',
    `x-request-id: ${requestId}`,
    '',
    body,
  ].join('\r\n');
}

const reasons: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
};

function codedError(code: string | undefined): CodedError {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new CodedError('HEADERS_TOO_LARGE', { message: 'The address and headers of the request are too large.' });
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new CodedError('BODY_TIMEOUT');
  return new CodedError('BODY_UNPARSABLE', { message: 'This is not a request of HTTP/1.1.' });
}
