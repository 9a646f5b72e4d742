import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineQuery, type Warehouse } from '@tributary/platform/warehouse';
import { openClickHouseWarehouse } from '@tributary/platform/warehouse/clickhouse';
import { CodedError } from '@tributary/schema';
import { z } from 'zod';
import { eventFields, isRequired, isTime } from './export-app-rows.ts';
import { startPrivateWarehouse } from './replay-stores.ts';

/**
 * Parquet is made and read by an engine of the command's own, on a directory that is removed afterwards: the form of the
 * warehouse does not matter, and a server's engine could not see this machine's files.
 */

const typeOf = (name: string): string => {
  const optional = (type: string) => (isRequired(name) ? type : `Nullable(${type})`);
  if (isTime(name)) return optional(`DateTime64(3, 'UTC')`);
  if (name === 'block_index') return 'UInt32';
  if (name === 'clock_skew_ms') return 'Int64';
  if (name === 'flags') return 'Array(String)';
  if (name === 'revenue_amount') return 'Nullable(Decimal(38, 6))';
  return optional('String');
};
/** Columns of an export in Parquet: the event's names; times to the millisecond in UTC, money as decimals, absent = null. */
export const parquetColumns: readonly { readonly name: string; readonly type: string }[] = eventFields.map((name) => ({
  name,
  type: typeOf(name),
}));

const structure = parquetColumns.map(({ name, type }) => `${name} ${type}`).join(', ');
const literal = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
const timeoutMs = 6 * 3_600_000;

export async function ndjsonToParquet(from: string, to: string, memoryBytes: number): Promise<void> {
  await withEngine(memoryBytes, (engine) =>
    engine.execute({
      name: 'export_app.to_parquet',
      sql: `INSERT INTO FUNCTION file(${literal(to)}, 'Parquet', ${literal(structure)})
SELECT * FROM file(${literal(from)}, 'JSONEachRow', ${literal(structure)})`,
      settings: { date_time_input_format: 'basic' },
      timeoutMs,
    }),
  );
}

/**
 * Writes a Parquet file's rows as canonical lines; columns that no event has are left out. Throws CONFIG_INVALID when a column
 * that every event has is missing, or one has another type.
 */
export async function parquetToNdjson(from: string, to: string, memoryBytes: number): Promise<void> {
  await withEngine(memoryBytes, async (engine) => {
    const columns = await readColumns(engine, from);
    const faults = faultsOf(columns);
    if (faults.length > 0) {
      throw new CodedError('CONFIG_INVALID', { message: `${from} is no export of events: ${faults.join('; ')}.` });
    }
    const selected = eventFields.filter((name) => columns.has(name));
    await engine.execute({
      name: 'import_app.from_parquet',
      sql: `INSERT INTO FUNCTION file(${literal(to)}, 'JSONEachRow') SELECT ${selected.map(selectedAs).join(', ')}
FROM file(${literal(from)}, 'Parquet') AS e`,
      settings: { output_format_json_quote_64bit_integers: 0, max_threads: 1 },
      timeoutMs,
    });
  });
}

const selectedAs = (name: string) => {
  if (isTime(name)) return `toUnixTimestamp64Milli(toDateTime64(e.${name}, 3, 'UTC')) AS ${name}`;
  if (name === 'revenue_amount') return `toString(e.${name}) AS ${name}`;
  return `e.${name} AS ${name}`;
};

/** What is wrong with the columns, in words. */
export function faultsOf(columns: ReadonlyMap<string, string>): string[] {
  return parquetColumns.flatMap(({ name, type }) => {
    const given = columns.get(name);
    if (given === undefined) return isRequired(name) ? [`column ${name} is missing`] : [];
    return baseOf(given) === baseOf(type) ? [] : [`column ${name} is ${given} and should be ${type}`];
  });
}

/** A type without what makes no difference here: absence, dictionaries, the width of a number, the zone of a time. */
function baseOf(type: string): string {
  const inner = /^(?:Nullable|LowCardinality)\((.*)\)$/.exec(type)?.[1];
  if (inner !== undefined) return baseOf(inner);
  const items = /^Array\((.*)\)$/.exec(type)?.[1];
  if (items !== undefined) return `Array(${baseOf(items)})`;
  if (/^U?Int\d+$/.test(type)) return 'Int';
  return type.replace(/\(.*$/, '');
}

async function readColumns(engine: Warehouse, path: string): Promise<ReadonlyMap<string, string>> {
  const definition = defineQuery({
    name: 'import_app.columns',
    sql: `DESCRIBE TABLE file(${literal(path)}, 'Parquet')`,
    params: z.object({}),
    row: z.object({ name: z.string(), type: z.string() }),
    tenantFree: 'A file, and no table of ours.',
  });
  try {
    return new Map((await engine.query(definition, {})).map(({ name, type }) => [name, type]));
  } catch (error) {
    throw new CodedError('CONFIG_INVALID', { message: `${path} is no Parquet file.`, cause: error });
  }
}

async function withEngine<T>(memoryBytes: number, work: (engine: Warehouse) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), 'tributary-parquet-'));
  try {
    const child = await startPrivateWarehouse(dir, memoryBytes);
    const engine = openClickHouseWarehouse({
      url: `http://127.0.0.1:${child.port}`,
      database: 'default',
      user: 'default',
      password: '',
    });
    try {
      return await work(engine);
    } finally {
      await engine.dispose();
      await child.dispose();
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
