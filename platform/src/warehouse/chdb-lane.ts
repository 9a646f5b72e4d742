import { Session } from 'chdb';
import { type InsertHead, sqlName, sqlString } from './chdb-sql.ts';

/** A statement with all that HTTP says about it. */
export interface LaneStatement {
  readonly queryId: string;
  readonly sql: string;
  readonly database: string;
  /** Output format where the SQL names none. */
  readonly format: string;
  readonly settings: Readonly<Record<string, string>>;
  /** Values of `{name:Type}` as they stand in the URL (escaped as in tab-separated text). */
  readonly params: Readonly<Record<string, string>>;
  /** Rows of an insert, taken as they are. */
  readonly insert?: { readonly head: InsertHead; readonly body: Uint8Array };
}

export interface LaneResult {
  readonly bytes: Uint8Array;
  readonly readRows: number;
  readonly readBytes: number;
  readonly writtenRows: number;
  readonly writtenBytes: number;
}

/** One connection to the engine. It runs one statement at a time, off the event loop. */
export interface Lane {
  run(statement: LaneStatement): Promise<LaneResult>;
  /** Runs a short statement on the calling thread, so that it needs no free thread of the pool. JSONEachRow text. */
  runNow(sql: string): string;
  close(): void;
}

export interface LaneOptions {
  readonly path: string;
  /** Arguments as of `clickhouse local`. Must be the same for all lanes of a process. */
  readonly engineArgs: readonly string[];
  /** Settings of every statement that doesn't bring its own. */
  readonly baseSettings: Readonly<Record<string, string>>;
}

const rawFormats = new Set(['JSONEachRow', 'JSONCompactEachRow', 'CSV', 'CSVWithNames', 'TabSeparated', 'TSV']);

/**
 * Opens a connection. Settings and parameters of a statement are put before it as SET, since a connection keeps its
 * settings: the lane knows what it set last and sets that back. Parameters go the same way because chDB's own binding is
 * not safe beside a second connection (its wrapper therefore runs all bound queries of a process one by one).
 */
export function openLane(options: LaneOptions): Lane {
  const session = new Session(options.path, { connectionArgs: [...options.engineArgs] });
  let database = 'default';
  const current = new Map<string, string>();

  /** SETs that bring the connection to what this statement wants. */
  const prefix = (statement: LaneStatement): string => {
    const wanted = new Map(Object.entries({ ...options.baseSettings, ...statement.settings }));
    wanted.set('log_comment', statement.queryId);
    const changes: string[] = [];
    for (const name of current.keys()) if (!wanted.has(name)) changes.push(`${name} = DEFAULT`);
    for (const [name, value] of wanted) {
      if (current.get(name) !== value) changes.push(`${name} = ${settingLiteral(value)}`);
    }
    for (const [name, value] of Object.entries(statement.params)) changes.push(`param_${name} = ${sqlString(value)}`);
    const parts = changes.length > 0 ? [`SET ${changes.join(', ')}`] : [];
    // Whatever comes of the statement, these may be set afterwards; an unlike value makes the next one set them again.
    for (const name of [...current.keys(), ...wanted.keys()]) current.set(name, '\0unknown');
    if (statement.database !== database) parts.push(`USE ${sqlName(statement.database)}`);
    database = '';
    return parts.map((part) => `${part}; `).join('');
  };
  const settled = (statement: LaneStatement) => {
    current.clear();
    for (const [name, value] of Object.entries({ ...options.baseSettings, ...statement.settings })) {
      current.set(name, value);
    }
    current.set('log_comment', statement.queryId);
    database = statement.database;
  };

  const run = async (statement: LaneStatement): Promise<LaneResult> => {
    if (statement.insert && rawFormats.has(statement.insert.head.format)) return insertRaw(session, statement, options);
    const sql = statement.insert
      ? `${statement.sql}\n${Buffer.from(statement.insert.body).toString('utf8')}`
      : statement.sql;
    const result = await session.queryAsync(prefix(statement) + sql, { format: statement.format });
    settled(statement);
    return {
      bytes: result.bytes(),
      readRows: result.rowsRead,
      readBytes: result.bytesRead,
      writtenRows: 0,
      writtenBytes: 0,
    };
  };

  return {
    async run(statement) {
      try {
        return await run(statement);
      } catch (error) {
        // The engine lists a statement that failed, and holds its memory, until the connection runs the next one.
        await session.queryAsync('SELECT 1').catch(() => undefined);
        throw error;
      }
    },
    runNow: (sql) => session.query(sql, 'JSONEachRow'),
    close: () => session.close(),
  };
}

async function insertRaw(session: Session, statement: LaneStatement, options: LaneOptions): Promise<LaneResult> {
  const { head, body } = statement.insert as NonNullable<LaneStatement['insert']>;
  const result = await session.insert({
    table: head.table.includes('.') ? head.table : `${statement.database}.${head.table}`,
    values: body,
    format: head.format as 'JSONEachRow',
    ...(head.columns ? { columns: head.columns } : {}),
    // Per statement: unlike SET they don't stay on the connection.
    settings: { ...options.baseSettings, ...statement.settings, log_comment: statement.queryId },
  });
  return {
    bytes: new Uint8Array(),
    readRows: result.rowsWritten,
    readBytes: result.bytesSent,
    writtenRows: result.rowsWritten,
    writtenBytes: result.bytesWritten,
  };
}

const settingLiteral = (value: string): string => (/^-?\d+(\.\d+)?$/.test(value) ? value : sqlString(value));
