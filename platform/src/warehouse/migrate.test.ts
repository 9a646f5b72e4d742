import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { defineQuery } from '../warehouse.ts';
import { migrateWarehouse, type WarehouseLocation } from './migrate.ts';
import { startTestWarehouse, type TestWarehouse } from './test-warehouse.testing.ts';

const tables = defineQuery({
  name: 'tables',
  tenantFree: 'test',
  sql: 'SELECT name FROM system.tables WHERE database = {database:String} ORDER BY name',
  params: z.object({ database: z.string() }),
  row: z.object({ name: z.string() }),
});

const schemaDir = new URL('../../../schema/clickhouse/', import.meta.url);

describe('the files of the schema', () => {
  it.each(readdirSync(schemaDir).filter((name) => name.endsWith('.sql')))(
    '%s says of its tables what a row is and why they are ordered so',
    (name) => {
      const [header = ''] = readFileSync(new URL(name, schemaDir), 'utf8').split(/^[^-\n]/m);
      expect(header).toMatch(/^-- /);
      if (!/MergeTree/.test(readFileSync(new URL(name, schemaDir), 'utf8'))) return;
      expect(header).toMatch(/Grain: /);
      expect(header).toMatch(/Order key: /);
    },
  );
});

describe('migrateWarehouse', () => {
  let test: TestWarehouse;
  let dir: string;
  let databases = 0;
  beforeAll(async () => {
    test = await startTestWarehouse({ migrated: true });
  });
  afterAll(() => test?.dispose());
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'tributary-migrations-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const newLocation = (): WarehouseLocation => {
    databases += 1;
    return { ...test.location, warehouse: { ...test.location.warehouse, database: `migrate_${databases}` } };
  };
  const tablesOf = async ({ warehouse: { database } }: WarehouseLocation) =>
    (await test.warehouse.query(tables, { database })).map(({ name }) => name);

  it('makes every table of the schema package and is idempotent', async () => {
    const location = newLocation();
    const applied = await migrateWarehouse(location);
    expect(applied).toContain('0001_events');
    expect([...applied].sort()).toEqual(applied);
    await expect(tablesOf(location)).resolves.toEqual(
      expect.arrayContaining(['dead_letters', 'events', 'install_attributions', 'journeys', 'schema_migrations']),
    );
    await expect(migrateWarehouse(location)).resolves.toEqual([]);
  });

  it('is safe when several processes start at once', async () => {
    const location = newLocation();
    await Promise.all(Array.from({ length: 4 }, () => migrateWarehouse(location)));
    await expect(migrateWarehouse(location)).resolves.toEqual([]);
  });

  it('applies later files only, in the order of their names', async () => {
    const location = newLocation();
    await writeFile(
      join(dir, '0001_a.sql'),
      "CREATE TABLE IF NOT EXISTS a (x String DEFAULT ';') ENGINE = Memory; -- done;\n",
    );
    await expect(migrateWarehouse(location, { dir })).resolves.toEqual(['0001_a']);
    await writeFile(
      join(dir, '0002_b.sql'),
      'CREATE TABLE IF NOT EXISTS b AS a;\nALTER TABLE a ADD COLUMN IF NOT EXISTS y UInt8;\n',
    );
    await writeFile(join(dir, 'notes.txt'), 'not a migration');
    await expect(migrateWarehouse(location, { dir })).resolves.toEqual(['0002_b']);
    await expect(tablesOf(location)).resolves.toEqual(['a', 'b', 'schema_migrations']);
  });

  it('refuses a file that was changed after it had been applied, but not other line ends', async () => {
    const location = newLocation();
    const file = join(dir, '0001_a.sql');
    await writeFile(file, 'CREATE TABLE IF NOT EXISTS a (x UInt8)\nENGINE = Memory;\n');
    await migrateWarehouse(location, { dir });
    await writeFile(file, 'CREATE TABLE IF NOT EXISTS a (x UInt8)\r\nENGINE = Memory;\r\n');
    await expect(migrateWarehouse(location, { dir })).resolves.toEqual([]);
    await writeFile(file, 'CREATE TABLE IF NOT EXISTS a (x UInt16)\nENGINE = Memory;\n');
    await expect(migrateWarehouse(location, { dir })).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      details: { version: '0001_a' },
      message: expect.stringContaining('changed after it had been applied'),
    });
  });

  it('refuses a warehouse that is newer than the program', async () => {
    const location = newLocation();
    await writeFile(join(dir, '0001_a.sql'), 'CREATE TABLE IF NOT EXISTS a (x UInt8) ENGINE = Memory');
    await migrateWarehouse(location, { dir });
    await rm(join(dir, '0001_a.sql'));
    await expect(migrateWarehouse(location, { dir })).rejects.toMatchObject({ code: 'MIGRATION_FAILED' });
  });

  it('does not record a migration that failed, and applies it when it was mended', async () => {
    const location = newLocation();
    const file = join(dir, '0001_a.sql');
    await writeFile(
      file,
      'CREATE TABLE IF NOT EXISTS a (x UInt8) ENGINE = Memory; CREATE TABLE b (x Nonsense) ENGINE = Memory;',
    );
    await expect(migrateWarehouse(location, { dir })).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      details: { version: '0001_a' },
      cause: expect.objectContaining({ details: expect.objectContaining({ engineCode: 50 }) }),
    });
    await writeFile(file, 'CREATE TABLE IF NOT EXISTS a (x UInt8) ENGINE = Memory;');
    await expect(migrateWarehouse(location, { dir })).resolves.toEqual(['0001_a']);
  });

  it('says that a store is not there, so that the caller can wait for it', async () => {
    const location = { ...test.location, warehouse: { ...test.location.warehouse, url: 'http://127.0.0.1:9' } };
    await expect(migrateWarehouse(location)).rejects.toMatchObject({ code: 'WAREHOUSE_UNAVAILABLE' });
  });
});
