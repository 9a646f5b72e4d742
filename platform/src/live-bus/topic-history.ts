import { randomBytes } from 'node:crypto';
import { CodedError, type LiveMessages, type LiveTopic } from '@tributary/schema';
import type { LiveBus, LiveCursor, LiveListener, LiveSubscribeOptions } from '../live-bus.ts';
import { createTopicListeners, type OnListenerFault, type Placed } from './topic-listeners.ts';

export interface TopicHistoryOptions {
  readonly onListenerFault?: OnListenerFault | undefined;
  /** Messages of each topic that are held for those who come back. Default 1,000. */
  readonly history?: number | undefined;
}

/** The listeners of one process and the last messages of each topic: the whole of a live bus but for its way to others. */
export interface TopicHistory {
  /** Holds the message and brings it to the listeners. */
  put<T extends LiveTopic>(topic: T, message: LiveMessages[T]): void;
  readonly subscribe: LiveBus['subscribe'];
  clear(): void;
}

interface Ring {
  readonly held: Placed[];
  /** Number of the newest message; the first one is 1. */
  newest: number;
}

export function createTopicHistory({ onListenerFault, history = 1_000 }: TopicHistoryOptions): TopicHistory {
  const listeners = createTopicListeners(onListenerFault);
  const rings = new Map<LiveTopic, Ring>();
  // Cursors of another process, or of a former one, are known as such.
  const origin = randomBytes(6).toString('hex');

  const ringOf = (topic: LiveTopic): Ring => {
    const ring = rings.get(topic) ?? { held: [], newest: 0 };
    rings.set(topic, ring);
    return ring;
  };

  function messagesAfter(topic: LiveTopic, cursor: LiveCursor): Placed[] {
    const { held, newest } = ringOf(topic);
    const [from, number] = cursor.split('-');
    const missing = newest - Number(number);
    if (from !== origin || !(missing >= 0 && missing <= held.length)) throw new CodedError('CURSOR_EXPIRED');
    return missing === 0 ? [] : held.slice(-missing);
  }

  return {
    put(topic, message) {
      const ring = ringOf(topic);
      ring.newest += 1;
      const placed = { message, cursor: `${origin}-${ring.newest}` };
      ring.held.push(placed);
      if (ring.held.length > history) ring.held.shift();
      listeners.deliver(topic, placed);
    },
    async subscribe<T extends LiveTopic>(topic: T, listener: LiveListener<T>, { after }: LiveSubscribeOptions = {}) {
      const missed = after === undefined ? [] : messagesAfter(topic, after);
      return listeners.add(topic, listener, missed as Placed<T>[]);
    },
    clear() {
      listeners.clear();
      rings.clear();
    },
  };
}
