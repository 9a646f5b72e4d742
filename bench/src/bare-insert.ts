import type { EventLog } from '@tributary/platform/event-log';

/** One statement to the warehouse, over its own HTTP interface; `body` is what an INSERT reads. */
export type Ask = (sql: string, body?: string) => Promise<string>;

export const askWarehouse =
  (warehouseUrl: string): Ask =>
  async (sql, body) => {
    const url = new URL(`${warehouseUrl}/?database=tributary&default_format=TSV`);
    if (body !== undefined) {
      url.searchParams.set('query', sql);
      // As the engine does it by itself; the product has it off, since no core is idle under its load.
      url.searchParams.set('input_format_parallel_parsing', '1');
    }
    const response = await fetch(url, { method: 'POST', body: body ?? sql });
    const text = await response.text();
    if (!response.ok) throw new Error(text.slice(0, 500));
    return text.trim();
  };

export interface LoggedBatch {
  readonly body: string;
  readonly rows: number;
}

/** About 50,000 rows each, as they lie in the event log: the very bytes that the product inserts. */
export async function loggedBatches(log: EventLog, rows: number): Promise<readonly LoggedBatch[]> {
  const reader = await log.openReader({ group: 'bench-bare' });
  const batches: LoggedBatch[] = [];
  let open: Uint8Array[] = [];
  let openRows = 0;
  for (let total = 0; total < rows; ) {
    const records = await reader.next({ maxBytes: 8_000_000, waitMs: 1_000 });
    if (records.length === 0) break;
    for (const record of records) {
      if (record.header.kind !== 'events') continue;
      open.push(record.body);
      openRows += record.header.count;
      total += record.header.count;
      if (openRows < 50_000) continue;
      batches.push({ body: Buffer.concat(open).toString('utf8'), rows: openRows });
      open = [];
      openRows = 0;
    }
  }
  await reader.dispose();
  return batches;
}

/**
 * Rows/s of the engine's own insert of the same bytes into the same columns and order key, without projections and indexes: warm,
 * one writer, nothing beside it.
 */
export async function bareInsertRate(warehouse: Ask, batches: readonly LoggedBatch[]): Promise<number> {
  await warehouse('DROP TABLE IF EXISTS bench_bare');
  await warehouse(
    'CREATE TABLE bench_bare AS events ENGINE = MergeTree PARTITION BY toYYYYMM(occurred_at) ORDER BY (app_id, event_name, occurred_at, event_id)',
  );
  const added = await warehouse(
    "SELECT 'PROJECTION', name FROM system.projections WHERE database = 'tributary' AND table = 'bench_bare' UNION ALL SELECT 'INDEX', name FROM system.data_skipping_indices WHERE database = 'tributary' AND table = 'bench_bare'",
  );
  for (const line of added.split('\n').filter(Boolean)) {
    const [kind, name] = line.split('\t');
    await warehouse(`ALTER TABLE bench_bare DROP ${kind} ${name}`);
  }
  const [first] = batches;
  if (!first) throw new Error('The event log holds too little for the ceiling.');
  await warehouse('INSERT INTO bench_bare FORMAT JSONEachRow', first.body);
  const startedAt = performance.now();
  let inserted = 0;
  for (const batch of batches) {
    await warehouse('INSERT INTO bench_bare FORMAT JSONEachRow', batch.body);
    inserted += batch.rows;
  }
  const perSecond = Math.round(inserted / ((performance.now() - startedAt) / 1_000));
  await warehouse('DROP TABLE bench_bare');
  return perSecond;
}
