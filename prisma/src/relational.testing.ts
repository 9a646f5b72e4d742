import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import pg from 'pg';
import { openRelational, type Relational } from './client.ts';
import { migrateRelational } from './migrate.ts';

/** An empty store for a test file, removed with `dispose`. */
export interface TestStore {
  readonly config: { readonly dataDir: string; readonly postgresUrl: string | null };
  /** Opened and migrated. */
  openMigrated(): Promise<Relational>;
  dispose(): Promise<void>;
}

async function embeddedStore(): Promise<TestStore> {
  const dataDir = await mkdtemp(join(tmpdir(), 'tributary-relational-'));
  return storeOf({ dataDir, postgresUrl: null }, () => rm(dataDir, { recursive: true, force: true }));
}

/** A database of its own on the server of TRIBUTARY_TEST_POSTGRES_URL. */
async function serverStore(url: string): Promise<TestStore> {
  const name = `tributary_test_${randomBytes(6).toString('hex')}`;
  const onServer = async (statement: string) => {
    const admin = new pg.Client({ connectionString: url });
    await admin.connect();
    try {
      await admin.query(statement);
    } finally {
      await admin.end();
    }
  };
  await onServer(`CREATE DATABASE ${name}`);
  const own = new URL(url);
  own.pathname = `/${name}`;
  return storeOf({ dataDir: '', postgresUrl: own.href }, () => onServer(`DROP DATABASE ${name} WITH (FORCE)`));
}

function storeOf(config: TestStore['config'], remove: () => Promise<unknown>): TestStore {
  const opened: Relational[] = [];
  return {
    config,
    async openMigrated() {
      const relational = await openRelational(config);
      opened.push(relational);
      await migrateRelational(relational);
      return relational;
    },
    async dispose() {
      for (const relational of opened) await relational.dispose();
      await remove();
    },
  };
}

const url = process.env['TRIBUTARY_TEST_POSTGRES_URL'];

/** One suite for both forms of the store; the server's is skipped, by name, where there is no server. */
export function describeEachStore(title: string, suite: (openStore: () => Promise<TestStore>) => void): void {
  // PGlite's first start takes 3 s alone and many times that on a busy machine.
  jest.setTimeout(120_000);
  describe(`${title} on PGlite`, () => suite(embeddedStore));
  if (url) describe(`${title} on Postgres`, () => suite(() => serverStore(url)));
  else describe.skip(`${title} on Postgres (TRIBUTARY_TEST_POSTGRES_URL is not set)`, () => suite(embeddedStore));
}
