import type { LiveMessages, LiveTopic } from '@tributary/schema';

/**
 * Fan-out of small "something changed" messages between roles.
 *
 * - Delivery: at most once, to those subscribed at the time, and to those who come back with the cursor of the last one
 *   they got, for as long as what followed it is held (some 1,000 messages of each topic). With Redis, a process that is
 *   behind by more than that misses the oldest. Nothing depends on it for correctness: a reader that missed one is right
 *   again at the next, since totals come from the warehouse.
 * - Ordering: per publisher and topic. All subscribers of an opening get a topic's messages in the order of its cursors.
 * - Cursors: of one topic. Embedded, good in the process that gave them; with Redis, in every process, and after one ended.
 * - `publish` never throws for a missing or slow subscriber, and never waits for one.
 * - Disposal: subscriptions end; idempotent.
 */
export interface LiveBus {
  publish<T extends LiveTopic>(topic: T, message: LiveMessages[T]): void;
  /**
   * Resolves with an unsubscriber once messages published from then on will arrive. With `after`, those that followed that
   * cursor come first; rejects with CURSOR_EXPIRED when some of them may be gone.
   */
  subscribe<T extends LiveTopic>(
    topic: T,
    listener: LiveListener<T>,
    options?: LiveSubscribeOptions,
  ): Promise<() => void>;
  dispose(): Promise<void>;
}

/** Opaque: where a topic stands once a message was taken. Short, and fit for URLs. */
export type LiveCursor = string;

export type LiveListener<T extends LiveTopic> = (message: LiveMessages[T], cursor: LiveCursor) => void;

export interface LiveSubscribeOptions {
  readonly after?: LiveCursor | undefined;
}
