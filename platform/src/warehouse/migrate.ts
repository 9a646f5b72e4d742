import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CodedError, type Config } from '@tributary/schema';
import { z } from 'zod';
import type { Logger } from '../logger.ts';
import { defineQuery, type Warehouse } from '../warehouse.ts';
import { splitStatements, sqlName } from './chdb-sql.ts';
import { openClickHouseWarehouse } from './clickhouse.ts';

export interface MigrateWarehouseOptions {
  /** Where the `NNNN_*.sql` are. Default: those of the schema package. */
  readonly dir?: string;
  readonly logger?: Logger;
}

/** The part of the configuration that says where the warehouse is. */
export type WarehouseLocation = Pick<Config, 'warehouse'> & { readonly ports: Pick<Config['ports'], 'warehouse'> };

interface Migration {
  readonly version: string;
  readonly checksum: string;
  readonly statements: readonly string[];
}

/**
 * Creates the database and applies every `NNNN_*.sql` that was not yet applied, in order of their names. Idempotent; two
 * processes may run it at once, since all statements of a migration are of the IF NOT EXISTS kind and the record of one is
 * the same whoever writes it.
 *
 * Rejects with WAREHOUSE_UNAVAILABLE when the store is not there, and with MIGRATION_FAILED when a statement fails, when
 * an applied file was changed since (`details.version`), or when the database holds a migration that this version of the
 * program lacks.
 *
 * @returns versions applied by this call.
 */
export async function migrateWarehouse(
  location: WarehouseLocation,
  { dir = schemaDir(), logger }: MigrateWarehouseOptions = {},
): Promise<readonly string[]> {
  const { url, database, user, password } = location.warehouse;
  const common = { url: url ?? `http://127.0.0.1:${location.ports.warehouse}`, user, password };
  const migrations = await readMigrations(dir);
  const server = openClickHouseWarehouse({ ...common, database: 'default' });
  try {
    await server.execute({ name: 'create_database', sql: `CREATE DATABASE IF NOT EXISTS ${sqlName(database)}` });
  } finally {
    await server.dispose();
  }
  const warehouse = openClickHouseWarehouse({ ...common, database });
  try {
    return await applyMissing(warehouse, migrations, logger);
  } finally {
    await warehouse.dispose();
  }
}

// Grain: one row per applied migration (repeats are equal). Ordering key: version. Scan: the whole table, a few rows.
const appliedMigrations = defineQuery({
  name: 'applied_migrations',
  tenantFree: 'the schema belongs to all tenants',
  sql: 'SELECT DISTINCT version, checksum FROM schema_migrations ORDER BY version',
  params: z.object({}),
  row: z.object({ version: z.string(), checksum: z.string() }),
});

const recordTable = `CREATE TABLE IF NOT EXISTS schema_migrations
(
  version String,
  checksum String,
  applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY version`;

async function applyMissing(
  warehouse: Warehouse,
  migrations: readonly Migration[],
  logger: Logger | undefined,
): Promise<string[]> {
  await warehouse.execute({ name: 'create_schema_migrations', sql: recordTable });
  const applied = new Map((await warehouse.query(appliedMigrations, {})).map((row) => [row.version, row.checksum]));
  for (const version of applied.keys()) {
    if (!migrations.some((migration) => migration.version === version)) {
      throw failed(
        version,
        `The warehouse holds migration ${version}, which this version of the program does not know.`,
      );
    }
  }
  const done: string[] = [];
  for (const migration of migrations) {
    const before = applied.get(migration.version);
    if (before === migration.checksum) continue;
    if (before !== undefined) {
      throw failed(
        migration.version,
        `Migration ${migration.version} was changed after it had been applied. Restore the file and put the change into a new one.`,
      );
    }
    await apply(warehouse, migration);
    logger?.info({ version: migration.version }, 'warehouse migration applied');
    done.push(migration.version);
  }
  return done;
}

async function apply(warehouse: Warehouse, { version, checksum, statements }: Migration): Promise<void> {
  try {
    for (const sql of statements) await warehouse.execute({ name: `migration_${version}`, sql, timeoutMs: 600_000 });
    await warehouse.insertRows({
      name: 'record_migration',
      table: 'schema_migrations (version, checksum)',
      rows: [{ version, checksum }],
    });
  } catch (error) {
    if (error instanceof CodedError && error.code === 'WAREHOUSE_UNAVAILABLE') throw error;
    throw failed(
      version,
      `Migration ${version} of the warehouse failed; it will be tried again from its start.`,
      error,
    );
  }
}

function failed(version: string, message: string, cause?: unknown): CodedError {
  return new CodedError('MIGRATION_FAILED', { message, details: { version }, cause });
}

async function readMigrations(dir: string): Promise<readonly Migration[]> {
  const files = (await readdir(dir)).filter((name) => /^\d{4}_\w+\.sql$/.test(name)).sort();
  return Promise.all(
    files.map(async (name) => {
      const sql = await readFile(join(dir, name), 'utf8');
      return {
        version: name.replace(/\.sql$/, ''),
        // Line ends are the checkout's business.
        checksum: createHash('sha256').update(sql.replaceAll('\r\n', '\n')).digest('hex'),
        statements: splitStatements(sql),
      };
    }),
  );
}

function schemaDir(): string {
  return join(dirname(fileURLToPath(import.meta.resolve('@tributary/schema'))), '..', 'clickhouse');
}
