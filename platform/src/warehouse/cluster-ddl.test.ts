import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { defineQuery } from '../warehouse.ts';
import { clusterDdl, localSuffix } from './cluster-ddl.ts';
import { startTestWarehouse, type TestWarehouse } from './test-warehouse.testing.ts';

const dir = join(dirname(fileURLToPath(import.meta.resolve('@tributary/schema'))), '..', 'clickhouse');

/** Parsed by the engine and not run: there is no cluster here. */
describe('clusterDdl (its statements are parsed, not run on a cluster)', () => {
  let test: TestWarehouse;
  const statements: string[] = [];
  beforeAll(async () => {
    test = await startTestWarehouse();
    const files = (await readdir(dir)).filter((name) => name.endsWith('.sql')).sort();
    for (const name of files) {
      statements.push(...clusterDdl(await readFile(join(dir, name), 'utf8'), { cluster: 'main' }));
    }
  });
  afterAll(() => test?.dispose());

  it('makes only statements that the engine understands, each for the whole cluster', async () => {
    expect(statements.length).toBeGreaterThan(20);
    for (const statement of statements) {
      expect(statement).toContain("ON CLUSTER 'main'");
      await test.warehouse.execute({ name: 'test.explain', sql: `EXPLAIN AST ${statement}` });
    }
  });

  it('would notice one that the engine does not understand', async () => {
    const broken = 'EXPLAIN AST CREATE TABLE IF NOT EXISTS a ON CLUSTER ENGINE = Nothing(';
    await expect(test.warehouse.execute({ name: 'test.explain', sql: broken })).rejects.toMatchObject({
      details: { engineCode: 62 },
    });
  });

  it('gives every table of this database that holds rows replicas and a Distributed table under its name', async () => {
    const tables = defineQuery({
      name: 'test.tables',
      sql: `SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND name != 'schema_migrations'`,
      params: z.object({}),
      row: z.object({ name: z.string() }),
      tenantFree: 'a test',
    });
    const names = (await test.warehouse.query(tables, {})).map(({ name }) => name);
    expect(names).toContain('events');
    for (const name of names) {
      const local = statements.find((sql) => sql.startsWith(`CREATE TABLE IF NOT EXISTS ${name}${localSuffix} `));
      expect(local).toMatch(/ENGINE = Replicated\w*MergeTree\('\/clickhouse\/tables\//);
      const distributed = statements.find((sql) => sql.startsWith(`CREATE TABLE IF NOT EXISTS ${name} ON`));
      expect(distributed).toContain(`ENGINE = Distributed('main', 'tributary', '${name}${localSuffix}'`);
    }
  });

  it('spreads events by the hash by which the log is partitioned', () => {
    const events = statements.find((sql) => sql.startsWith('CREATE TABLE IF NOT EXISTS events ON'));
    expect(events).toContain("'events_local', reinterpretAsUInt64(reverse(unhex(toString(dedupe_hash)))))");
  });

  it('keeps the arguments of an engine, and an app together where nothing else is said', () => {
    const [local, distributed] = clusterDdl(
      'CREATE TABLE IF NOT EXISTS some_mirror (\n  app_id String,\n  v UInt64\n) ENGINE = ReplacingMergeTree(v) ORDER BY app_id;',
      { cluster: 'main' },
    );
    expect(local).toContain(
      "ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/some_mirror', '{replica}', v)",
    );
    expect(distributed).toContain("'some_mirror_local', cityHash64(app_id))");
  });

  it('alters the tables that hold the rows', () => {
    expect(clusterDdl('ALTER TABLE dead_letters MODIFY TTL a;', { cluster: 'main' })).toEqual([
      "ALTER TABLE dead_letters_local ON CLUSTER 'main' MODIFY TTL a",
    ]);
  });

  it('alters columns of the Distributed table as well, and those of the inbox under its own name', () => {
    expect(clusterDdl('ALTER TABLE events MODIFY COLUMN sdk String;', { cluster: 'main' })).toEqual([
      "ALTER TABLE events_local ON CLUSTER 'main' MODIFY COLUMN sdk String",
      "ALTER TABLE events ON CLUSTER 'main' MODIFY COLUMN sdk String",
    ]);
    expect(clusterDdl('ALTER TABLE events_inbox MODIFY COLUMN sdk String;', { cluster: 'main' })).toEqual([
      "ALTER TABLE events_inbox ON CLUSTER 'main' MODIFY COLUMN sdk String",
    ]);
  });

  it('refuses a statement that it has no form for', () => {
    expect(() => clusterDdl('DROP TABLE events;', { cluster: 'main' })).toThrow(RangeError);
    const unordered = 'CREATE TABLE IF NOT EXISTS surprise (a UInt8) ENGINE = Memory;';
    expect(() => clusterDdl(unordered, { cluster: 'main' })).toThrow(RangeError);
  });
});
