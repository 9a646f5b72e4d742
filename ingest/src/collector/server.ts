import { randomBytes } from 'node:crypto';
import type { Logger } from '@tributary/platform/logger';
import type { OpsAnswers } from '@tributary/platform/ops-server';
import { CodedError, limits, toCodedError } from '@tributary/schema';
import { type CollectorRequest, type CollectorResponse, refusalFor } from './core.ts';

/** Bounds of one server: what a client may hold of it, and for how long. */
export interface ServerLimits {
  /** A body that has not arrived whole by then is answered 408. */
  readonly bodyTimeoutMs: number;
  /** A connection whose request head has not arrived whole by then is closed. */
  readonly headerTimeoutMs: number;
  /** A connection without a request is closed after this. */
  readonly idleTimeoutMs: number;
  /** Connections at once; of a server that does not see connections: requests under way. */
  readonly connections: number;
  /** The same for one peer address; trusted proxies are exempt. */
  readonly connectionsPerAddress: number;
  readonly headerCount: number;
  /** Bytes of all bodies that are being received at once; beyond it bodies are answered 503. */
  readonly bodyBytesUnderWay: number;
}

export const defaultServerLimits: ServerLimits = {
  bodyTimeoutMs: limits.bodyTimeoutMs,
  headerTimeoutMs: 10_000,
  idleTimeoutMs: 65_000,
  connections: limits.connections,
  connectionsPerAddress: limits.connectionsPerAddress,
  headerCount: limits.headerCount,
  bodyBytesUnderWay: 96 * 1_048_576,
};

export interface ServerOptions {
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  /** Several processes may listen at the port; the system spreads connections over them. Default false. */
  readonly reusePort?: boolean;
  readonly logger: Logger;
  readonly now: () => number;
  readonly isTrustedProxy: (address: string) => boolean;
  /** What is answered to a request; `done` is called once, when all of it is stored. May throw before it took the request. */
  readonly answer: (request: CollectorRequest, done: (response: CollectorResponse) => void) => void;
  /** Health, readiness, metrics and the like; null where the path is none of these. */
  readonly ops: OpsAnswers;
  /** Laid over `defaultServerLimits`. */
  readonly limits?: Partial<ServerLimits> | undefined;
}

export interface ListeningServer {
  readonly url: string;
  /** Takes no new connection, lets requests under way end, closes idle ones. */
  dispose(): Promise<void>;
}

/**
 * The collector over one HTTP implementation. It only translates; all decisions are the core's. Every one passes the suite in
 * server.contract.ts.
 */
export interface CollectorServer {
  /** Rejects when it can't listen. */
  listen(options: ServerOptions): Promise<ListeningServer>;
}

/** Of every answer. */
export const corsHeaders: Readonly<Record<string, string>> = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'retry-after, x-request-id',
};

export const preflightHeaders: Readonly<Record<string, string>> = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'POST, GET, OPTIONS',
  // A list, since `*` does not stand for authorization: what the vendors' browser builds send beside the usual.
  'access-control-allow-headers': [
    'authorization, content-type, content-encoding, x-requested-with, x-request-id',
    'x-write-key, x-enable-debug, x-ip-policy',
    'openpanel-client-id, openpanel-client-secret, openpanel-sdk-name, openpanel-sdk-version',
    'anonymousid, sp-anonymous, x-retry-count',
    'posthog-sdk-info, posthog-attempt, posthog-request-id, posthog-request-timestamp',
  ].join(', '),
  'access-control-max-age': '86400',
};

/** What is known of a request before its body was read. */
export interface AskedRequest {
  readonly requestId: string;
  readonly method: string;
  /** As the server gives it: with or without the host. */
  readonly url: string;
  readonly header: (name: string) => string | undefined;
}

/**
 * The answer to a fault, in the form that the path's SDK reads; what is not of the catalogue is logged and told as INTERNAL.
 */
export function faultResponse(logger: Logger, error: unknown, asked: AskedRequest): CollectorResponse {
  const { requestId, method, url, header } = asked;
  const coded = toCodedError(error);
  if (coded.code === 'INTERNAL') logger.error({ err: error, requestId }, 'a request failed');
  const target = url.startsWith('/') ? url : url.slice(Math.max(0, url.indexOf('/', url.indexOf('//') + 2)));
  const mark = target.indexOf('?');
  return refusalFor(coded, {
    method,
    path: mark < 0 ? target : target.slice(0, mark),
    query: mark < 0 ? '' : target.slice(mark + 1),
    authorization: header('authorization'),
    header,
    userAgent: header('user-agent') ?? null,
    body: new Uint8Array(),
    remoteAddress: null,
    receivedAt: 0,
    requestId,
  });
}

