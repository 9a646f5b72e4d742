import type { LiveMessages, LiveTopic } from '@tributary/schema';
import type { LiveBus } from '../live-bus.ts';
import { createTopicListeners, type OnListenerFault } from './topic-listeners.ts';

export interface MemoryLiveBusOptions {
  readonly onListenerFault?: OnListenerFault | undefined;
}

/** The live bus within one process. */
export function createMemoryLiveBus({ onListenerFault }: MemoryLiveBusOptions = {}): LiveBus {
  const listeners = createTopicListeners(onListenerFault);
  let disposed = false;
  return {
    publish(topic, message) {
      if (!disposed) listeners.deliver(topic, message);
    },
    async subscribe<T extends LiveTopic>(topic: T, listener: (message: LiveMessages[T]) => void) {
      return disposed ? () => {} : listeners.add(topic, listener);
    },
    async dispose() {
      disposed = true;
      listeners.clear();
    },
  };
}
