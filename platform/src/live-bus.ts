import type { LiveMessages, LiveTopic } from '@tributary/schema';

/**
 * Fan-out of small "something changed" messages between roles.
 *
 * - Delivery: at most once, to those subscribed at the time. Nothing depends on it for correctness: a reader that missed
 *   one is right again at the next, since totals come from the warehouse. (Resume by cursor comes with Redis Streams.)
 * - Ordering: per publisher and topic.
 * - `publish` never throws for a missing or slow subscriber, and never waits for one.
 * - Disposal: subscriptions end; idempotent.
 */
export interface LiveBus {
  publish<T extends LiveTopic>(topic: T, message: LiveMessages[T]): void;
  /** Resolves with an unsubscriber once messages published from then on will arrive. */
  subscribe<T extends LiveTopic>(topic: T, listener: (message: LiveMessages[T]) => void): Promise<() => void>;
  dispose(): Promise<void>;
}
