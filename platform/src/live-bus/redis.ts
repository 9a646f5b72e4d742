import { setTimeout as sleep } from 'node:timers/promises';
import { CodedError, type LiveTopic } from '@tributary/schema';
import type { LiveBus, LiveCursor, LiveListener, LiveSubscribeOptions } from '../live-bus.ts';
import type { Logger } from '../logger.ts';
import { openRedisConnection } from '../redis-connection.ts';
import {
  createStreamReader,
  isAfter,
  parseEntry,
  readPositions,
  readStart,
  type StreamStart,
  streamOf,
} from './redis-streams.ts';
import { createTopicListeners, type OnListenerFault, type Placed, type TopicListeners } from './topic-listeners.ts';

export interface RedisLiveBusOptions {
  /** `redis:` or, with TLS, `rediss:`. */
  readonly url: string;
  readonly logger?: Logger;
  readonly onListenerFault?: OnListenerFault | undefined;
  /** Told of each message that was dropped, because the server was away or would not take it. */
  readonly onDropped?: (topic: LiveTopic) => void;
  /** Messages of each topic that the server holds at least. Default 1,000. */
  readonly history?: number | undefined;
  /** Before the keys; for tests that share a server. Default `tributary:live:`. */
  readonly keyPrefix?: string;
}

const retryMs = 100;

/**
 * The live bus over Redis Streams, one for each topic, with a connection of its own for reading. While the server is away
 * what is published is lost; reading goes on after the last message that came. `subscribe` waits for the server.
 *
 * A cursor is the id of a stream entry.
 */
export async function openRedisLiveBus(options: RedisLiveBusOptions): Promise<LiveBus> {
  const { url, logger, onListenerFault, onDropped, history = 1_000, keyPrefix = 'tributary:live:' } = options;
  const commands = openRedisConnection({ url, name: 'live-publisher', logger, whileAway: 'fail' });
  const listeners = createTopicListeners(onListenerFault);
  const closed = new AbortController();
  let reading: Promise<void> | null = null;
  let disposing: Promise<void> | null = null;
  const reader = createStreamReader({ url, logger, keyPrefix, signal: closed.signal, onMessage: listeners.deliver });

  await commands.firstAttempt();
  return {
    publish(topic, message) {
      if (disposing) return;
      const key = streamOf(keyPrefix, topic);
      commands.xadd(key, 'MAXLEN', '~', history, '*', 'm', JSON.stringify(message)).catch(() => onDropped?.(topic));
    },
    async subscribe<T extends LiveTopic>(topic: T, listener: LiveListener<T>, { after }: LiveSubscribeOptions = {}) {
      if (disposing) return () => {};
      const key = streamOf(keyPrefix, topic);
      // It listens before it asks where the stream stands: nothing can slip through between the two.
      const held = holdBack(listeners, topic, listener);
      try {
        reading ??= untilAnswered(() => readPositions(commands, keyPrefix), closed.signal).then((positions) => {
          if (positions) reader.start(positions);
        });
        await reading;
        const start = await untilAnswered(() => readStart(commands, key, after), closed.signal);
        if (!start) held.end();
        else held.release(start);
      } catch (error) {
        held.end();
        throw error;
      }
      return held.end;
    },
    dispose() {
      disposing ??= (async () => {
        listeners.clear();
        closed.abort();
        await Promise.all([commands.close(), reader.dispose()]);
      })();
      return disposing;
    },
  };
}

/** A subscription that collects until it is known where it starts. */
function holdBack<T extends LiveTopic>(listeners: TopicListeners, topic: T, listener: LiveListener<T>) {
  let waiting: Placed<T>[] | null = [];
  let from: LiveCursor = '';
  let ended = false;
  const remove = listeners.add<T>(topic, (message, cursor) => {
    if (waiting) waiting.push({ message, cursor });
    else if (isAfter(cursor, from)) listener(message, cursor);
  });
  return {
    release(start: StreamStart): void {
      from = start.from;
      const newer = waiting?.filter(({ cursor }) => isAfter(cursor, from)) ?? [];
      waiting = null;
      const call = listeners.guarded(listener);
      for (const { message, cursor } of [...start.missed.flatMap((entry) => parseEntry<T>(entry) ?? []), ...newer]) {
        if (!ended) call(message, cursor);
      }
    },
    end(): void {
      ended = true;
      remove();
    },
  };
}

/** What the server answers, however long it is away; null once the bus is closed. */
async function untilAnswered<R>(ask: () => Promise<R>, signal: AbortSignal): Promise<R | null> {
  while (!signal.aborted) {
    try {
      return await ask();
    } catch (error) {
      if (error instanceof CodedError) throw error;
    }
    await sleep(retryMs, undefined, { signal }).catch(() => undefined);
  }
  return null;
}
