import { randomUUID } from 'node:crypto';
import { CodedError } from '@tributary/schema';
import type { LogReader, LogReaderOptions, LogRecord } from '../event-log.ts';
import { ownIdentity } from '../process-identity.ts';
import { decodeFrame } from './frame.ts';
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

/** A reader of all partitions, once its group is free. See LogReader. */
export function createLmdbReader(deps: ReaderDeps, options: LogReaderOptions): LogReader {
  const { store, writes, appended, partitionCount } = deps;
  const { group } = options;
  const readerId = randomUUID();
  const all = Array.from({ length: partitionCount }, (_, partition) => partition);
  const positions = new Map<number, number>();
  const soughtEarly = new Map<number, number>();
  const ended = new AbortController();
  let owned = false;
  let turn = 0;
  let pollMs = shortestPollMs;
  let disposing: Promise<void> | null = null;

  async function acquire(): Promise<boolean> {
    if (owned) return true;
    const taken = await writes.run(() => store.takeOwnership(group, { ...ownIdentity(), readerId }));
    if (!taken) return false;
    store.refresh();
    const committed = store.committed(group);
    for (const partition of all) positions.set(partition, committed[partition] ?? 0);
    try {
      await options.onAssigned?.(
        all.map((partition) => ({ partition, fromOffset: BigInt(committed[partition] ?? 0) })),
      );
    } catch (error) {
      await writes.run(() => store.dropOwnership(group, readerId));
      throw error;
    }
    for (const [partition, offset] of soughtEarly) positions.set(partition, offset);
    soughtEarly.clear();
    owned = true;
    return true;
  }

  /** Shares `maxBytes` between the partitions that have records; who comes first changes with each call. */
  function collect(maxBytes: number): LogRecord[] {
    store.refresh();
    const states = store.states();
    const order = all.map((_, index) => (index + turn) % partitionCount);
    const behind = order.filter((partition) => (positions.get(partition) ?? 0) < states[partition]!.nextOffset);
    if (behind.length === 0) return [];
    turn = (behind[0]! + 1) % partitionCount;
    const taken: LogRecord[] = [];
    let room = maxBytes;
    for (const [index, partition] of behind.entries()) {
      if (room <= 0 && taken.length > 0) break;
      // What a quiet partition leaves of its share goes to those after it.
      let share = Math.ceil(room / (behind.length - index));
      const { firstOffset, nextOffset } = states[partition]!;
      let offset = Math.max(positions.get(partition) ?? 0, firstOffset);
      for (; offset < nextOffset && (share > 0 || taken.length === 0); offset += 1) {
        const frame = store.records.getBinary([partition, offset]);
        if (!frame) continue;
        taken.push({ ...decodeStored(frame, partition, offset), partition, offset: BigInt(offset) });
        share -= frame.length;
        room -= frame.length;
      }
      positions.set(partition, offset);
    }
    return taken;
  }

  async function next({ maxBytes, waitMs }: { maxBytes: number; waitMs: number }): Promise<readonly LogRecord[]> {
    const deadline = performance.now() + waitMs;
    while (!ended.signal.aborted) {
      const mayRead = await acquire();
      const records = mayRead && !ended.signal.aborted ? collect(maxBytes) : [];
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
    if (!owned) return;
    await options.onRevoked?.(all);
    owned = false;
    await writes.run(() => store.dropOwnership(group, readerId));
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
      (owned ? positions : soughtEarly).set(partition, Number(offset));
    },
    dispose: () => (disposing ??= dispose()),
  };
}

function decodeStored(frame: Buffer, partition: number, offset: number) {
  try {
    return decodeFrame(frame);
  } catch (cause) {
    throw new CodedError('INTERNAL', {
      message: `The block at offset ${offset} of partition ${partition} of the event log cannot be read.`,
      cause,
      details: { partition, offset },
    });
  }
}

export function assertPartition(partition: number, partitionCount: number): void {
  if (!Number.isInteger(partition) || partition < 0 || partition >= partitionCount) {
    throw new CodedError('INTERNAL', { message: `There is no partition ${partition}; there are ${partitionCount}.` });
  }
}
