/**
 * The same values, at most one each `minIntervalMs`. For sources that hold the latest: what comes between is theirs to skip.
 * Written by hand, as they are, so that `return()` releases at once though a pause runs.
 */
export function paceIterator<T>(source: AsyncIterableIterator<T>, minIntervalMs: number): AsyncIterableIterator<T> {
  if (minIntervalMs <= 0) return source;
  let notBefore = 0;
  let endPause: (() => void) | null = null;
  let ended = false;
  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  const end = () => {
    ended = true;
    endPause?.();
  };
  const iterator: AsyncIterableIterator<T> = {
    async next() {
      const waitMs = notBefore - performance.now();
      if (waitMs > 0 && !ended) await pause(waitMs);
      if (ended) return { done: true, value: undefined };
      const result = await source.next();
      notBefore = performance.now() + minIntervalMs;
      return result;
    },
    async return() {
      end();
      await source.return?.();
      return { done: true, value: undefined };
    },
    async throw(error) {
      end();
      await source.return?.();
      throw error;
    },
    [Symbol.asyncIterator]: () => iterator,
  };
  return iterator;
}
