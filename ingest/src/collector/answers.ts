import { type CodedError, errorBody } from '@tributary/schema';
import type { CollectorResponse } from './request.ts';

export const jsonHeaders = { 'content-type': 'application/json' } as const;
const textHeaders = { 'content-type': 'text/plain; charset=utf-8' } as const;

export function jsonAnswer(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): CollectorResponse {
  return { status, headers: { ...jsonHeaders, ...headers }, body: JSON.stringify(body) };
}

export function textAnswer(
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): CollectorResponse {
  return { status, headers: { ...textHeaders, ...headers }, body };
}

/** Headers that go with an error whatever the form of its body: when to retry, what is allowed, how to authenticate. */
export function errorHeaders(error: CodedError): Readonly<Record<string, string>> {
  const allow = error.details?.['allow'];
  return {
    ...(error.retryable ? { 'retry-after': String(error.retryAfterSeconds ?? 1) } : {}),
    ...(error.code === 'UNAUTHENTICATED' ? { 'www-authenticate': 'Bearer' } : {}),
    ...(typeof allow === 'string' ? { allow } : {}),
  };
}

/** A catalogue error in its HTTP form; `status` where an SDK must be given another one. */
export function errorResponse(error: CodedError, requestId: string, status: number = error.http): CollectorResponse {
  return jsonAnswer(status, errorBody(error, requestId), errorHeaders(error));
}
