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
 * Opens a connection. Settings and parameters of a statement are put before it as SET: chDB's own binding of parameters is
 * not safe beside a second connection (its wrapper therefore runs all bound queries of a process one by one).
 */
export function openLane(options: LaneOptions): Lane {
  const session = new Session(options.path, { connectionArgs: [...options.engineArgs] });
  const state = createConnectionState(options.baseSettings);

  const run = async (statement: LaneStatement): Promise<LaneResult> => {
    const { insert } = statement;
    if (insert && rawFormats.has(insert.head.format)) return insertRaw(session, statement, options);
    const sql = insert ? `${statement.sql}\n${Buffer.from(insert.body).toString('utf8')}` : statement.sql;
    const result = await session.queryAsync(state.changesFor(statement) + sql, { format: statement.format });
    state.changedFor(statement);
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

interface ConnectionState {
  /** Statements, to be put before this one, that bring the connection to what it wants. */
  changesFor(statement: LaneStatement): string;
  /** To be called when they, and the statement, went well. */
  changedFor(statement: LaneStatement): void;
}

/** A connection keeps what was SET: knows what that is, so that each statement finds its own settings and no other's. */
function createConnectionState(baseSettings: Readonly<Record<string, string>>): ConnectionState {
  const unknown = Symbol('set to something');
  const current = new Map<string, string | typeof unknown>();
  let database: string | typeof unknown = 'default';
  const wantedBy = (statement: LaneStatement) =>
    new Map(Object.entries({ ...baseSettings, ...statement.settings, log_comment: statement.queryId }));
  return {
    changesFor(statement) {
      const wanted = wantedBy(statement);
      const sets = [...current.keys()].filter((name) => !wanted.has(name)).map((name) => `${name} = DEFAULT`);
      for (const [name, value] of wanted) {
        if (current.get(name) !== value) sets.push(`${name} = ${settingLiteral(value)}`);
      }
      // A parameter stays too; the caller sees to it that no statement takes one that it did not bring.
      for (const [name, value] of Object.entries(statement.params)) sets.push(`param_${name} = ${sqlString(value)}`);
      const use = statement.database === database ? '' : `USE ${sqlName(statement.database)}; `;
      // Until the statement went well, nobody knows how far these came: the next one sets them all again.
      for (const name of [...current.keys(), ...wanted.keys()]) current.set(name, unknown);
      database = unknown;
      return `SET ${sets.join(', ')}; ${use}`;
    },
    changedFor(statement) {
      current.clear();
      for (const [name, value] of wantedBy(statement)) current.set(name, value);
      database = statement.database;
    },
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
