import type { LiveMessages, LiveTopic } from '@tributary/schema';
import type { LiveBus } from '../live-bus.ts';
import type { Logger } from '../logger.ts';
import { openRedisConnection } from '../redis-connection.ts';
import { createTopicListeners, type OnListenerFault } from './topic-listeners.ts';
import { isLiveTopic } from './topics.ts';

export interface RedisLiveBusOptions {
  /** `redis:` or, with TLS, `rediss:`. */
  readonly url: string;
  readonly logger?: Logger;
  readonly onListenerFault?: OnListenerFault | undefined;
  /** Told of each message that was dropped, because the server was away or would not take it. */
  readonly onDropped?: (topic: LiveTopic) => void;
}

const channelPrefix = 'tributary:live:';

/**
 * The live bus over Redis pub/sub, with a connection of its own for subscribing. While the server is away messages are
 * lost; subscriptions are made again when it is back. `subscribe` waits for the server.
 */
export async function openRedisLiveBus(options: RedisLiveBusOptions): Promise<LiveBus> {
  const { url, logger, onListenerFault, onDropped } = options;
  const publisher = openRedisConnection({ url, name: 'live-publisher', logger, whileAway: 'fail' });
  const subscriber = openRedisConnection({ url, name: 'live-subscriber', logger, whileAway: 'wait' });
  const listeners = createTopicListeners(onListenerFault);
  const closed = Promise.withResolvers<void>();
  let disposing: Promise<void> | null = null;

  subscriber.on('message', (channel: string, text: string) => {
    const topic = channel.slice(channelPrefix.length);
    if (!isLiveTopic(topic)) return;
    const message = parseMessage(text);
    if (message) listeners.deliver(topic, message);
    else logger?.warn({ topic }, 'A live message that is no JSON object was dropped.');
  });

  await publisher.firstAttempt();
  return {
    publish(topic, message) {
      if (disposing) return;
      publisher.publish(`${channelPrefix}${topic}`, JSON.stringify(message)).catch(() => onDropped?.(topic));
    },
    async subscribe<T extends LiveTopic>(topic: T, listener: (message: LiveMessages[T]) => void) {
      if (disposing) return () => {};
      const channel = `${channelPrefix}${topic}`;
      // A connection that is closed while it waits for the server never settles its commands.
      await Promise.race([subscriber.subscribe(channel), closed.promise]);
      if (disposing) return () => {};
      // The channel stays subscribed for as long as the bus is open: an UNSUBSCRIBE could overtake a SUBSCRIBE of the same
      // topic that is under way, and what it would save are a few small messages.
      return listeners.add(topic, listener);
    },
    dispose() {
      disposing ??= (async () => {
        listeners.clear();
        closed.resolve();
        await Promise.all([publisher.close(), subscriber.close()]);
      })();
      return disposing;
    },
  };
}

function parseMessage(text: string): LiveMessages[LiveTopic] | null {
  try {
    const message: unknown = JSON.parse(text);
    return typeof message === 'object' && message !== null ? (message as LiveMessages[LiveTopic]) : null;
  } catch {
    return null;
  }
}
