import type { LiveBus } from '../live-bus.ts';
import { createTopicHistory, type TopicHistoryOptions } from './topic-history.ts';

export type MemoryLiveBusOptions = TopicHistoryOptions;

/** The live bus within one process. */
export function createMemoryLiveBus(options: MemoryLiveBusOptions = {}): LiveBus {
  const topics = createTopicHistory(options);
  let disposed = false;
  return {
    publish(topic, message) {
      if (!disposed) topics.put(topic, message);
    },
    subscribe: async (topic, listener, subscribeOptions) =>
      disposed ? () => {} : topics.subscribe(topic, listener, subscribeOptions),
    async dispose() {
      disposed = true;
      topics.clear();
    },
  };
}
