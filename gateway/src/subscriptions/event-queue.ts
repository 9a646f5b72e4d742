/** The two ends of a bounded queue between a producer that pushes and a consumer that iterates. */
export interface EventQueue<T> {
  /** False when the queue is full or over; the item is not taken then. `force` takes it beyond the capacity. */
  push(item: T, options?: { readonly force?: boolean }): boolean;
  /** What is queued, then `last` if given, is still delivered; then the iterator is done. */
  finish(last?: T): void;
  /** Delivers what is queued, then rejects one `next()`. */
  fail(error: unknown): void;
  /** Drops what is queued. */
  clear(): void;
  readonly iterator: AsyncIterableIterator<T>;
}

export interface EventQueueOptions {
  readonly capacity: number;
  /** The consumer waits and nothing is queued. */
  readonly onIdle?: () => void;
  /** Once, when the consumer returns or the producer finishes or fails. */
  readonly onEnd?: () => void;
}

/**
 * A hand-written async iterator. An async generator would not do: its `return()` waits for the pending `next()`, so a consumer
 * that leaves a quiet stream would never release it.
 * Over 50 lines: one closure, whose parts share this state.
 */
export function createEventQueue<T>(options: EventQueueOptions): EventQueue<T> {
  const items: T[] = [];
  const waiting: PromiseWithResolvers<IteratorResult<T>>[] = [];
  let ended = false;
  let failure: { readonly error: unknown } | null = null;
  const done: IteratorResult<T> = { done: true, value: undefined };

  function end(): void {
    if (ended) return;
    ended = true;
    options.onEnd?.();
  }
  function settleWaiting(): void {
    for (const waiter of waiting.splice(0)) {
      if (failure) {
        waiter.reject(failure.error);
        failure = null;
      } else waiter.resolve(done);
    }
  }

  return {
    push(item, { force = false } = {}) {
      if (ended) return false;
      const waiter = waiting.shift();
      if (waiter) waiter.resolve({ done: false, value: item });
      else if (items.length < options.capacity || force) items.push(item);
      else return false;
      return true;
    },
    finish(last) {
      if (ended) return;
      if (last !== undefined) {
        const waiter = waiting.shift();
        if (waiter) waiter.resolve({ done: false, value: last });
        else items.push(last);
      }
      end();
      settleWaiting();
    },
    fail(error) {
      if (ended) return;
      failure = { error };
      end();
      settleWaiting();
    },
    clear: () => void items.splice(0),
    iterator: {
      async next() {
        const item = items.shift();
        if (item !== undefined) return { done: false, value: item };
        if (ended) {
          const failed = failure;
          failure = null;
          if (failed) throw failed.error;
          return done;
        }
        const waiter = Promise.withResolvers<IteratorResult<T>>();
        waiting.push(waiter);
        options.onIdle?.();
        return waiter.promise;
      },
      async return() {
        items.splice(0);
        failure = null;
        end();
        settleWaiting();
        return done;
      },
      async throw(error) {
        items.splice(0);
        end();
        settleWaiting();
        throw error;
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    },
  };
}
