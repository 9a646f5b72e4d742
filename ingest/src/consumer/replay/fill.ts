import type { LogRecord } from '@tributary/platform/event-log';
import type { Logger } from '@tributary/platform/logger';
import { defineQuery, type Warehouse } from '@tributary/platform/warehouse';
import type { DeadLetter } from '@tributary/schema';
import { z } from 'zod';
import { type Batch, type BatchBlock, createBlock, lineBytes, lineText, verdicts } from '../batch.ts';
import { deadLetterOf, parseLineIdentity } from '../dead-letter-rows.ts';
import { type LineRun, runsToStore, withoutStored } from '../line-runs.ts';
import { partitionOf } from '../partition-of.ts';
import { createPersistence, type Persistence } from '../persistence.ts';
import { readStoredLines } from '../questions.ts';
import { loadSeen } from '../seen-filter/load-seen.ts';
import { createPartitionFilters, type PartitionFilters } from '../seen-filter/partition-filters.ts';
import type { ConsumerSettings } from '../settings.ts';
import { createRecentBlocks, dropRepeatedBlocks, type RecentBlocks } from '../steps/drop-repeated-blocks.ts';
import { findSuspects } from '../steps/find-suspects.ts';
import { judgeSuspects } from '../steps/judge-suspects.ts';
import { linkIdentities } from '../steps/link-identities.ts';
import { storeLines } from '../steps/store-lines.ts';
import { memorySlackMs } from '../takeover.ts';
import { onTable } from './on-table.ts';
import { markOutside, type ReplayRange } from './range.ts';

export interface FillDeps {
  readonly warehouse: Warehouse;
  readonly logger: Logger;
  readonly settings: ConsumerSettings;
  readonly partitionCount: number;
  readonly signal: AbortSignal;
  /** Whether the blocks of the source are those that the rows of `events` name, or were made anew. */
  readonly hasOwnBlocks: boolean;
}

export interface FillCounts {
  readonly lines: number;
  readonly stored: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly refused: number;
}

/** Puts the events of the range into another version of the table, by the consumer's own steps. */
export interface RangeFill {
  /** In the order of the source. A warehouse that is away is waited for; rejects when the signal aborts. */
  add(records: readonly LogRecord[]): Promise<void>;
  readonly counts: FillCounts;
  dispose(): void;
}

/** Learns the ids that the version already holds, so that the first of a key wins against those too. */
export async function openRangeFill(deps: FillDeps, table: string, range: ReplayRange): Promise<RangeFill> {
  const { settings, logger, signal } = deps;
  let latestMs = range.toMs;
  const version = onTable(deps.warehouse, table, () => latestMs + settings.dedupeWindowMs);
  const persistence = createPersistence({ logger, settings, signal });
  const seen = createPartitionFilters({
    sliceMs: settings.seenSliceMs,
    bitsPerId: settings.seenBitsPerId,
    memoryBytes: settings.seenMemoryBytes,
  });
  const recent = createRecentBlocks();
  const counts = { lines: 0, stored: 0, duplicates: 0, conflicts: 0, refused: 0 };
  await loadFilters({ version, persistence, seen }, deps, range);

  return {
    counts,
    async add(records) {
      const blocks = records.map(createBlock);
      const inRange = blocks.filter((block) => {
        const left = markOutside(block, range);
        counts.lines += left;
        return left > 0;
      });
      if (inRange.length === 0) return;
      latestMs = Math.min(range.toMs, latestOf(inRange));
      const batch: Batch = { blocks: inRange, doubtful: [], claims: [] };
      const done = await fillBatch(batch, { ...deps, version, persistence, seen, recent, table });
      counts.stored += done.stored;
      counts.duplicates += done.duplicates;
      counts.conflicts += done.conflicts;
      counts.refused += done.refused;
      seen.fit();
    },
    dispose: () => seen.dispose(),
  };
}

const latestOf = (blocks: readonly BatchBlock[]) =>
  blocks.reduce((latest, { record }) => Math.max(latest, record.header.receivedAt), 0);

async function loadFilters(
  { version, persistence, seen }: { version: Warehouse; persistence: Persistence; seen: PartitionFilters },
  { settings, partitionCount }: FillDeps,
  range: ReplayRange,
): Promise<void> {
  const sinceMs = range.fromMs - settings.dedupeWindowMs - memorySlackMs;
  const filters = Array.from({ length: partitionCount }, (_, partition) => seen.restart(partition, sinceMs));
  await loadSeen(
    { warehouse: version, persistence },
    {
      sinceMs,
      sliceMs: settings.seenSliceMs,
      filterOf: (hi, lo) => filters[partitionOf(hi, lo, partitionCount)],
      filters,
      share: 1 / partitionCount,
      onSlice: () => seen.fit(),
    },
  );
}

interface BatchDeps extends FillDeps {
  readonly version: Warehouse;
  readonly persistence: Persistence;
  readonly seen: PartitionFilters;
  readonly recent: RecentBlocks;
  readonly table: string;
}

