import { type Batch, hashAt, type LineRef, verdicts } from '../batch.ts';
import { partitionOf } from '../partition-of.ts';
import type { PartitionFilters } from '../seen-filter/partition-filters.ts';

/** Lines that share a dedupe hash with an earlier one, perhaps: hash (16 hex digits) → all lines of the batch that have it. */
export type Suspects = ReadonlyMap<string, readonly LineRef[]>;

export interface FindSuspectsDeps {
  readonly seen: Pick<PartitionFilters, 'of'>;
  readonly dedupeWindowMs: number;
  /** Of the log, now. */
  readonly partitionCount: number;
}

/**
 * Passes the lines' hashes through the filter of their partition. Nearly all are surely new and cost nothing more. Of the
 * rest, *all* lines of the batch with that hash are returned in the order read, also the first one, which the filter did
 * not know yet: the batch's own repeats are found by the same comparison as those of last week.
 */
export function findSuspects(batch: Batch, { seen, dedupeWindowMs, partitionCount }: FindSuspectsDeps): Suspects {
  const suspects = new Map<string, LineRef[]>();
  const marks = new Uint8Array(1 << 16);
  for (const { record, lineVerdicts } of batch.blocks) {
    const { kind, dedupeHashes, receivedAt } = record.header;
    if (kind !== 'events') continue;
    const filter = seen.of(record.partition);
    const bytes = Buffer.from(dedupeHashes, 'hex');
    // Read so late that its window begins before the filter's memory: only the warehouse can tell.
    const beyondMemory = !filter || receivedAt - dedupeWindowMs < filter.sinceMs;
    for (let index = 0; index < lineVerdicts.length; index += 1) {
      const hi = bytes.readUInt32BE(index * 8);
      const lo = bytes.readUInt32BE(index * 8 + 4);
      // Written when the log had another number of partitions: looked up always, and known to the filter that its repeats
      // will ask.
      const home = partitionOf(hi, lo, partitionCount);
      const foreign = home !== record.partition;
      const met = (foreign ? seen.of(home) : filter)?.addAndTest(hi, lo, receivedAt) ?? true;
      const maybe = met || beyondMemory || foreign;
      // A stored line is judged already; that its hash is known is no news.
      if (!maybe || lineVerdicts[index] !== verdicts.store) continue;
      suspects.set(hashAt(dedupeHashes, index), []);
      marks[bytes.readUInt16BE(index * 8)] = 1;
    }
  }
  if (suspects.size > 0) collectLines(batch, suspects, marks);
  return suspects;
}

function collectLines(batch: Batch, suspects: ReadonlyMap<string, LineRef[]>, marks: Uint8Array): void {
  for (const block of batch.blocks) {
    const { kind, dedupeHashes } = block.record.header;
    if (kind !== 'events') continue;
    const bytes = Buffer.from(dedupeHashes, 'hex');
    for (let index = 0; index < block.lineVerdicts.length; index += 1) {
      // The first 16 bits rule out most lines before a text is cut for the map.
      if (marks[bytes.readUInt16BE(index * 8)] === 0 || block.lineVerdicts[index] !== verdicts.store) continue;
      suspects.get(hashAt(dedupeHashes, index))?.push({ block, index });
    }
  }
}
