import type { LogReader } from '@tributary/platform/event-log';
import type { Batch } from '../batch.ts';
import type { Persistence } from '../persistence.ts';

/** The offset after the last block of each partition of the batch. */
export function nextOffsetsOf(batch: Batch): ReadonlyMap<number, bigint> {
  const next = new Map<number, bigint>();
  for (const { record } of batch.blocks) next.set(record.partition, record.offset + 1n);
  return next;
}

/** Commits the batch. Only after all of it is stored: what lies before a committed offset is never read again. */
export async function commitOffsets(
  batch: Batch,
  { reader, persistence }: { readonly reader: Pick<LogReader, 'commit'>; readonly persistence: Persistence },
): Promise<void> {
  await Promise.all(
    [...nextOffsetsOf(batch)].map(([partition, nextOffset]) =>
      persistence.untilDone('commit the offset', () => reader.commit(partition, nextOffset)),
    ),
  );
}
