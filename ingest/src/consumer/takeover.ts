import { hostname } from 'node:os';
import type { LogRecord } from '@tributary/platform/event-log';
import type { Logger } from '@tributary/platform/logger';
import type { Warehouse } from '@tributary/platform/warehouse';
import { type Claim, endInserts, type InsertIds } from './insert-ids.ts';
import type { ConsumerMetrics } from './metrics.ts';
import type { OwnedPartitions } from './owned-partitions.ts';
import { claimPartitions, readOvertaken } from './owners.ts';
import { partitionOf } from './partition-of.ts';
import type { Persistence } from './persistence.ts';
import { loadSeen } from './seen-filter/load-seen.ts';
import type { PartitionFilters } from './seen-filter/partition-filters.ts';
import type { ConsumerSettings } from './settings.ts';

export interface TakeoverDeps {
  readonly warehouse: Warehouse;
  readonly logger: Logger;
  readonly settings: ConsumerSettings;
  readonly metrics: ConsumerMetrics;
  readonly insertIds: InsertIds;
  readonly partitions: OwnedPartitions;
  readonly seen: PartitionFilters;
}

/** Ids older than the window that are kept: a batch read a day late still finds its repeats in memory. */
export const memorySlackMs = 86_400_000;

/**
 * Makes newly assigned partitions ours, before their first batch: from the claim on, inserts of older owners are refused;
 * what still runs of them is ended; then whatever is asked of the warehouse stays true. Then learns which ids of them
 * were seen. Filters of partitions that are no longer ours are forgotten. Rejects only when stopped.
 */
export async function takeOver(
  deps: TakeoverDeps,
  persistence: Persistence,
  context: { readonly partitionCount: number; readonly earliestMs: number },
): Promise<void> {
  const { warehouse, partitions, seen, insertIds, settings } = deps;
  for (let claims = partitions.unprepared(); claims.length > 0; claims = partitions.unprepared()) {
    const numbers = claims.map(({ partition }) => partition);
    await persistence.untilDone('claim the partitions', () =>
      claimPartitions(warehouse, settings.group, `${hostname()}:${process.pid}`, claims),
    );
    await persistence.untilDone('end the inserts of a predecessor', () => endInserts(warehouse, insertIds, numbers));
    await letGoOvertaken(deps, persistence, claims);
    seen.retain(partitions.partitions);
    await loadFilters(deps, persistence, numbers, context);
    partitions.prepared(claims);
  }
  seen.retain(partitions.partitions);
}

/** Lets go of those that a newer owner has; resolves with how many these are. */
export async function letGoOvertaken(
  { warehouse, logger, metrics, partitions, settings }: TakeoverDeps,
  persistence: Persistence,
  claims: readonly Claim[],
): Promise<number> {
  const overtaken = await persistence.untilDone('ask who owns the partitions', () =>
    readOvertaken(warehouse, settings.group, claims),
  );
  if (overtaken.length === 0) return 0;
  partitions.letGo(claims.filter(({ partition }) => overtaken.includes(partition)));
  metrics.overtaken(overtaken.length);
  logger.warn({ partitions: overtaken }, 'let go of partitions that a newer owner has');
  return overtaken.length;
}

async function loadFilters(
  { warehouse, logger, settings, metrics, seen }: TakeoverDeps,
  persistence: Persistence,
  numbers: readonly number[],
  { partitionCount, earliestMs }: { readonly partitionCount: number; readonly earliestMs: number },
): Promise<void> {
  const startedAt = performance.now();
  const sinceMs = earliestMs - settings.dedupeWindowMs - memorySlackMs;
  const filters = new Map(numbers.map((partition) => [partition, seen.restart(partition, sinceMs)]));
  const ids = await loadSeen(
    { warehouse, persistence },
    {
      sinceMs,
      sliceMs: settings.seenSliceMs,
      filterOf: (hi, lo) => filters.get(partitionOf(hi, lo, partitionCount)),
      filters: [...filters.values()],
      share: 1 / partitionCount,
      onSlice: () => seen.fit(),
    },
  );
  metrics.seenFilter(seen);
  const tookMs = Math.round(performance.now() - startedAt);
  logger.info({ ids, tookMs, sizeBytes: seen.sizeBytes, partitions: numbers }, 'seen ids loaded');
}

/** When the first of these was received; `nowMs` without any. */
export function earliestOf(records: readonly LogRecord[], nowMs: number): number {
  return records.reduce((earliest, { header }) => Math.min(earliest, header.receivedAt), nowMs);
}
