import { randomUUID } from 'node:crypto';
import { CodedError } from '@tributary/schema';
import type { LogReader, LogReaderOptions, LogRecord } from '../event-log.ts';
import { ownIdentity } from '../process-identity.ts';
import { collectRecords, type ReaderPosition } from './collect.ts';
import type { LogStore } from './store.ts';
import type { WakeSignal } from './wake-signal.ts';
import type { WriteQueue } from './write-queue.ts';

/** LMDB tells other processes nothing, so readers look: soon after traffic, less often when it is quiet. */
const shortestPollMs = 5;
const longestPollMs = 25;
/** How often a reader that waits for its group looks whether the owner has gone. */
const ownershipPollMs = 100;

interface ReaderDeps {
  readonly store: LogStore;
  readonly writes: WriteQueue;
  readonly appended: WakeSignal;
  readonly partitionCount: number;
}

/**
 * A reader of all partitions, once its group is free. See LogReader. (Over 50 lines: one closure over the state of one
 * reader; each function inside is short.)
 */
export function createLmdbReader(deps: ReaderDeps, options: LogReaderOptions): LogReader {
  const { store, writes, appended, partitionCount } = deps;
  const { group } = options;
  const readerId = randomUUID();
  const all = Array.from({ length: partitionCount }, (_, partition) => partition);
  const position: ReaderPosition = { offsets: new Map(), turn: 0 };
  /** Sought before the partitions were assigned, in `onAssigned` for instance. */
  const soughtEarly = new Map<number, number>();
  const ended = new AbortController();
  let owned = false;
  let acquiring: Promise<boolean> | null = null;
  let pollMs = shortestPollMs;
  let disposing: Promise<void> | null = null;

  async function acquire(): Promise<boolean> {
    const epoch = await writes.run(() => store.takeOwnership(group, { ...ownIdentity(), readerId }));
    if (epoch === null) return false;
    try {
      store.refresh();
      const assigned = store.committed(group).map((offset, partition) => ({ partition, offset }));
      for (const { partition, offset } of assigned) position.offsets.set(partition, offset);
      await options.onAssigned?.(
        assigned.map(({ partition, offset }) => ({ partition, fromOffset: BigInt(offset), epoch: BigInt(epoch) })),
      );
    } catch (error) {
      await release();
      throw error;
    }
    for (const [partition, offset] of soughtEarly) position.offsets.set(partition, offset);
    soughtEarly.clear();
    owned = true;
    return true;
  }

  function acquireOnce(): Promise<boolean> {
    acquiring ??= acquire().finally(() => {
      acquiring = null;
    });
    return acquiring;
  }

  function release(): Promise<void> {
    owned = false;
    return writes.run(() => store.dropOwnership(group, readerId));
  }

  async function next({ maxBytes, waitMs }: { maxBytes: number; waitMs: number }): Promise<readonly LogRecord[]> {
    const deadline = performance.now() + waitMs;
    while (!ended.signal.aborted) {
      const mayRead = owned || (await acquireOnce());
      const records = mayRead && !ended.signal.aborted ? collectRecords(store, position, maxBytes) : [];
      if (records.length > 0) {
        pollMs = shortestPollMs;
        return records;
      }
      const remainingMs = deadline - performance.now();
      if (remainingMs <= 0) break;
      const woken = await appended.wait(Math.min(remainingMs, mayRead ? pollMs : ownershipPollMs), ended.signal);
      pollMs = woken ? shortestPollMs : Math.min(longestPollMs, pollMs * 1.25);
    }
    return [];
  }

  async function dispose(): Promise<void> {
    ended.abort();
    // What `next` is told of a failed assignment is no matter of disposing.
    await acquiring?.catch(() => false);
    if (!owned) return;
    try {
      await options.onRevoked?.(all);
    } finally {
      await release();
    }
  }

  return {
    next,
    async commit(partition, nextOffset) {
      assertPartition(partition, partitionCount);
      const done = await writes.run(() => {
        if (!store.isOwner(group, readerId)) return false;
        store.writeCommitted(group, partition, Number(nextOffset));
        return true;
      });
      if (!done) {
        throw new CodedError('INTERNAL', { message: `This reader does not own partition ${partition} of ${group}.` });
      }
    },
    async seek(partition, offset) {
      assertPartition(partition, partitionCount);
      (owned ? position.offsets : soughtEarly).set(partition, Number(offset));
    },
    dispose: () => (disposing ??= dispose()),
  };
}

export function assertPartition(partition: number, partitionCount: number): void {
  if (!Number.isInteger(partition) || partition < 0 || partition >= partitionCount) {
    throw new CodedError('INTERNAL', { message: `There is no partition ${partition}; there are ${partitionCount}.` });
  }
}
