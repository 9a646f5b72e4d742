import { readdirSync, readFileSync } from 'node:fs';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
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

  it('keeps what is stored when columns lose their dictionaries (0011), and its aggregates answer as before', async () => {
    const location = newLocation();
    const before = readdirSync(schemaDir).filter((name) => name.endsWith('.sql') && name < '0011');
    for (const name of before) await copyFile(new URL(name, schemaDir), join(dir, name));
    await migrateWarehouse(location, { dir });
    const events = `${location.warehouse.database}.events`;
    const sql = `INSERT INTO ${events} (tenant_id, app_id, event_id, block_id, environment, event_kind, event_name, occurred_at,
      country, platform, network, sdk, flags, revenue_amount, revenue_currency)
      SELECT 'ten_a', 'app_a', toString(number), 'block', if(number % 5 = 0, 'sandbox', 'production'), 'purchase', 'purchase',
        toDateTime64('2026-09-29 10:00:00', 3, 'UTC') + toIntervalSecond(number), ['DE', 'US', ''][number % 3 + 1],
        ['ios', 'android'][number % 2 + 1], ['', 'meta'][number % 2 + 1], concat('sdk ', toString(number % 7)),
        if(number % 2 = 0, ['late', 'clock'], []), number, 'EUR' FROM numbers(20000)`;
    await test.warehouse.execute({ name: 'test.insert', sql });
    const rows = defineQuery({
      name: 'test.rows',
      tenantFree: 'test',
      sql: `SELECT toString(sum(cityHash64(tenant_id, event_id, environment, event_kind, country, platform, network, sdk, flags))) AS sum
        FROM ${events}`,
      params: z.object({}),
      row: z.object({ sum: z.string() }),
    });
    const aggregates = (projection: 0 | 1) =>
      defineQuery({
        name: 'test.aggregates',
        tenantFree: 'test',
        sql: `SELECT environment, country, platform, toFloat64(count()) AS events, toString(sum(revenue_amount)) AS revenue FROM ${events}
          WHERE tenant_id = 'ten_a' AND app_id = 'app_a' GROUP BY ALL ORDER BY ALL
          SETTINGS force_optimize_projection = ${projection}, optimize_use_projections = ${projection}`,
        params: z.object({}),
        row: z.record(z.string(), z.unknown()),
      });
    const unfinished = defineQuery({
      name: 'test.unfinished',
      tenantFree: 'test',
      sql: `SELECT mutation_id AS id FROM system.mutations WHERE database = '${location.warehouse.database}' AND NOT is_done`,
      params: z.object({}),
      row: z.object({ id: z.string() }),
    });
    const [rowsBefore, aggregatesBefore] = [
      await test.warehouse.query(rows, {}),
      await test.warehouse.query(aggregates(1), {}),
    ];
    expect(aggregatesBefore).toHaveLength(12);
    // As roles do that start together.
    await Promise.all(Array.from({ length: 4 }, () => migrateWarehouse(location)));
    await expect(test.warehouse.query(rows, {})).resolves.toEqual(rowsBefore);
    await expect(test.warehouse.query(aggregates(0), {})).resolves.toEqual(aggregatesBefore);
    // In the background, by the migration itself.
    const giveUpAt = Date.now() + 20_000;
    while ((await test.warehouse.query(unfinished, {})).length > 0 && Date.now() < giveUpAt) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await expect(test.warehouse.query(aggregates(1), {})).resolves.toEqual(aggregatesBefore);
  });

  it('says that a store is not there, so that the caller can wait for it', async () => {
    const location = { ...test.location, warehouse: { ...test.location.warehouse, url: 'http://127.0.0.1:9' } };
    await expect(migrateWarehouse(location)).rejects.toMatchObject({ code: 'WAREHOUSE_UNAVAILABLE' });
  });
});
