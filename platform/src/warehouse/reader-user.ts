import { sqlName, sqlString } from './chdb-sql.ts';

export interface ReaderUser {
  readonly user: string;
  /** Lower-case hex SHA-256 of the password: the password itself is not shown to whoever reads the statements. */
  readonly passwordSha256: string;
  readonly database: string;
  /** Of one query. Default 1 GB. */
  readonly maxMemoryBytes?: number;
  /** Of one query. Default 30. */
  readonly maxSeconds?: number;
}

/**
 * Statements, for an administrator of a ClickHouse server, that make the user as which readers ask (`warehouseReader`): it
 * may SELECT from this database and nothing else, and may tighten the limits of a query and not loosen them.
 * `readonly = 2`: 1 would refuse the time limit that each query carries.
 *
 * chDB has no users; there the statements are only parsed (the test).
 */
export function readerUserStatements(reader: ReaderUser): readonly string[] {
  const { user, passwordSha256, database, maxMemoryBytes = 1_000_000_000, maxSeconds = 30 } = reader;
  const name = sqlName(user);
  const limits = [
    'readonly = 2 CONST',
    `max_memory_usage = ${maxMemoryBytes} MAX ${maxMemoryBytes}`,
    `max_execution_time = ${maxSeconds} MAX ${maxSeconds}`,
    'max_result_rows = 1000000 MAX 1000000',
    'allow_ddl = 0 CONST',
  ];
  return [
    `CREATE USER IF NOT EXISTS ${name} IDENTIFIED WITH sha256_hash BY ${sqlString(passwordSha256)} SETTINGS ${limits.join(', ')}`,
    `GRANT SELECT ON ${sqlName(database)}.* TO ${name}`,
  ];
}
