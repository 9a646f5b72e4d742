import { CodedError } from '@tributary/schema';
import type { LogRecord } from '../event-log.ts';
import { decodeFrame } from './frame.ts';
import type { LogStore } from './store.ts';

/** Where a reader is: the next offset of each partition, and the partition whose turn it is to come first. */
export interface ReaderPosition {
  readonly offsets: Map<number, number>;
  turn: number;
}

/**
 * The next records of the partitions that have some, moving `position` past them. `maxBytes` is shared: who comes first
 * changes with each call, and what a quiet partition leaves of its share goes to those after it.
 *
 * Throws CodedError INTERNAL, with partition and offset, for a damaged block; the position then stays before it.
 */
export function collectRecords(store: LogStore, position: ReaderPosition, maxBytes: number): LogRecord[] {
  store.refresh();
  const states = store.states();
  const behind = states
    .map((_, index) => (index + position.turn) % states.length)
    .filter((partition) => (position.offsets.get(partition) ?? 0) < states[partition]!.nextOffset);
  if (behind.length === 0) return [];
  const taken: LogRecord[] = [];
  const reached = new Map<number, number>();
  let room = maxBytes;
  for (const [index, partition] of behind.entries()) {
    if (room <= 0 && taken.length > 0) break;
    let share = Math.ceil(room / (behind.length - index));
    const { firstOffset, nextOffset } = states[partition]!;
    let offset = Math.max(position.offsets.get(partition) ?? 0, firstOffset);
    for (; offset < nextOffset && (share > 0 || taken.length === 0); offset += 1) {
      const frame = store.records.getBinary([partition, offset]);
      // A gap: see putFrames in lmdb.ts.
      if (!frame) continue;
      taken.push({ ...decodeStored(frame, partition, offset), partition, offset: BigInt(offset) });
      share -= frame.length;
      room -= frame.length;
    }
    reached.set(partition, offset);
  }
  // Only now: had a later block thrown, the records before it would be lost to the caller.
  for (const [partition, offset] of reached) position.offsets.set(partition, offset);
  position.turn = (behind[0]! + 1) % states.length;
  return taken;
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
