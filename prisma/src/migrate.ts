import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CodedError } from '@tributary/schema';
import type { Relational, SqlSession } from './client.ts';
import { isUnreachable } from './faults.ts';

export interface MigrationReport {
  /** Applied by this call, in order. */
  readonly applied: readonly string[];
  /** Applied by a newer program than this one. Left alone: migrations keep the previous program working. */
  readonly unknown: readonly string[];
}

export interface Migration {
  readonly name: string;
  readonly sql: string;
}

interface AppliedRow {
  readonly migration_name: string;
  readonly checksum: string;
  readonly finished: boolean;
  readonly rolled_back: boolean;
}

/** The lock that `prisma migrate` takes too, so that neither runs beside the other. */
const lockId = 72_707_369;

/** The table as `prisma migrate` makes it. */
const bookkeeping = `CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id                      VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum                VARCHAR(64) NOT NULL,
    finished_at             TIMESTAMPTZ,
    migration_name          VARCHAR(255) NOT NULL,
    logs                    TEXT,
    rolled_back_at          TIMESTAMPTZ,
    started_at              TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count     INTEGER NOT NULL DEFAULT 0
);`;

const checksumOf = (sql: string) => createHash('sha256').update(sql).digest('hex');

const migrationsDir = fileURLToPath(new URL('../migrations', import.meta.url));

/** The checked-in migrations, in order of their names. */
export async function readMigrations(): Promise<readonly Migration[]> {
  const entries = await readdir(migrationsDir, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return Promise.all(
    names.sort().map(async (name) => ({
      name,
      sql: await readFile(join(migrationsDir, name, 'migration.sql'), 'utf8'),
    })),
  );
}

function failed(message: string, cause?: unknown): CodedError {
  return new CodedError('MIGRATION_FAILED', { message, ...(cause === undefined ? {} : { cause }) });
}

async function readApplied(session: SqlSession): Promise<ReadonlyMap<string, AppliedRow>> {
  const [table] = await session.query<{ there: boolean }>(
    `SELECT to_regclass('_prisma_migrations') IS NOT NULL AS there`,
  );
  if (!table?.there) return new Map();
  const rows = await session.query<AppliedRow>(
    `SELECT migration_name, checksum, finished_at IS NOT NULL AS finished, rolled_back_at IS NOT NULL AS rolled_back
     FROM _prisma_migrations ORDER BY started_at`,
  );
  return new Map(rows.filter((row) => !row.rolled_back).map((row) => [row.migration_name, row]));
}

/** Those still to be applied. Throws when the store's history is not the one of these files. */
function pendingOf(migrations: readonly Migration[], applied: ReadonlyMap<string, AppliedRow>): readonly Migration[] {
  return migrations.filter(({ name, sql }) => {
    const row = applied.get(name);
    if (!row) return true;
    if (!row.finished)
      throw failed(`Migration ${name} was begun and not finished by another program. Mend it by hand.`);
    if (row.checksum !== checksumOf(sql)) throw failed(`Migration ${name} differs from the one that was applied.`);
    return false;
  });
}

/** Names and checksums are ours (hex and folder names); a name that could end the literal is refused. */
function recordOf({ name, sql }: Migration): string {
  if (!/^\w+$/.test(name)) throw failed(`A migration's folder is named by letters, digits and _: ${name}`);
  return `INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
VALUES ('${randomUUID()}', '${checksumOf(sql)}', '${name}', clock_timestamp(), clock_timestamp(), 1);`;
}

/** All of them in one transaction and one round trip: a store is at the old state or at the new one, nothing between. */
async function applyAll(session: SqlSession, pending: readonly Migration[]): Promise<void> {
  const script = ['BEGIN;', 'SET LOCAL statement_timeout = 0;', bookkeeping];
  for (const migration of pending) script.push(migration.sql, recordOf(migration));
  script.push('COMMIT;');
  try {
    await session.exec(script.join('\n'));
  } catch (error) {
    if (isUnreachable(error)) throw error;
    await session.exec('ROLLBACK');
    const reason = error instanceof Error ? error.message : String(error);
    throw failed(`A migration of the relational store failed and was undone: ${reason}`, error);
  }
}

/**
 * Brings the store to the schema of `migrations/`, recorded in `_prisma_migrations` as Prisma does, so that `prisma
 * migrate deploy` and this agree. Safe to call from several processes at once: one applies, the others wait for it.
 *
 * Throws MIGRATION_FAILED (nothing was changed) or RELATIONAL_UNAVAILABLE.
 */
export async function migrateRelational(
  relational: Pick<Relational, 'session'>,
  migrations?: readonly Migration[],
): Promise<MigrationReport> {
  const wanted = migrations ?? (await readMigrations());
  const known = new Set(wanted.map(({ name }) => name));
  return relational.session(async (session) => {
    await session.exec(`SET statement_timeout = 0; SELECT pg_advisory_lock(${lockId});`);
    try {
      const applied = await readApplied(session);
      const pending = pendingOf(wanted, applied);
      if (pending.length > 0) await applyAll(session, pending);
      return {
        applied: pending.map(({ name }) => name),
        unknown: [...applied.keys()].filter((name) => !known.has(name)),
      };
    } finally {
      // A session that is gone has let go of its lock already.
      await session.exec(`SELECT pg_advisory_unlock(${lockId}); RESET statement_timeout;`).catch(() => undefined);
    }
  });
}
