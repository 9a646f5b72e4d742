import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import type { ClickHouseSettings } from '@clickhouse/client';
import { CodedError } from '@tributary/schema';
import type { ExecuteStatement, InsertBytes, QueryDefinition, QueryOptions, Warehouse } from '../warehouse.ts';
import { maskSql } from './chdb-sql.ts';
import { type ClickHouseRequests, type ClickHouseWarehouseOptions, createRequests } from './clickhouse-requests.ts';

export type { ClickHouseWarehouseOptions } from './clickhouse-requests.ts';

/** Time limits where a statement names none. */
const defaultTimeoutsMs = { query: 15_000, execute: 60_000, insert: 60_000 } as const;

const readSettings: ClickHouseSettings = {
  output_format_json_quote_64bit_integers: 1,
  output_format_json_quote_decimals: 1,
  output_format_json_named_tuples_as_objects: 1,
};
const insertSettings: ClickHouseSettings = {
  input_format_skip_unknown_fields: 1,
  input_format_null_as_default: 1,
  input_format_defaults_for_omitted_fields: 1,
  date_time_input_format: 'basic',
  async_insert: 0,
  // Tokens of deduplication lose rows when the server dies at the wrong moment; the consumer does it by block instead.
  insert_deduplicate: 0,
};

/**
 * The warehouse port over ClickHouse's HTTP interface. Opens no connection until the first statement.
 *
 * Errors beyond the port's: `details.engineCode` (number) and `details.engineName` whenever the engine answered; rows that
 * the engine can't parse are ROW_REFUSED (see `isRowRefusal`); an unreachable store is WAREHOUSE_UNAVAILABLE without an
 * `engineCode`. An aborted call rejects with the signal's reason at once; the KILL QUERY follows on a connection of its
 * own. Time limits where none is given: queries 15 s, other statements and inserts 60 s.
 *
 * @example
 * const warehouse = openClickHouseWarehouse({ url: 'http://127.0.0.1:4010', database: 'tributary', user: 'default', password: '' });
 * await warehouse.ping();
 */
export function openClickHouseWarehouse(options: ClickHouseWarehouseOptions): Warehouse {
  const requests = createRequests(options);
  const checked = new WeakSet<object>();
  const checkWritable = (statement: string): void => {
    if (!options.readOnly) return;
    throw new CodedError('INTERNAL', { message: `${statement} would write, and this connection only reads.` });
  };
  return {
    async query(definition, params, queryOptions) {
      if (!checked.has(definition)) {
        checkTenantBound(definition);
        checked.add(definition);
      }
      const maxMemoryBytes = definition.maxMemoryBytes ?? options.queryMemoryBytes;
      const limited = maxMemoryBytes === undefined ? definition : { ...definition, maxMemoryBytes };
      return runQuery(requests, limited, params, queryOptions);
    },
    async execute(statement) {
      checkWritable(statement.name);
      return runStatement(requests, statement);
    },
    async insertBytes(insert) {
      checkWritable(insert.name);
      return runInsert(requests, insert);
    },
    async insertRows({ name, table, rows }) {
      checkWritable(name);
      if (rows.length === 0) return;
      const body = Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
      await runInsert(requests, { name, table, format: 'JSONEachRow', body });
    },
    async killQueries(prefix, matching) {
      if (prefix === '') throw new TypeError('killQueries needs a prefix: an empty one would end everything');
      await requests.kill(matching === undefined ? { prefix } : { prefix, matching });
    },
    ping: () => requests.ping(),
    dispose: () => requests.dispose(),
  };
}

async function runQuery<P extends Record<string, unknown>, R>(
  requests: ClickHouseRequests,
  definition: QueryDefinition<P, R>,
  params: P,
  { signal, timeoutMs = definition.timeoutMs ?? defaultTimeoutsMs.query }: QueryOptions = {},
): Promise<R[]> {
  const { name, sql, maxMemoryBytes } = definition;
  const query_params = parseParams(definition, params);
  const queryId = newQueryId(name);
  const rows = await requests.send(name, { queryId, timeoutMs, signal }, async (client, abort_signal) => {
    const result = await client.query({
      query: sql,
      format: 'JSONEachRow',
      query_params,
      query_id: queryId,
      abort_signal,
      clickhouse_settings: {
        ...readSettings,
        max_execution_time: timeoutMs / 1_000,
        ...(maxMemoryBytes ? { max_memory_usage: String(maxMemoryBytes) } : {}),
      },
    });
    return result.json<unknown>();
  });
  return rows.map((row, index) => parseRow(definition, row, index));
}