async function fillBatch(batch: Batch, deps: BatchDeps): Promise<Omit<FillCounts, 'lines'>> {
  const { version, persistence, settings } = deps;
  const windowed = { dedupeWindowMs: settings.dedupeWindowMs };
  dropRepeatedBlocks(batch, deps.recent);
  const suspects = findSuspects(batch, { ...deps, ...windowed });
  const judged = await judgeSuspects(suspects, { warehouse: version, persistence, ...windowed });
  const runs = runsToStore(batch.blocks);
  const insertedAt = await readInsertedAt(deps, batch);
  const refused = await storeLines(
    {
      insert: (lines) => insertRuns(lines, insertedAt, deps),
      absentOf: async (lines) =>
        withoutStored(
          lines,
          await readStoredLines(
            version,
            lines.map(({ block }) => block.record.header.blockId),
          ),
        ),
    },
    runs,
    persistence,
  );
  await linkIdentities(batch, { warehouse: version, persistence });
  const letters = [
    ...judged.letters,
    ...refused.map(
      ({ line, message }): DeadLetter =>
        deadLetterOf(line, parseLineIdentity(lineText(line)), { code: 'ROW_REFUSED', field: '', message }),
    ),
  ];
  for (let from = 0; from < letters.length; from += lettersPerInsert) {
    await deps.warehouse.insertRows({
      name: 'replay.dead_letters',
      table: 'dead_letters',
      rows: letters.slice(from, from + lettersPerInsert),
    });
  }
  for (const { record } of batch.blocks) deps.recent.add(record.header.blockId);
  const stored = batch.blocks.reduce((sum, { lineVerdicts }) => sum + countOf(lineVerdicts, verdicts.store), 0);
  return {
    stored: stored - refused.length,
    duplicates: judged.duplicates,
    conflicts: judged.letters.length,
    refused: refused.length,
  };
}

const lettersPerInsert = 200;
const countOf = (values: Uint8Array, wanted: number) =>
  values.reduce((sum, value) => sum + Number(value === wanted), 0);

async function insertRuns(
  runs: readonly LineRun[],
  insertedAt: ReadonlyMap<string, number>,
  { warehouse, table, settings, signal }: BatchDeps,
): Promise<{ readonly writtenRows: number }> {
  const body: Uint8Array[] = [];
  for (const { block, from, to } of runs) {
    for (let index = from; index < to; index += 1) {
      body.push(withInsertedAt(lineBytes({ block, index }), insertedAt.get(hashOf(block, index))));
    }
  }
  return warehouse.insertBytes({
    name: 'replay.insert',
    table,
    format: 'JSONEachRow',
    body: [Buffer.concat(body)],
    timeoutMs: settings.insertTimeoutMs,
    signal,
  });
}

const hashOf = ({ record }: BatchBlock, index: number) => record.header.dedupeHashes.slice(index * 16, index * 16 + 16);

const lineEnd = Buffer.from('}\n');

function withInsertedAt(line: Uint8Array, insertedAt: number | undefined): Uint8Array {
  const bytes = Buffer.from(line.buffer, line.byteOffset, line.byteLength);
  if (insertedAt === undefined || !bytes.subarray(-2).equals(lineEnd)) return line;
  return Buffer.concat([bytes.subarray(0, -2), Buffer.from(`,"inserted_at":${insertedAt}}\n`)]);
}

/** Grain: dedupe hash. Index: block_id_range. Expected scan: the granules of these blocks. */
const insertedAtByBlock = defineQuery({
  name: 'replay.inserted_at',
  sql: `SELECT dedupe_hash AS hash, toFloat64(toUnixTimestamp64Milli(min(inserted_at))) AS at
FROM events
WHERE block_id IN {blockIds:Array(String)}
GROUP BY dedupe_hash`,
  params: z.object({ blockIds: z.array(z.string()) }),
  row: z.object({ hash: z.string(), at: z.number() }),
  tenantFree: 'A replay stores the events of all tenants.',
});

/** The same of rows whose blocks are not known. Index: dedupe_hash_bloom. Expected scan: about a granule for each hash. */
const insertedAtByHash = defineQuery({
  ...insertedAtByBlock,
  name: 'replay.inserted_at_by_hash',
  sql: insertedAtByBlock.sql.replace('block_id IN {blockIds:Array(String)}', 'dedupe_hash IN {hashes:Array(String)}'),
  params: z.object({ hashes: z.array(z.string()) }),
});

const blocksPerQuestion = 1_000;
const hashesPerQuestion = 2_000;

/**
 * When the rows of these blocks were stored first, by dedupe hash. A row that was there keeps its time: the workers
 * read by it, and would take a row with a new one for a new event.
 */
async function readInsertedAt({ warehouse, hasOwnBlocks }: FillDeps, batch: Batch): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const learn = (rows: readonly { hash: string; at: number }[]) => {
    for (const { hash, at } of rows) found.set(hash, at);
  };
  if (hasOwnBlocks) {
    const blockIds = batch.blocks.map(({ record }) => record.header.blockId);
    for (const some of chunksOf(blockIds, blocksPerQuestion)) {
      learn(await warehouse.query(insertedAtByBlock, { blockIds: some }));
    }
    return found;
  }
  const hashes = batch.blocks.flatMap((block) => Array.from(block.lineVerdicts, (_, index) => hashOf(block, index)));
  for (const some of chunksOf(hashes, hashesPerQuestion)) {
    learn(await warehouse.query(insertedAtByHash, { hashes: some }));
  }
  return found;
}

function chunksOf<T>(items: readonly T[], size: number): T[][] {
  const chunks: T[][] = [];
  for (let from = 0; from < items.length; from += size) chunks.push(items.slice(from, from + size));
  return chunks;
}
