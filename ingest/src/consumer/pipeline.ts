import type { LogReader } from '@tributary/platform/event-log';
import type { Logger } from '@tributary/platform/logger';
import type { Warehouse } from '@tributary/platform/warehouse';
import type { Batch } from './batch.ts';
import type { InsertIds } from './insert-ids.ts';
import type { LiveTouches } from './live-touches.ts';
import type { ConsumerMetrics } from './metrics.ts';
import type { Persistence } from './persistence.ts';
import type { PartitionFilters } from './seen-filter/partition-filters.ts';
import type { ConsumerSettings } from './settings.ts';
import { commitOffsets } from './steps/commit-offsets.ts';
import { dropRepeatedBlocks, type RecentBlocks } from './steps/drop-repeated-blocks.ts';
import { findSuspects } from './steps/find-suspects.ts';
import { judgeSuspects } from './steps/judge-suspects.ts';
import { linkIdentities } from './steps/link-identities.ts';
import { markStoredLines } from './steps/mark-stored-lines.ts';
import { publishTouched } from './steps/publish-touched.ts';
import { storeDeadLetters } from './steps/store-dead-letters.ts';
import { storeEvents } from './steps/store-events.ts';

export interface PipelineDeps {
  readonly warehouse: Warehouse;
  readonly reader: Pick<LogReader, 'commit'>;
  readonly seen: PartitionFilters;
  /** Of the log. */
  readonly partitionCount: number;
  readonly recent: RecentBlocks;
  readonly live: LiveTouches;
  readonly metrics: ConsumerMetrics;
  readonly logger: Logger;
  readonly insertIds: InsertIds;
  readonly settings: ConsumerSettings;
  /** Both end when the batch is to be abandoned. */
  readonly persistence: Persistence;
  readonly signal: AbortSignal;
}

/**
 * Takes a batch from the log into the warehouse: the order of the steps, nothing else. Resolves when all of it is stored
 * and committed. Rejects when its signal aborts, and with STALE_OWNER when one of its partitions has a newer owner; then
 * nothing may be assumed, and the batch is read again.
 */
export async function storeBatch(batch: Batch, deps: PipelineDeps): Promise<void> {
  const startedAt = performance.now();
  const { warehouse, persistence, settings } = deps;
  const storeDeps = { ...deps, claims: batch.claims, insertTimeoutMs: settings.insertTimeoutMs };

  const repeated = dropRepeatedBlocks(batch, deps.recent);
  await markStoredLines(batch.doubtful, { warehouse, persistence, logger: deps.logger });
  const suspects = findSuspects(batch, { ...deps, dedupeWindowMs: settings.dedupeWindowMs });
  const judged = await judgeSuspects(suspects, { warehouse, persistence, dedupeWindowMs: settings.dedupeWindowMs });
  const stored = await storeEvents(batch, storeDeps);
  await linkIdentities(batch, deps);
  await storeDeadLetters(batch, [...judged.letters, ...stored.letters], storeDeps);
  await commitOffsets(batch, { reader: deps.reader, persistence });
  for (const { record } of batch.blocks) deps.recent.add(record.header.blockId);
  publishTouched(batch, judged.dropped, deps.live);

  deps.metrics.batchStored({
    rows: stored.rows,
    bytes: stored.bytes,
    blocks: batch.blocks.length,
    repeatedBlocks: repeated.blocks,
    duplicates: judged.duplicates,
    conflicts: judged.letters.length,
    refused: stored.letters.length,
    lookups: suspects.size,
    seconds: (performance.now() - startedAt) / 1000,
  });
}