async function runStatement(requests: ClickHouseRequests, statement: ExecuteStatement): Promise<void> {
  const { name, sql, params, settings, timeoutMs = defaultTimeoutsMs.execute } = statement;
  const queryId = newQueryId(name);
  await requests.send(name, { queryId, timeoutMs }, (client, abort_signal) =>
    client.command({
      query: sql,
      query_id: queryId,
      abort_signal,
      ...(params ? { query_params: { ...params } } : {}),
      clickhouse_settings: { max_execution_time: timeoutMs / 1_000, wait_end_of_query: 1, ...settings },
    }),
  );
}

async function runInsert(
  requests: ClickHouseRequests,
  { name, table, format, body, signal, ...given }: InsertBytes,
): Promise<{ readonly writtenRows: number }> {
  const { queryId = newQueryId(name), timeoutMs = defaultTimeoutsMs.insert } = given;
  const chunks = body instanceof Uint8Array ? [body] : body;
  const limits = { queryId, timeoutMs, signal, kind: 'insert' } as const;
  return requests.send(name, limits, async (client, abort_signal) => {
    const { stream, summary } = await client.exec({
      query: `INSERT INTO ${checkTable(table)} FORMAT ${format}`,
      // A stream of bytes: with an object stream the client would write one empty row and say nothing.
      values: Readable.from(chunks, { objectMode: false }),
      query_id: queryId,
      abort_signal,
      clickhouse_settings: {
        ...insertSettings,
        max_execution_time: timeoutMs / 1_000,
        wait_end_of_query: 1,
        // Where views can read it: the fence of events_inbox judges an insert by what its id says.
        log_comment: queryId,
      },
    });
    // Reading to the end gives the connection back.
    for await (const _chunk of stream);
    return { writtenRows: Number(summary?.written_rows ?? 0) };
  });
}

const newQueryId = (name: string): string => `${name}-${randomUUID()}`;

/** SQL that would read every tenant's rows is a fault of ours, found when the query is first used. */
function checkTenantBound({ name, sql, tenantFree }: { name: string; sql: string; tenantFree?: string }): void {
  if (tenantFree !== undefined && tenantFree !== '') return;
  if (/\{\s*tenantId\s*:\s*String\s*\}/.test(maskSql(sql))) return;
  throw new CodedError('INTERNAL', {
    message: `The query ${name} is not bound to a tenant: it lacks {tenantId:String} and gives no reason for that.`,
  });
}

function checkTable(table: string): string {
  if (/^[A-Za-z_]\w*(\.[A-Za-z_]\w*)?\s*(\(\s*\w+(\s*,\s*\w+)*\s*\))?$/.test(table)) return table;
  throw new CodedError('INTERNAL', {
    message: `'${table.slice(0, 100)}' is no table with an optional list of columns.`,
  });
}

function parseParams<P extends Record<string, unknown>, R>(definition: QueryDefinition<P, R>, params: P): P {
  const parsed = definition.params.safeParse(params);
  if (parsed.success) return parsed.data;
  throw new CodedError('BAD_USER_INPUT', {
    cause: parsed.error,
    details: { statement: definition.name, fields: parsed.error.issues.map((issue) => issue.path.join('.')) },
  });
}

function parseRow<P extends Record<string, unknown>, R>(
  definition: QueryDefinition<P, R>,
  row: unknown,
  index: number,
): R {
  const parsed = definition.row.safeParse(row);
  if (parsed.success) return parsed.data;
  throw new CodedError('INTERNAL', {
    cause: parsed.error,
    details: {
      statement: definition.name,
      row: index,
      fields: parsed.error.issues.map((issue) => issue.path.join('.')),
    },
  });
}
