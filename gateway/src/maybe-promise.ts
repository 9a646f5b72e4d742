/** At once where all is in memory: a promise costs the busiest path more than most of its steps do. */
export type MaybePromise<T> = T | Promise<T>;

/** `then`, at once for a value that is there. */
export function thenNow<T, U>(value: MaybePromise<T>, next: (value: T) => MaybePromise<U>): MaybePromise<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}
