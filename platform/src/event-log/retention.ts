import type { RetentionOptions } from '../event-log.ts';
import { receivedAtOf } from './frame.ts';
import type { LogStore, PartitionState } from './store.ts';
import type { WriteQueue } from './write-queue.ts';

/** A transaction of this many records keeps appends waiting for some ten milliseconds, not for seconds. */
const recordsPerTransaction = 256;

/** Drops the oldest records of all partitions, by `receivedAt`, until none is too old and all fit. */
export async function applyLmdbRetention(
  store: LogStore,
  writes: WriteQueue,
  options: RetentionOptions,
): Promise<{ droppedRecords: number; droppedBytes: number }> {
  let droppedRecords = 0;
  let droppedBytes = 0;
  let most = recordsPerTransaction;
  for (;;) {
    try {
      const dropped = await writes.run(() => dropOldest(store, options, most));
      droppedRecords += dropped.records;
      droppedBytes += dropped.bytes;
      if (dropped.records < most) break;
      most = recordsPerTransaction;
    } catch (error) {
      // Dropping needs some pages itself. On a disk without any, few records at a time find room where many don't, and what
      // they give free lets the next ones be more.
      if (most === 1) throw error;
      most = Math.ceil(most / 16);
    }
  }
  if (droppedRecords > 0) await freePages(store, writes);
  return { droppedRecords, droppedBytes };
}

/**
 * LMDB gives a transaction's pages free two transactions later. On a full disk the next append would fail for want of
 * them, and a failed transaction doesn't count as one: the log would stay full. Two small ones need no pages.
 */
async function freePages(store: LogStore, writes: WriteQueue): Promise<void> {
  for (const transaction of [1, 2]) await writes.run(() => store.writeProbe(Buffer.from([transaction])));
}

interface Oldest {
  readonly partition: number;
  readonly receivedAt: number;
  readonly bytes: number;
}

function dropOldest(store: LogStore, options: RetentionOptions, most: number): { records: number; bytes: number } {
  const states = store.states().map((state) => ({ ...state }));
  const protectedFrom = protectedOffsets(store, states, options.protectGroups);
  const oldestAllowed = options.nowMs - options.maxAgeMs;
  let held = states.reduce((sum, { bytes }) => sum + bytes, 0);
  let records = 0;
  let bytes = 0;
  const oldest = states.map((_, partition) => oldestOf(store, states, protectedFrom, partition));
  while (records < most) {
    const victim = oldest
      .filter((candidate) => candidate !== null)
      .reduce<Oldest | null>((first, other) => (first && first.receivedAt <= other.receivedAt ? first : other), null);
    if (!victim || (victim.receivedAt >= oldestAllowed && held <= options.maxBytes)) break;
    const state = states[victim.partition]!;
    store.records.removeSync([victim.partition, state.firstOffset]);
    states[victim.partition] = {
      ...state,
      firstOffset: state.firstOffset + 1,
      bytes: Math.max(0, state.bytes - victim.bytes),
    };
    oldest[victim.partition] = oldestOf(store, states, protectedFrom, victim.partition);
    held -= victim.bytes;
    bytes += victim.bytes;
    records += 1;
  }
  if (records > 0) store.writeStates(states);
  return { records, bytes };
}

/** First offset of each partition that some protected group has still to read. */
function protectedOffsets(store: LogStore, states: readonly PartitionState[], groups: readonly string[]): number[] {
  const committed = groups.map((group) => store.committed(group));
  return states.map(({ nextOffset }, partition) =>
    committed.reduce((lowest, offsets) => Math.min(lowest, offsets[partition] ?? 0), nextOffset),
  );
}

function oldestOf(
  store: LogStore,
  states: readonly PartitionState[],
  protectedFrom: readonly number[],
  partition: number,
): Oldest | null {
  const { firstOffset } = states[partition]!;
  if (firstOffset >= protectedFrom[partition]!) return null;
  const frame = store.records.getBinary([partition, firstOffset]);
  // A gap (see append) is dropped at once: it is older than everything and holds nothing.
  return frame
    ? { partition, receivedAt: receivedAtOf(frame), bytes: frame.length }
    : { partition, receivedAt: Number.NEGATIVE_INFINITY, bytes: 0 };
}
