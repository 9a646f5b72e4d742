import type { Relational, RelationalReader } from './client.ts';

/**
 * `directory`: what the directory snapshot is made of (apps, keys, links, campaigns, goals). `mirrors`: what the warehouse
 * mirrors (campaigns, costs).
 */
export type ChangeTopic = 'directory' | 'mirrors';

/**
 * Makes a change and counts it in one transaction, so that whoever sees the count sees the change. Every write to what a
 * topic names goes through here. Writers of one topic commit one after another.
 */
export async function withChange<T>(
  relational: Relational,
  topics: readonly ChangeTopic[],
  work: (transaction: RelationalReader) => Promise<T>,
): Promise<T> {
  const result = await relational.transact(async (transaction) => {
    const made = await work(transaction);
    await countChange(transaction, topics);
    return made;
  });
  relational.announceCommit();
  return result;
}

/**
 * Counts a change; the last statement of its transaction, so that the counters' row locks are held shortly. In a fixed
 * order, so that two writers can't deadlock.
 */
export async function countChange(transaction: RelationalReader, topics: readonly ChangeTopic[]): Promise<void> {
  for (const topic of [...new Set(topics)].sort()) {
    await transaction.changeCounter.update({ where: { topic }, data: { count: { increment: 1 } } });
  }
}

/** `firings`: alerts that fired. `jobs`: states of jobs. */
export type StreamTopic = 'firings' | 'jobs';

/**
 * The next number of a stream. The counter's row stays locked until the commit: whoever reads number n can be sure that all
 * below are there or never will be. Take it late in the transaction, and not two streams' in one.
 */
export async function nextSequence(transaction: RelationalReader, topic: StreamTopic): Promise<bigint> {
  const row = await transaction.changeCounter.update({ where: { topic }, data: { count: { increment: 1 } } });
  return row.count;
}

/** The last number that a stream gave out. */
export async function lastSequence(reader: RelationalReader, topic: StreamTopic): Promise<bigint> {
  return (await reader.changeCounter.findUniqueOrThrow({ where: { topic } })).count;
}

/** How often a topic was changed. Below 2^53: it began at the store's creation in epoch ms. */
export async function readCount(reader: RelationalReader, topic: ChangeTopic): Promise<number> {
  const row = await reader.changeCounter.findUniqueOrThrow({ where: { topic } });
  return Number(row.count);
}

export interface ChangeWatch {
  /** Looks now; resolves when a look that began after this call is done. Rejects with its fault. */
  check(): Promise<void>;
  /** Waits for the look under way. Idempotent. */
  dispose(): Promise<void>;
}

export interface WatchOptions {
  readonly relational: Relational;
  readonly topic: ChangeTopic;
  /** How soon a change by another process is found. */
  readonly pollMs: number;
  /** Called when the count differs from that of the last call that resolved. Never twice at once. */
  readonly onChange: (count: number) => Promise<void>;
  /** Faults of looks that nobody waits for; the next one tries again. */
  readonly onFault: (fault: unknown) => void;
}

/** Watches a topic: at once for changes of this process, by polling for others'. The first look is the caller's `check`. */
export function watchChanges(options: WatchOptions): ChangeWatch {
  const { relational, topic, pollMs, onChange, onFault } = options;
  let seen: number | null = null;
  let running: Promise<void> | null = null;
  let waiting: Promise<void> | null = null;
  let stopped = false;

  async function look(): Promise<void> {
    if (stopped) return;
    const count = await readCount(relational.client, topic);
    if (count === seen) return;
    await onChange(count);
    seen = count;
  }

  /** At most one look runs and one waits: whoever asks meanwhile shares the one that waits. */
  function check(): Promise<void> {
    if (waiting) return waiting;
    const begin = () => {
      waiting = null;
      const current = look().finally(() => {
        if (running === current) running = null;
      });
      running = current;
      return current;
    };
    if (!running) return begin();
    waiting = running.then(begin, begin);
    return waiting;
  }

  const lookUnawaited = () => void check().catch(onFault);
  const unsubscribe = relational.onCommitted(lookUnawaited);
  const timer = setInterval(lookUnawaited, pollMs).unref();
  return {
    check,
    async dispose() {
      stopped = true;
      clearInterval(timer);
      unsubscribe();
      await Promise.allSettled([running, waiting]);
    },
  };
}
