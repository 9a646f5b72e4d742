import type { LiveMessages, LiveTopic } from '@tributary/schema';
import type { LiveCursor, LiveListener } from '../live-bus.ts';

/** Told of what a listener threw; default: a warning of the process. */
export type OnListenerFault = (error: unknown) => void;

/** A message and where it stands. */
export interface Placed<T extends LiveTopic = LiveTopic> {
  readonly message: LiveMessages[T];
  readonly cursor: LiveCursor;
}

/** Who listens to what within one process: what the live bus adapters share. */
export interface TopicListeners {
  /**
   * Adds one subscription and returns its unsubscriber; the same function added twice is called twice. `missed` are
   * delivered to it before anything else.
   */
  add<T extends LiveTopic>(topic: T, listener: LiveListener<T>, missed?: readonly Placed<T>[]): () => void;
  /** Calls each listener in a microtask of its own: a throwing one costs neither the publisher nor its neighbours. */
  deliver<T extends LiveTopic>(topic: T, placed: Placed<T>): void;
  /** The listener in a form that never throws: what it throws is told as a fault. */
  guarded<T extends LiveTopic>(listener: LiveListener<T>): LiveListener<T>;
  clear(): void;
}

type Listener = (message: never, cursor: LiveCursor) => void;

export function createTopicListeners(onFault: OnListenerFault = warn): TopicListeners {
  const byTopic = new Map<LiveTopic, Set<{ readonly listener: Listener }>>();
  const guarded = <T extends LiveTopic>(listener: LiveListener<T>): LiveListener<T> => {
    return (message, cursor) => {
      try {
        listener(message, cursor);
      } catch (error) {
        onFault(error);
      }
    };
  };
  const callSoon = (topic: LiveTopic, entry: { readonly listener: Listener }, { message, cursor }: Placed): void => {
    queueMicrotask(() => {
      // It may have unsubscribed since.
      if (byTopic.get(topic)?.has(entry)) entry.listener(message as never, cursor);
    });
  };
  return {
    add(topic, listener, missed = []) {
      const entry = { listener: guarded(listener) as Listener };
      const entries = byTopic.get(topic) ?? new Set();
      byTopic.set(topic, entries.add(entry));
      for (const placed of missed) callSoon(topic, entry, placed);
      return () => {
        entries.delete(entry);
        if (entries.size === 0 && byTopic.get(topic) === entries) byTopic.delete(topic);
      };
    },
    deliver(topic, placed) {
      for (const entry of byTopic.get(topic) ?? []) callSoon(topic, entry, placed);
    },
    guarded,
    clear: () => byTopic.clear(),
  };
}

function warn(error: unknown): void {
  process.emitWarning(`A listener of the live bus threw: ${error instanceof Error ? error.stack : String(error)}`);
}