/** How far, and how long, a refused body is read on and thrown away. */
export interface ReadOn {
  readonly bytes: number;
  readonly ms: number;
}

/** Of a body far beyond the limit, or that does not say its length: when this is used up, its sender may not hear why. */
export const briefly: ReadOn = { bytes: limits.batchBytes, ms: 2_000 };

/**
 * Many senders read no answer before all is written, and a connection that closes under their feet loses them the answer; so
 * the rest of a body that says it is at most twice the limit is taken, as long as one that is wanted may take. Reading
 * more would let a sender keep the server busy with what it has refused.
 */
export function readOnOf(statedLength: string | null | undefined, { bodyTimeoutMs }: ServerLimits): ReadOn {
  const bytes = Number(statedLength ?? Number.NaN);
  return bytes <= 2 * limits.batchBytes ? { bytes, ms: bodyTimeoutMs } : briefly;
}

export function tooManyHeaders(headerCount: number): CodedError {
  return new CodedError('HEADERS_TOO_LARGE', { details: { limit: headerCount } });
}

/** Unique and unguessable enough for a log; a random text for each request would cost more than parsing a small event. */
export function createRequestIds(): () => string {
  const prefix = `req_${randomBytes(9).toString('base64url')}_`;
  let count = 0;
  return () => {
    count += 1;
    return prefix + count.toString(36);
  };
}

export function urlOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Counts what each peer address holds, against both limits. */
export interface Holdings {
  /** False when one of the limits is reached; then nothing was counted. */
  take(address: string): boolean;
  give(address: string): void;
  count(): number;
}

export function createHoldings(
  { connections, connectionsPerAddress }: ServerLimits,
  isTrustedProxy: (address: string) => boolean,
): Holdings {
  const byAddress = new Map<string, number>();
  let total = 0;
  return {
    take(address) {
      const held = byAddress.get(address) ?? 0;
      if (total >= connections) return false;
      // Asked only near the limit: a proxy's check costs more than counting.
      if (held >= connectionsPerAddress && !isTrustedProxy(address)) return false;
      total += 1;
      byAddress.set(address, held + 1);
      return true;
    },
    give(address) {
      const held = byAddress.get(address) ?? 0;
      if (held === 0) return;
      total -= 1;
      if (held === 1) byAddress.delete(address);
      else byAddress.set(address, held - 1);
    },
    count: () => total,
  };
}

/** Bytes of bodies under way, over all connections: many slow large bodies must not fill the memory. */
export interface ByteBudget {
  take(bytes: number): boolean;
  give(bytes: number): void;
}

export function createByteBudget(most: number): ByteBudget {
  let taken = 0;
  return {
    take(bytes) {
      // One alone is always let in: the limit of one body is checked elsewhere.
      if (taken > 0 && taken + bytes > most) return false;
      taken += bytes;
      return true;
    },
    give(bytes) {
      taken -= bytes;
    },
  };
}

export const tooMuchUnderWay = (): CodedError =>
  new CodedError('LOG_UNAVAILABLE', { message: 'Too much is being received. Retry.', retryAfterSeconds: 1 });

/** Deadlines of bodies under way, looked at by one timer: one for each request costs as much as parsing a small event. */
export interface Deadlines<T> {
  add(item: T): void;
  delete(item: T): void;
  dispose(): void;
}

export function createDeadlines<T>(timeoutMs: number, expire: (item: T) => void): Deadlines<T> {
  // In the order of arrival, so the oldest come first and looking ends at the first that has time left.
  const since = new Map<T, number>();
  const timer = setInterval(
    () => {
      const latest = performance.now() - timeoutMs;
      for (const [item, startedAt] of since) {
        if (startedAt > latest) break;
        since.delete(item);
        expire(item);
      }
    },
    Math.min(1_000, Math.max(1, Math.ceil(timeoutMs / 8))),
  );
  timer.unref();
  return {
    add: (item) => void since.set(item, performance.now()),
    delete: (item) => void since.delete(item),
    dispose: () => clearInterval(timer),
  };
}
