import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { type ClickHouseClient, ClickHouseLogLevel, type ClickHouseSettings, createClient } from '@clickhouse/client';
import { CodedError } from '@tributary/schema';
import type { Logger } from '../logger.ts';
import type { ExecuteStatement, InsertBytes, QueryDefinition, QueryOptions, Warehouse } from '../warehouse.ts';
import { maskSql } from './chdb-sql.ts';
import { warehouseError } from './clickhouse-errors.ts';

export interface ClickHouseWarehouseOptions {
  /** http:// or https:// of a ClickHouse server or of our chDB child. */
  readonly url: string;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly logger?: Logger;
  /** Default 16. Further statements wait for a free connection. */
  readonly maxOpenConnections?: number;
}

/** Time limits where a statement names none. */
const defaultTimeoutsMs = { query: 15_000, execute: 60_000, insert: 60_000, kill: 60_000 } as const;
/** What the network may take beyond the engine's own time limit before the client gives up by itself. */
const graceMs = 2_000;

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
 * Errors beyond the port's: `details.engineCode` (number) and `details.engineName` whenever the engine answered; a row
 * that the engine can't parse is ROW_REFUSED (see `isRowRefusal`); an unreachable store is WAREHOUSE_UNAVAILABLE without
 * an `engineCode`. An aborted call rejects with the signal's reason at once; the KILL QUERY follows on a connection of
 * its own.
 *
 * @example
 * const warehouse = openClickHouseWarehouse({ url: 'http://127.0.0.1:4010', database: 'tributary', user: 'default', password: '' });
 * await warehouse.ping();
 */
