import { createHash } from 'node:crypto';
import type { Cache } from '@tributary/platform/cache';
import type { Clock } from '@tributary/platform/clock';
import type { FormattedExecutionResult } from 'graphql';
import type { MaybePromise } from '../maybe-promise.ts';

/** An answer without errors as it is kept: the JSON of its data alone, since cost and request id differ by call. */
export interface StoredAnswer {
  readonly data: string;
  /** Of `data` in UTF-8. */
  readonly bytes: number;
  readonly etag: string;
}

export type CachedRun =
  | { readonly kind: 'stored'; readonly answer: StoredAnswer; readonly hit: boolean }
  /** Not kept: it has errors, or is too large. */
  | { readonly kind: 'result'; readonly result: FormattedExecutionResult };

export interface ResponseCache {
  /** What is kept under the key, if still good. */
  find(key: string): MaybePromise<StoredAnswer | null>;
  /**
   * Makes the answer once for all who ask at the same time, keeps it, and gives it to all. Its signal is aborted when the last of
   * them has gone.
   */
  make(
    key: string,
    maxAgeSeconds: number,
    signal: AbortSignal | undefined,
    run: (signal: AbortSignal) => Promise<FormattedExecutionResult>,
  ): Promise<CachedRun>;
}

const largestAnswer = 1_048_576;
const nearBytes = 32 * 1_048_576;

/**
 * Answers in the Cache port that processes share, with a near copy in this process. The key must hold the schema, the operation,
 * its variables, the rights of the caller and the freshness of the data; see `responseKey`.
 */
export function createResponseCache(deps: { readonly cache: Cache; readonly clock: Clock }): ResponseCache {
  const near = createNearCopies(deps.clock);
  const flights = new Map<string, Flight>();

  async function far(key: string): Promise<StoredAnswer | null> {
    const text = await deps.cache.get(key);
    if (text === null) return null;
    const [expiresAt, etag, data] = splitOnce(text);
    if (Number(expiresAt) <= deps.clock.now()) return null;
    const answer = storedAnswer(data, etag);
    near.put(key, answer, Number(expiresAt));
    return answer;
  }

  return {
    find: (key) => near.get(key) ?? far(key),
    async make(key, maxAgeSeconds, signal, run) {
      const known = flights.get(key);
      if (known) return known.join(signal);
      const forget = () => {
        if (flights.get(key) === flight) flights.delete(key);
      };
      const flight: Flight = createFlight((inner) => produce(key, maxAgeSeconds, run(inner)), forget);
      flights.set(key, flight);
      return flight.join(signal);
    },
  };

  async function produce(
    key: string,
    maxAgeSeconds: number,
    running: Promise<FormattedExecutionResult>,
  ): Promise<CachedRun> {
    const result = await running;
    if (result.errors || !result.data) return { kind: 'result', result };
    const data = JSON.stringify(result.data);
    if (data.length > largestAnswer) return { kind: 'result', result };
    const answer = storedAnswer(data, etagOf(data));
    const expiresAt = deps.clock.now() + maxAgeSeconds * 1_000;
    near.put(key, answer, expiresAt);
    await deps.cache.set(key, `${expiresAt} ${answer.etag} ${data}`, { ttlMs: maxAgeSeconds * 1_000 });
    return { kind: 'stored', answer, hit: false };
  }
}

function storedAnswer(data: string, etag: string): StoredAnswer {
  return { data, bytes: Buffer.byteLength(data), etag };
}

/** Weak: answers of equal data may differ in their extensions. */
export function etagOf(data: string): string {
  return `W/"${createHash('sha1').update(data).digest('base64url')}"`;
}

function splitOnce(text: string): [string, string, string] {
  const first = text.indexOf(' ');
  const second = text.indexOf(' ', first + 1);
  return [text.slice(0, first), text.slice(first + 1, second), text.slice(second + 1)];
}

interface Flight {
  join(signal: AbortSignal | undefined): Promise<CachedRun>;
}

/** @param onOver once nobody may join any more. */
function createFlight(run: (signal: AbortSignal) => Promise<CachedRun>, onOver: () => void): Flight {
  const abort = new AbortController();
  const result = run(abort.signal);
  result.finally(onOver).catch(() => undefined);
  let waiting = 0;
  return {
    async join(signal) {
      waiting += 1;
      const leave = () => {
        waiting -= 1;
        if (waiting > 0) return;
        onOver();
        abort.abort(signal?.reason);
      };
      signal?.addEventListener('abort', leave, { once: true });
      try {
        return await result;
      } finally {
        signal?.removeEventListener('abort', leave);
      }
    },
  };
}

/** Bounded by bytes; the oldest go first. */
function createNearCopies(clock: Clock) {
  const entries = new Map<string, { readonly answer: StoredAnswer; readonly expiresAt: number }>();
  let sizeBytes = 0;
  const drop = (key: string) => {
    const entry = entries.get(key);
    if (!entry) return;
    entries.delete(key);
    sizeBytes -= entry.answer.bytes;
  };
  return {
    get(key: string): StoredAnswer | null {
      const entry = entries.get(key);
      if (!entry) return null;
      if (entry.expiresAt > clock.now()) return entry.answer;
      drop(key);
      return null;
    },
    put(key: string, answer: StoredAnswer, expiresAt: number): void {
      drop(key);
      entries.set(key, { answer, expiresAt });
      sizeBytes += answer.bytes;
      for (const oldest of entries.keys()) {
        if (sizeBytes <= nearBytes) break;
        drop(oldest);
      }
    },
  };
}
