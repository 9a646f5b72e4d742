import type { z } from 'zod';

/**
 * The analytical store: ClickHouse's HTTP interface, be it a server or our chDB child. One client path for both.
 *
 * - Every statement has a name (for metrics, logs and the `query_id`), a time limit and a memory limit.
 * - `query` parses each row by its schema: a malformed row, bad parameters and an unreachable store are three different
 *   failures (INTERNAL, BAD_USER_INPUT, WAREHOUSE_UNAVAILABLE); running out of time is QUERY_TIMEOUT, out of memory
 *   QUERY_TOO_LARGE.
 * - Aborting a signal ends the statement on the server (KILL QUERY) and rejects.
 * - 64-bit integers and decimals arrive as strings; DateTime64 as epoch ms only where the SQL says toUnixTimestamp64Milli.
 * - Disposal: waits for statements in flight up to 5 s, then closes; idempotent.
 */
export interface Warehouse {
  query<P extends Record<string, unknown>, R>(
    definition: QueryDefinition<P, R>,
    params: P,
    options?: QueryOptions,
  ): Promise<R[]>;
  /** Statements without rows: DDL, mutations, INSERT … SELECT. */
  execute(statement: ExecuteStatement): Promise<void>;
  /**
   * Inserts bytes in the given format as they are. Rejects with the coded engine error, outcome unknown unless `engineCode`
   * is set; with STALE_OWNER when the table's fence refused it (schema/clickhouse/0008_exactly_once.sql). `writtenRows` counts those of
   * materialized views too. The statement can read its query id as `getSetting('log_comment')`.
   */
  insertBytes(insert: InsertBytes): Promise<{ readonly writtenRows: number }>;
  /** Inserts typed rows as JSONEachRow. */
  insertRows(insert: {
    readonly name: string;
    readonly table: string;
    readonly rows: readonly object[];
  }): Promise<void>;
  /**
   * Ends what runs under query ids with this prefix, of them those that hold a match of the RE2 expression `matching`
   * where one is given, and resolves when none is left.
   */
  killQueries(queryIdPrefix: string, matching?: string): Promise<void>;
  ping(): Promise<void>;
  dispose(): Promise<void>;
}

/**
 * A named question. `sql` uses `{name:Type}` parameters; it must hold `{tenantId:String}` unless `tenantFree` says why
 * not. Begin the SQL's comment with grain, ordering key and expected scan.
 */
export interface QueryDefinition<P extends Record<string, unknown>, R> {
  readonly name: string;
  readonly sql: string;
  /** Parses the caller's parameters into what the SQL takes. */
  readonly params: z.ZodType<P>;
  readonly row: z.ZodType<R>;
  /** Reason why this query is not bound to a tenant (pipeline work only). */
  readonly tenantFree?: string;
  readonly timeoutMs?: number;
  readonly maxMemoryBytes?: number;
}

export interface QueryOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

export interface ExecuteStatement {
  readonly name: string;
  readonly sql: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly timeoutMs?: number;
  readonly settings?: Readonly<Record<string, string | number>>;
}

export interface InsertBytes {
  readonly name: string;
  /** Table name, optionally with a column list in parentheses. */
  readonly table: string;
  readonly format: 'JSONEachRow';
  readonly body: Uint8Array | readonly Uint8Array[];
  readonly queryId?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Identity function that infers the types of a query definition. */
export function defineQuery<P extends Record<string, unknown>, R>(
  definition: QueryDefinition<P, R>,
): QueryDefinition<P, R> {
  return definition;
}

/** `{name:Int64}` epoch milliseconds as the type of the time columns, for use in SQL. */
export const timeParam = (name: string): string => `fromUnixTimestamp64Milli({${name}:Int64}, 'UTC')`;