export function openClickHouseWarehouse(options: ClickHouseWarehouseOptions): Warehouse {
  const client = openClient(options, options.maxOpenConnections ?? 16);
  // Apart, so that ending a statement never waits behind the statements.
  const control = openClient(options, 4);
  const underWay = new Set<Promise<unknown>>();
  const checked = new WeakSet<object>();
  let disposing: Promise<void> | null = null;

  const track = <T>(work: Promise<T>): Promise<T> => {
    const settled: Promise<unknown> = work.catch(() => undefined).finally(() => underWay.delete(settled));
    underWay.add(settled);
    return work;
  };

  const kill = (where: string, value: string): Promise<unknown> =>
    control.command({
      query: `KILL QUERY WHERE ${where} SYNC`,
      query_params: { value },
      abort_signal: AbortSignal.timeout(defaultTimeoutsMs.kill),
    });

  /** Runs one request under a time limit of ours and the caller's signal; what is left running is ended. */
  const limited = async <T>(
    name: string,
    limits: { readonly queryId: string; readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
    send: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> => {
    if (disposing) throw new CodedError('WAREHOUSE_UNAVAILABLE', { details: { statement: name } });
    limits.signal?.throwIfAborted();
    const deadline = AbortSignal.timeout(limits.timeoutMs + graceMs);
    const signal = limits.signal ? AbortSignal.any([limits.signal, deadline]) : deadline;
    try {
      return await track(send(signal));
    } catch (error) {
      if (!signal.aborted) throw warehouseError(error, name);
      void track(kill('query_id = {value:String}', limits.queryId)).catch((cause) =>
        options.logger?.warn({ err: cause, queryId: limits.queryId }, 'a statement that was left could not be ended'),
      );
      if (limits.signal?.aborted) throw limits.signal.reason;
      throw new CodedError('QUERY_TIMEOUT', { cause: error, details: { statement: name } });
    }
  };

  return {
    async query<P extends Record<string, unknown>, R>(
      definition: QueryDefinition<P, R>,
      params: P,
      { signal, timeoutMs = definition.timeoutMs ?? defaultTimeoutsMs.query }: QueryOptions = {},
    ): Promise<R[]> {
      if (!checked.has(definition)) {
        checkTenantBound(definition);
        checked.add(definition);
      }
      const query_params = parseParams(definition, params);
      const queryId = newQueryId(definition.name);
      const rows = await limited(definition.name, { queryId, timeoutMs, signal }, async (abort_signal) => {
        const result = await client.query({
          query: definition.sql,
          format: 'JSONEachRow',
          query_params,
          query_id: queryId,
          abort_signal,
          clickhouse_settings: {
            ...readSettings,
            max_execution_time: timeoutMs / 1_000,
            ...(definition.maxMemoryBytes ? { max_memory_usage: String(definition.maxMemoryBytes) } : {}),
          },
        });
        return result.json<unknown>();
      });
      return rows.map((row, index) => parseRow(definition, row, index));
    },

    async execute({ name, sql, params, settings, timeoutMs = defaultTimeoutsMs.execute }: ExecuteStatement) {
      const queryId = newQueryId(name);
      await limited(name, { queryId, timeoutMs }, (abort_signal) =>
        client.command({
          query: sql,
          query_id: queryId,
          abort_signal,
          ...(params ? { query_params: { ...params } } : {}),
          clickhouse_settings: { max_execution_time: timeoutMs / 1_000, wait_end_of_query: 1, ...settings },
        }),
      );
    },

    insertBytes: (insert) => insertBytes(insert),

    async insertRows({ name, table, rows }) {
      if (rows.length === 0) return;
      const body = Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
      await insertBytes({ name, table, format: 'JSONEachRow', body });
    },

    async killQueries(queryIdPrefix) {
      if (queryIdPrefix === '') throw new TypeError('killQueries needs a prefix: an empty one would end everything');
      await track(
        kill('startsWith(query_id, {value:String})', queryIdPrefix).catch((error) => {
          throw warehouseError(error, 'kill_queries');
        }),
      );
    },

    async ping() {
      const answer = await control.ping({ select: false, abort_signal: AbortSignal.timeout(5_000) });
      if (!answer.success) throw new CodedError('WAREHOUSE_UNAVAILABLE', { cause: answer.error });
    },

    dispose() {
      disposing ??= (async () => {
        await Promise.race([Promise.all([...underWay]), new Promise((done) => setTimeout(done, 5_000).unref())]);
        await Promise.all([client.close(), control.close()]);
      })();
      return disposing;
    },
  };

  async function insertBytes(insert: InsertBytes): Promise<{ readonly writtenRows: number }> {
    const { name, table, format, signal, timeoutMs = defaultTimeoutsMs.insert } = insert;
    const chunks = insert.body instanceof Uint8Array ? [insert.body] : insert.body;
    const queryId = insert.queryId ?? newQueryId(name);
    return limited(name, { queryId, timeoutMs, signal }, async (abort_signal) => {
      const { stream, summary } = await client.exec({
        query: `INSERT INTO ${checkTable(table)} FORMAT ${format}`,
        // A stream of bytes: with an object stream the client would write one empty row and say nothing.
        values: Readable.from(chunks, { objectMode: false }),
        query_id: queryId,
        abort_signal,
        clickhouse_settings: { ...insertSettings, max_execution_time: timeoutMs / 1_000, wait_end_of_query: 1 },
      });
      // Reading to the end gives the connection back.
      for await (const _chunk of stream);
      return { writtenRows: Number(summary?.written_rows ?? 0) };
    });
  }
}

function openClient(options: ClickHouseWarehouseOptions, connections: number): ClickHouseClient {
  return createClient({
    url: options.url,
    database: options.database,
    username: options.user,
    password: options.password,
    application: 'tributary',
    max_open_connections: connections,
    // Each statement has a limit of its own; this one only must not come before it.
    request_timeout: 24 * 3_600_000,
    compression: { request: false, response: false },
    use_multipart_params_auto: true,
    // What fails is thrown, and logged once by whoever handles it.
    log: { level: ClickHouseLogLevel.OFF },
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
