import { CodedError, type LiveMessages, type LiveTopic } from '@tributary/schema';
import type { Redis } from 'ioredis';
import type { LiveCursor } from '../live-bus.ts';
import type { Logger } from '../logger.ts';
import { openRedisConnection } from '../redis-connection.ts';
import type { Placed, TopicListeners } from './topic-listeners.ts';
import { liveTopics } from './topics.ts';

export type StreamEntry = readonly [id: string, fields: readonly string[]];

/** Where a subscription starts. */
export interface StreamStart {
  /** What is newer than this comes from the reader. */
  readonly from: LiveCursor;
  /** Entries between the cursor that was given and `from`. */
  readonly missed: readonly StreamEntry[];
}

const beginning = '0-0';
const blockMs = 2_000;
/** A connection that nothing came from for so long is taken for dead, and made anew. */
const silentMs = 10_000;
const entriesPerRead = 1_000;

export function streamOf(keyPrefix: string, topic: LiveTopic): string {
  return `${keyPrefix}${topic}`;
}

/** Whether the entry of one id is newer than that of another. */
export function isAfter(id: string, than: string): boolean {
  const [ms = 0, sequence = 0] = id.split('-').map(Number);
  const [thanMs = 0, thanSequence = 0] = than.split('-').map(Number);
  return ms > thanMs || (ms === thanMs && sequence > thanSequence);
}

/** null for an entry that holds no JSON object. */
export function parseEntry<T extends LiveTopic>([cursor, [, text = '']]: StreamEntry): Placed<T> | null {
  try {
    const message: unknown = JSON.parse(text);
    return typeof message === 'object' && message !== null ? { message: message as LiveMessages[T], cursor } : null;
  } catch {
    return null;
  }
}

/** The id of the newest entry of each topic's stream. */
export async function readPositions(redis: Redis, keyPrefix: string): Promise<Map<LiveTopic, LiveCursor>> {
  const newest = await Promise.all(
    liveTopics.map((topic) => redis.xrevrange(streamOf(keyPrefix, topic), '+', '-', 'COUNT', 1)),
  );
  return new Map(liveTopics.map((topic, index) => [topic, newest[index]?.[0]?.[0] ?? beginning]));
}

/**
 * In one transaction, so that nothing is trimmed between the question whether the cursor is held and the answer what
 * follows it. Rejects with CURSOR_EXPIRED.
 */
export async function readStart(redis: Redis, key: string, after: LiveCursor | undefined): Promise<StreamStart> {
  if (after === undefined) {
    const newest = await redis.xrevrange(key, '+', '-', 'COUNT', 1);
    return { from: newest[0]?.[0] ?? beginning, missed: [] };
  }
  if (!/^\d{1,15}-\d{1,15}$/.test(after)) throw new CodedError('CURSOR_EXPIRED');
  const answers = await redis
    .multi()
    .xrange(key, '-', '+', 'COUNT', 1)
    .xrevrange(key, '+', '-', 'COUNT', 1)
    .xrange(key, `(${after}`, '+')
    .exec();
  const [oldest, newest, missed] = (answers ?? []).map(([error, entries]) => {
    if (error) throw error;
    return entries as StreamEntry[];
  });
  const [oldestId, newestId] = [oldest?.[0]?.[0], newest?.[0]?.[0]];
  // A newest one before the cursor is that of a stream which was lost and begun again.
  if (!oldestId || !newestId || isAfter(oldestId, after) || isAfter(after, newestId)) {
    throw new CodedError('CURSOR_EXPIRED');
  }
  return { from: newestId, missed: missed ?? [] };
}

export interface StreamReader {
  start(positions: ReadonlyMap<LiveTopic, LiveCursor>): void;
  dispose(): Promise<void>;
}

interface StreamReaderOptions {
  readonly url: string;
  readonly logger: Logger | undefined;
  readonly keyPrefix: string;
  readonly signal: AbortSignal;
  readonly onMessage: TopicListeners['deliver'];
}

/** Reads all topics with one blocking command at a time, on a connection that nothing else waits for. */
export function createStreamReader({ url, logger, keyPrefix, signal, onMessage }: StreamReaderOptions): StreamReader {
  let redis: Redis | null = null;
  let running: Promise<void> = Promise.resolve();
  const topics = new Map(liveTopics.map((topic) => [streamOf(keyPrefix, topic), topic]));

  function take(positions: Map<LiveTopic, LiveCursor>, key: string, entries: readonly StreamEntry[]): void {
    const topic = topics.get(key);
    if (!topic) return;
    for (const entry of entries) {
      positions.set(topic, entry[0]);
      const placed = parseEntry(entry);
      if (placed) onMessage(topic, placed);
      else logger?.warn({ topic }, 'A live message that is no JSON object was dropped.');
    }
  }

  async function read(connection: Redis, positions: Map<LiveTopic, LiveCursor>): Promise<void> {
    const silence = setTimeout(() => connection.disconnect(true), silentMs);
    try {
      const ids = [...topics.values()].map((topic) => positions.get(topic) ?? beginning);
      const answer = await connection.xread(
        'COUNT',
        entriesPerRead,
        'BLOCK',
        blockMs,
        'STREAMS',
        ...topics.keys(),
        ...ids,
      );
      for (const [key, entries] of answer ?? []) take(positions, key, entries);
    } catch (error) {
      if (!signal.aborted) logger?.warn({ err: error }, 'The live streams could not be read; trying again.');
    } finally {
      clearTimeout(silence);
    }
  }

  return {
    start(given) {
      if (signal.aborted) return;
      const connection = openRedisConnection({ url, name: 'live-reader', logger, whileAway: 'wait' });
      redis = connection;
      const positions = new Map(given);
      running = (async () => {
        while (!signal.aborted) await read(connection, positions);
      })();
    },
    async dispose() {
      // Not gently: it would wait for the command that waits.
      redis?.disconnect();
      await running;
    },
  };
}
