import type { LiveMessages, LiveTopic } from '@tributary/schema';

type Listener = (message: never) => void;

/** Told of what a listener threw; default: a warning of the process. */
export type OnListenerFault = (error: unknown) => void;

/** Who listens to what within one process: what the live bus adapters share. */
export interface TopicListeners {
  /** Adds one subscription and returns its unsubscriber; the same function added twice is called twice. */
  add<T extends LiveTopic>(topic: T, listener: (message: LiveMessages[T]) => void): () => void;
  /** Calls each listener in a microtask of its own: a throwing one costs neither the publisher nor its neighbours. */
  deliver<T extends LiveTopic>(topic: T, message: LiveMessages[T]): void;
  clear(): void;
}

export function createTopicListeners(onFault: OnListenerFault = warn): TopicListeners {
  const byTopic = new Map<LiveTopic, Set<{ readonly listener: Listener }>>();
  return {
    add(topic, listener) {
      const entry = { listener: listener as Listener };
      const entries = byTopic.get(topic) ?? new Set();
      byTopic.set(topic, entries.add(entry));
      return () => {
        entries.delete(entry);
        if (entries.size === 0 && byTopic.get(topic) === entries) byTopic.delete(topic);
      };
    },
    deliver(topic, message) {
      for (const entry of byTopic.get(topic) ?? []) {
        queueMicrotask(() => {
          // It may have unsubscribed since.
          if (!byTopic.get(topic)?.has(entry)) return;
          try {
            entry.listener(message as never);
          } catch (error) {
            onFault(error);
          }
        });
      }
    },
    clear: () => byTopic.clear(),
  };
}

function warn(error: unknown): void {
  process.emitWarning(`A listener of the live bus threw: ${error instanceof Error ? error.stack : String(error)}`);
}
