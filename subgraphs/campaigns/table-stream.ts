import type { LiveBus } from '@tributary/platform/live-bus';
import type { LiveMessages, LiveTopic } from '@tributary/schema';

export interface TableStream<T, K extends LiveTopic> {
  /** Rows after the cursor, in order, up to `limit`. */
  readonly read: (after: bigint, limit: number) => Promise<readonly T[]>;
  readonly sequenceOf: (row: T) => bigint;
  /** Where to begin: the row after this one is the first. */
  readonly after: bigint;
  readonly liveBus: LiveBus;
  readonly topic: K;
  /** Whether a message can mean a row of this stream. */
  readonly concerns: (message: LiveMessages[K]) => boolean;
  /** Looks this often beside the bus, whose messages may get lost. Default 5,000. */
  readonly pollMs?: number;
  /** Whether nothing comes after this row. */
  readonly isLast?: (row: T) => boolean;
  readonly signal?: AbortSignal | undefined;
}

const pageRows = 100;

/**
 * Rows of a table as they come, from a cursor on, each once and none skipped: what is there is read, then the bus or the clock
 * says when to look again. The reader's own pace is the pace: nothing is queued beyond a page.
 *
 * Written by hand because an async generator's `return()` waits for its pending `next()`. Here it releases at once.
 */
export function createTableStream<T, K extends LiveTopic>(stream: TableStream<T, K>): AsyncIterableIterator<T> {
  const { read, sequenceOf, liveBus, topic, concerns, signal, pollMs = 5_000 } = stream;
  let cursor = stream.after;
  let page: readonly T[] = [];
  let ended = false;
  let touched = false;
  let wake: (() => void) | null = null;
  let leave: (() => void) | null = null;
  let joined: Promise<void> | null = null;
  /** Calls of `next` are answered in their order. */
  let turn: Promise<unknown> = Promise.resolve();

  const finish = () => {
    if (ended) return;
    ended = true;
    signal?.removeEventListener('abort', finish);
    leave?.();
    leave = null;
    wake?.();
  };
  /** Listens before the first look, or a row stored between the two would wait for the clock. */
  const join = () => {
    joined ??= liveBus
      .subscribe(topic, (message) => {
        if (!concerns(message)) return;
        touched = true;
        wake?.();
      })
      .then((unsubscribe) => {
        if (ended) unsubscribe();
        else leave = unsubscribe;
      });
    return joined;
  };
  const rest = () =>
    new Promise<void>((resolve) => {
      if (ended || touched) return resolve();
      const timer = setTimeout(done, pollMs);
      function done() {
        clearTimeout(timer);
        wake = null;
        resolve();
      }
      wake = done;
    });
  const advance = async (): Promise<IteratorResult<T>> => {
    try {
      await join();
      for (;;) {
        if (ended) return { done: true, value: undefined };
        const [row, ...others] = page;
        if (row !== undefined) {
          page = others;
          cursor = sequenceOf(row);
          if (stream.isLast?.(row)) finish();
          return { done: false, value: row };
        }
        touched = false;
        page = await read(cursor, pageRows);
        if (page.length === 0) await rest();
      }
    } catch (error) {
      finish();
      throw error;
    }
  };
  const iterator: AsyncIterableIterator<T> = {
    next() {
      const mine = turn.then(advance);
      turn = mine.catch(() => undefined);
      return mine;
    },
    return() {
      page = [];
      finish();
      return Promise.resolve({ done: true, value: undefined });
    },
    throw(error) {
      finish();
      return Promise.reject(error);
    },
    [Symbol.asyncIterator]() {
      return iterator;
    },
  };
  if (signal?.aborted) finish();
  else signal?.addEventListener('abort', finish);
  return iterator;
}
