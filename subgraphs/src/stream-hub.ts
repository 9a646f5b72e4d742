import type { Logger } from '@tributary/platform/logger';
import { CodedError } from '@tributary/schema';
import { comparePositions, type StreamPosition } from './stream-position.ts';

export interface StreamRow<T> {
  readonly position: StreamPosition;
  readonly value: T;
}

/** Where a stream comes from: the warehouse for what, the live bus for when. */
export interface StreamSource<T> {
  /** What is settled after a position, oldest first, at most `limit`. Rows that may still appear before others are not. */
  read(after: StreamPosition, limit: number, signal: AbortSignal): Promise<readonly StreamRow<T>[]>;
  /** Up to when rows are settled now, epoch ms: where a reader without a cursor begins. */
  horizon(signal: AbortSignal): Promise<number>;
  /** Calls back when there may be something new; resolves with the way to end it. */
  subscribe(wake: () => void): Promise<() => void>;
}

export interface StreamBatch<T> {
  readonly values: readonly T[];
  /** Of the last one, or where the stream was when it began empty. */
  readonly position: StreamPosition;
}

export interface StreamOptions {
  /** null = from now on; the first batch is then empty and tells the position. */
  readonly after: StreamPosition | null;
  /** Least time between two batches. */
  readonly minIntervalMs: number;
  readonly cursorOf: (position: StreamPosition) => string;
  readonly signal?: AbortSignal | undefined;
}

export interface StreamHubDeps {
  readonly logger: Logger;
  /** Rows become readable this long after they were stored; a wake is followed by reads until then. */
  readonly settleMs: number;
  /** Default 250. */
  readonly intervalMs?: number;
  /** A read at least this often though nothing woke it, since the bus may drop. Default 2,000. */
  readonly idleMs?: number;
  /** Rows that a reader may leave unread before it is ended with SUBSCRIBER_TOO_SLOW. Default 2,000. */
  readonly queueRows?: number;
}

/**
 * Streams that never skip and never repeat. Readers of the same thing share one tail; each first reads on its own, at its
 * own pace, from its cursor to where the tail is. Positions are those of the warehouse, so that they outlive this process.
 */
export interface StreamHub {
  /** `key` must hold the tenant, the partner and all that changes what `source` reads. */
  subscribe<T>(key: string, source: StreamSource<T>, options: StreamOptions): AsyncIterableIterator<StreamBatch<T>>;
  /** Tails ever opened and closed, readers now. */
  counts(): { readonly opened: number; readonly closed: number; readonly readers: number };
  dispose(): void;
}

const pageRows = 500;
const batchRows = 100;

interface Sink<T> {
  push(rows: readonly StreamRow<T>[]): void;
  fail(error: unknown): void;
}

interface Tail<T> {
  position: StreamPosition;
  readonly sinks: Set<Sink<T>>;
  close(): void;
}

export function createStreamHub(deps: StreamHubDeps): StreamHub {
  const tails = new Map<string, Tail<unknown>>();
  const readers = new Set<{ end(): void }>();
  const count = { opened: 0, closed: 0 };
  const join = <T>(key: string, source: StreamSource<T>, at: StreamPosition, sink: Sink<T>) => {
    let tail = tails.get(key) as Tail<T> | undefined;
    if (!tail) {
      count.opened += 1;
      tail = openTail(deps, source, at, () => {
        count.closed += 1;
        tails.delete(key);
      });
      tails.set(key, tail as Tail<unknown>);
    }
    const joined = tail;
    joined.sinks.add(sink);
    return () => {
      joined.sinks.delete(sink);
      if (joined.sinks.size === 0) joined.close();
    };
  };
  return {
    subscribe(key, source, options) {
      const reader = createReader({
        source,
        options,
        queueRows: deps.queueRows ?? 2_000,
        tailPosition: () => tails.get(key)?.position ?? null,
        join: (at, sink) => join(key, source, at, sink),
        onEnd: () => readers.delete(reader),
      });
      readers.add(reader);
      return reader.iterator;
    },
    counts: () => ({ ...count, readers: readers.size }),
    dispose() {
      for (const reader of [...readers]) reader.end();
    },
  };
}

/** Reads on and on behind the settled horizon and hands each page to all sinks. */
function openTail<T>(deps: StreamHubDeps, source: StreamSource<T>, from: StreamPosition, onClose: () => void): Tail<T> {
  const abort = new AbortController();
  const intervalMs = deps.intervalMs ?? 250;
  let timer: NodeJS.Timeout | undefined;
  let working = false;
  let wokenAt = Number.NEGATIVE_INFINITY;
  let unsubscribe: (() => void) | null = null;
  const tail: Tail<T> = {
    position: from,
    sinks: new Set(),
    close() {
      if (abort.signal.aborted) return;
      abort.abort();
      clearTimeout(timer);
      unsubscribe?.();
      onClose();
    },
  };
  const schedule = () => {
    if (abort.signal.aborted || working) return;
    clearTimeout(timer);
    const busy = performance.now() - wokenAt < deps.settleMs + 2 * intervalMs;
    timer = setTimeout(run, busy ? intervalMs : (deps.idleMs ?? 2_000));
  };
  const run = async () => {
    working = true;
    try {
      for (let full = true; full && !abort.signal.aborted; ) {
        const rows = await source.read(tail.position, pageRows, abort.signal);
        if (abort.signal.aborted) return;
        full = rows.length === pageRows;
        const last = rows.at(-1);
        if (!last) break;
        tail.position = last.position;
        for (const sink of [...tail.sinks]) sink.push(rows);
      }
    } catch (error) {
      if (!abort.signal.aborted) deps.logger.warn({ err: error }, 'a live stream could not be read; it is tried again');
    } finally {
      working = false;
      schedule();
    }
  };
  source
    .subscribe(() => {
      wokenAt = performance.now();
      schedule();
    })
    .then((leave) => {
      if (abort.signal.aborted) return leave();
      unsubscribe = leave;
    })
    .catch((error) => {
      for (const sink of [...tail.sinks]) sink.fail(error);
    });
  // A wake may have come before the tail was open: read once at once.
  wokenAt = performance.now();
  schedule();
  return tail;
}

