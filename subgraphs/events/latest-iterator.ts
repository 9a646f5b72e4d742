/** Where a source puts what subscribers should see. */
export interface LatestSink<T> {
  push(value: T): void;
  /** Ends the iteration with an error. */
  fail(error: unknown): void;
  /** Ends the iteration. */
  end(): void;
}

/**
 * An iterator that holds at most one value, the latest: a slow reader skips what it was too slow for. For values that are
 * totals, never for deltas.
 *
 * Written by hand because an async generator's `return()` waits for its pending `next()`, and would hold the source open
 * until the next value comes. Here `return()` releases at once, and so does the signal.
 *
 * @param open Starts the source; returns its release, which is called exactly once.
 */
export function createLatestIterator<T>(
  open: (sink: LatestSink<T>) => () => void,
  signal?: AbortSignal,
): AsyncIterableIterator<T> {
  const waiting: { resolve: (result: IteratorResult<T>) => void; reject: (error: unknown) => void }[] = [];
  let held: { readonly value: T } | null = null;
  let failure: { readonly error: unknown } | null = null;
  let ended = false;
  let release: (() => void) | null = null;

  const finish = () => {
    if (ended) return;
    ended = true;
    signal?.removeEventListener('abort', finish);
    release?.();
    for (const waiter of waiting.splice(0)) waiter.resolve({ done: true, value: undefined });
  };
  const iterator: AsyncIterableIterator<T> = {
    next() {
      if (held) {
        const { value } = held;
        held = null;
        return Promise.resolve({ done: false, value });
      }
      if (failure) {
        const { error } = failure;
        failure = null;
        return Promise.reject(error);
      }
      if (ended) return Promise.resolve({ done: true, value: undefined });
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    return() {
      held = null;
      failure = null;
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
  const opened = open({
    push(value) {
      if (ended) return;
      const waiter = waiting.shift();
      if (waiter) waiter.resolve({ done: false, value });
      else held = { value };
    },
    fail(error) {
      if (ended) return;
      const waiter = waiting.shift();
      if (waiter) waiter.reject(error);
      else failure = { error };
      finish();
    },
    end: finish,
  });
  if (ended) opened();
  else release = opened;
  if (signal?.aborted) finish();
  else signal?.addEventListener('abort', finish);
  return iterator;
}
