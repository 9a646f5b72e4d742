import { CodedError } from '@tributary/schema';
import type { SubgraphBuilder } from './kit-builder.ts';
import type { StreamBatch } from './stream-hub.ts';
import { parseStreamCursor, type StreamPosition, streamCursorOf } from './stream-position.ts';

type ArgBuilder = Parameters<Parameters<SubgraphBuilder['subscriptionField']>[1]>[0]['arg'];

/** No reader may ask to be told less often than this. */
export const maxIntervalMs = 60_000;

/** `after: String, minIntervalMs: Int! = 0` of a stream. */
export function streamArgs(arg: ArgBuilder) {
  return {
    after: arg.string({
      description:
        'Cursor of the last payload seen: what came since is sent first. Held for 24 hours, then CURSOR_EXPIRED. Without one: from now on, with an empty first payload that holds a cursor.',
    }),
    minIntervalMs: arg.int({
      required: true,
      defaultValue: 0,
      description: `Least milliseconds between two payloads, 0…${maxIntervalMs}. Nothing is skipped: payloads hold more.`,
    }),
  };
}

/** Checks the arguments of a stream. Throws BAD_USER_INPUT and CURSOR_EXPIRED. */
export function parseStreamArgs(
  stream: string,
  appId: string,
  args: { readonly after?: string | null | undefined; readonly minIntervalMs: number },
  nowMs: number,
): {
  readonly after: StreamPosition | null;
  readonly minIntervalMs: number;
  readonly cursorOf: (at: StreamPosition) => string;
} {
  return {
    after: args.after ? parseStreamCursor(stream, appId, args.after, nowMs) : null,
    minIntervalMs: parseInterval(args.minIntervalMs),
    cursorOf: (at) => streamCursorOf(stream, appId, at),
  };
}

/** Checks `minIntervalMs`. Throws BAD_USER_INPUT. */
export function parseInterval(minIntervalMs: number): number {
  if (minIntervalMs >= 0 && minIntervalMs <= maxIntervalMs) return minIntervalMs;
  throw new CodedError('BAD_USER_INPUT', {
    message: `minIntervalMs takes 0…${maxIntervalMs}.`,
    details: { field: 'minIntervalMs' },
  });
}

/** A batch as the payload of a subscription: what came, of which app, and its cursor. */
export interface StreamPayload<T> {
  readonly appId: string;
  readonly values: readonly T[];
  readonly cursor: string;
}

/** An iterator over payloads made of batches. Its `return()` is the source's: it releases at once. */
export function payloadsOf<T, P>(
  batches: AsyncIterableIterator<StreamBatch<T>>,
  payloadOf: (batch: StreamBatch<T>) => P,
): AsyncIterableIterator<P> {
  const mapped = (result: IteratorResult<StreamBatch<T>>): IteratorResult<P> =>
    result.done ? { done: true, value: undefined } : { done: false, value: payloadOf(result.value) };
  const iterator: AsyncIterableIterator<P> = {
    next: async () => mapped(await batches.next()),
    return: async () => {
      await batches.return?.();
      return { done: true, value: undefined };
    },
    throw: async (error) => {
      await batches.return?.();
      throw error;
    },
    [Symbol.asyncIterator]: () => iterator,
  };
  return iterator;
}