interface ReaderDeps<T> {
  readonly source: StreamSource<T>;
  readonly options: StreamOptions;
  readonly queueRows: number;
  readonly tailPosition: () => StreamPosition | null;
  readonly join: (at: StreamPosition, sink: Sink<T>) => () => void;
  readonly onEnd: () => void;
}

type Waiter<T> = { resolve(result: IteratorResult<StreamBatch<T>>): void; reject(error: unknown): void };

/**
 * One reader's iterator, by hand: an async generator's `return()` would wait for its pending `next()`. It reads only when
 * asked until it has caught up, so a backlog of any length takes no memory; then the tail fills its bounded queue. Long
 * because its parts share one small state: who waits, what is queued, where it is.
 */
function createReader<T>(deps: ReaderDeps<T>): {
  readonly iterator: AsyncIterableIterator<StreamBatch<T>>;
  end(): void;
} {
  const { source, options } = deps;
  const abort = new AbortController();
  const queue: StreamRow<T>[] = [];
  let position = options.after;
  let delivered = options.after;
  let leave: (() => void) | null = null;
  let waiter: Waiter<T> | null = null;
  let failure: { readonly error: unknown } | null = null;
  let notBefore = 0;
  let timer: NodeJS.Timeout | undefined;
  let filling = false;

  const end = () => {
    if (abort.signal.aborted) return;
    abort.abort();
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', end);
    leave?.();
    queue.length = 0;
    deps.onEnd();
    waiter?.resolve({ done: true, value: undefined });
    waiter = null;
  };
  const fail = (error: unknown) => {
    if (abort.signal.aborted) return;
    const waiting = waiter;
    waiter = null;
    if (waiting) waiting.reject(error);
    else failure = { error };
    end();
  };
  const sink: Sink<T> = {
    fail,
    push(rows) {
      const fresh = rows.filter((row) => comparePositions(row.position, position as StreamPosition) > 0);
      if (queue.length + fresh.length > deps.queueRows) {
        const cursor = delivered === null ? null : options.cursorOf(delivered);
        return fail(new CodedError('SUBSCRIBER_TOO_SLOW', { details: { cursor } }));
      }
      queue.push(...fresh);
      settle();
    },
  };
  const hand = (values: readonly T[], at: StreamPosition) => {
    const waiting = waiter as Waiter<T>;
    waiter = null;
    delivered = at;
    notBefore = performance.now() + options.minIntervalMs;
    waiting.resolve({ done: false, value: { values, position: at } });
  };
  /** Answers who waits, if there is something and it is time. */
  const settle = () => {
    if (!waiter || queue.length === 0 || abort.signal.aborted) return;
    const waitMs = notBefore - performance.now();
    clearTimeout(timer);
    if (waitMs > 0) {
      timer = setTimeout(settle, waitMs);
      return;
    }
    const rows = queue.splice(0, batchRows);
    hand(
      rows.map((row) => row.value),
      (rows.at(-1) as StreamRow<T>).position,
    );
  };
  /** Reads pages until one has something, or there is nothing and the tail takes over. */
  const catchUp = async () => {
    if (filling || leave) return;
    filling = true;
    try {
      if (position === null) {
        position = [await source.horizon(abort.signal), '', 0];
        if (!abort.signal.aborted && waiter) hand([], position);
        return;
      }
      while (!abort.signal.aborted && queue.length === 0 && !leave) {
        const tailBefore = deps.tailPosition();
        const rows = await source.read(position, batchRows, abort.signal);
        if (abort.signal.aborted) return;
        position = rows.at(-1)?.position ?? position;
        queue.push(...rows);
        const tailNow = deps.tailPosition();
        // What the tail handed out meanwhile would be missed: then read again.
        const unmoved = tailNow === null || tailNow === tailBefore || comparePositions(tailNow, position) <= 0;
        if (rows.length < batchRows && unmoved) leave = deps.join(position, sink);
      }
      settle();
    } catch (error) {
      if (!abort.signal.aborted) fail(error);
    } finally {
      filling = false;
    }
  };
  const iterator: AsyncIterableIterator<StreamBatch<T>> = {
    next() {
      if (failure) {
        const { error } = failure;
        failure = null;
        return Promise.reject(error);
      }
      if (abort.signal.aborted) return Promise.resolve({ done: true, value: undefined });
      return new Promise((resolve, reject) => {
        waiter = { resolve, reject };
        settle();
        if (queue.length === 0) void catchUp();
      });
    },
    return() {
      failure = null;
      end();
      return Promise.resolve({ done: true, value: undefined });
    },
    throw(error) {
      end();
      return Promise.reject(error);
    },
    [Symbol.asyncIterator]: () => iterator,
  };
  if (options.signal?.aborted) end();
  else options.signal?.addEventListener('abort', end);
  return { iterator, end };
}
