import type { EventLog, LogRecord } from '@tributary/platform/event-log';
import { type CanonicalEvent, CodedError } from '@tributary/schema';
import { blocksOfEvents } from './event-blocks.ts';
import { blockTimeOf, type ReplayRange } from './range.ts';

/** Where the events of a replay come from: records in the order in which the first of a key is to win. */
export type ReplaySource = AsyncIterable<readonly LogRecord[]>;

const chunkBytes = 4 * 1_048_576;
/** A log that has said where it ends, and gives nothing for so long, is away. */
const silenceMs = 30_000;
const pollMs = 500;

/**
 * All records that the log holds now, read in a group of its own, which commits nothing. Throws CONFIG_INVALID when the log
 * no longer holds all that was received in the range: what it lacks would be lost.
 */
export async function* readLog(eventLog: EventLog, group: string, range: ReplayRange): ReplaySource {
  const ends = await eventLog.ends();
  const left = new Map<number, bigint>();
  for (const { partition, firstOffset, nextOffset } of ends) {
    if (nextOffset > firstOffset) left.set(partition, nextOffset);
    // Empty, and something was there once: nobody can say that it was not of the range.
    else if (nextOffset > 0n) throw notHeld(partition, null);
  }
  // The offset that must come next, where nothing was dropped: retention goes on while this reads.
  const due = new Map(ends.map(({ partition }) => [partition, 0n]));
  if (left.size === 0) return;
  const reader = await eventLog.openReader({ group });
  try {
    let heardAt = Date.now();
    while (left.size > 0) {
      const records = await reader.next({ maxBytes: chunkBytes, waitMs: pollMs });
      if (records.length > 0) heardAt = Date.now();
      else if (Date.now() - heardAt > silenceMs)
        throw new CodedError('LOG_UNAVAILABLE', { message: 'The log fell silent.' });
      for (const { partition, offset, header } of records) {
        const madeAtMs = blockTimeOf(header.blockId);
        if (offset > (due.get(partition) ?? 0n) && madeAtMs > range.fromMs) throw notHeld(partition, madeAtMs);
        due.set(partition, offset + 1n);
        const end = left.get(partition);
        if (end !== undefined && offset + 1n >= end) left.delete(partition);
      }
      // What came after the end was asked for is stored by the live consumer, and carried over.
      const wanted = records.filter(
        ({ header, partition, offset }) => header.kind === 'events' && offset < (ends[partition]?.nextOffset ?? 0n),
      );
      if (wanted.length > 0) yield wanted;
    }
  } finally {
    await reader.dispose();
  }
}

function notHeld(partition: number, sinceMs: number | null): CodedError {
  const since = sinceMs === null ? 'holds nothing any more' : `begins at ${new Date(sinceMs).toISOString()}`;
  return new CodedError('CONFIG_INVALID', {
    message: `The log does not hold all of that range: partition ${partition} ${since}. Choose a later --from, or an export as --source. Nothing was changed.`,
  });
}

/** The events of an export as records, in its order. Their places in blocks are made anew. */
export async function* readEvents(
  events: AsyncIterable<readonly CanonicalEvent[]>,
  partitionCount: number,
  now: () => number,
): ReplaySource {
  let offset = 0n;
  for await (const some of events) {
    const blocks = blocksOfEvents(some, partitionCount, now());
    yield blocks.map((block): LogRecord => ({ ...block, partition: block.header.partition, offset: offset++ }));
  }
}
