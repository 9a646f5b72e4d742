import { createHash } from 'node:crypto';
import { openRelational, type Relational } from './client.ts';
import * as generated from './generated/client.ts';
import { type Migration, migrateRelational, readMigrations } from './migrate.ts';
import { describeEachStore, type TestStore } from './relational.testing.ts';

interface Column {
  readonly table_name: string;
  readonly column_name: string;
  readonly is_nullable: string;
  readonly udt_name: string;
}

const aMigration = (name: string, sql: string): Migration => ({ name, sql });

describeEachStore('migrations', (openStore) => {
  let store: TestStore;
  let relational: Relational;
  let shipped: readonly Migration[];

  beforeAll(async () => {
    store = await openStore();
    shipped = await readMigrations();
    relational = await openRelational(store.config);
  });

  afterAll(async () => {
    await relational.dispose();
    await store.dispose();
  });

  it('bring an empty store to the present schema, once', async () => {
    expect(await migrateRelational(relational)).toEqual({ applied: shipped.map(({ name }) => name), unknown: [] });
    expect(await migrateRelational(relational)).toEqual({ applied: [], unknown: [] });
  });

  it('are recorded as Prisma records them', async () => {
    const rows = await relational.client.$queryRaw<Record<string, unknown>[]>`SELECT * FROM _prisma_migrations`;
    expect(rows).toHaveLength(shipped.length);
    expect(rows[0]).toMatchObject({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      checksum: createHash('sha256')
        .update(shipped[0]?.sql ?? '')
        .digest('hex'),
      migration_name: '0001_init',
      finished_at: expect.any(Date),
      rolled_back_at: null,
      logs: null,
      applied_steps_count: 1,
    });
  });

  it('make the tables and columns that schema.prisma names, no more and no fewer', async () => {
    const columns = await relational.client.$queryRaw<Column[]>`
      SELECT table_name::text, column_name::text, is_nullable::text, udt_name::text FROM information_schema.columns
      WHERE table_schema = 'public' AND table_name <> '_prisma_migrations' ORDER BY 1, ordinal_position`;
    const made = Map.groupBy(columns, (column) => column.table_name);
    const wanted = Object.keys(generated.Prisma.ModelName).sort();
    expect([...made.keys()].sort()).toEqual(wanted);
    for (const model of wanted) {
      const fields = (generated.Prisma as unknown as Record<string, Record<string, string>>)[`${model}ScalarFieldEnum`];
      expect([model, made.get(model)?.map((column) => column.column_name)]).toEqual([model, Object.keys(fields ?? {})]);
    }
  });

  it('make enums with the values of schema.prisma', async () => {
    const rows = await relational.client.$queryRaw<{ name: string; label: string }[]>`
      SELECT typname::text AS name, enumlabel::text AS label FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid
      ORDER BY typname, enumsortorder`;
    const made = Map.groupBy(rows, (row) => row.name);
    const enums = generated.$Enums as unknown as Record<string, Record<string, string>>;
    expect([...made.keys()].sort()).toEqual(Object.keys(enums).sort());
    for (const [name, labels] of made) {
      expect([name, labels.map((row) => row.label)]).toEqual([name, Object.values(enums[name] ?? {})]);
    }
  });

  it('give every tenant-owned table a tenantId, and let no reference cross tenants', async () => {
    const free = ['ChangeCounter', 'Tenant'];
    for (const model of Object.keys(generated.Prisma.ModelName).filter((name) => !free.includes(name))) {
      const fields = (generated.Prisma as unknown as Record<string, Record<string, string>>)[`${model}ScalarFieldEnum`];
      expect([model, Object.keys(fields ?? {})]).toEqual([model, expect.arrayContaining(['tenantId'])]);
    }
    const references = await relational.client.$queryRaw<{ name: string; columns: string[]; target: string }[]>`
      SELECT conname::text AS name, confrelid::regclass::text AS target,
        (SELECT array_agg(attname::text) FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY (conkey)) AS columns
      FROM pg_constraint WHERE contype = 'f'`;
    expect(references.length).toBeGreaterThan(15);
    expect(references.filter(({ columns }) => !columns.includes('tenantId'))).toEqual([]);
  });

  it('that fail are undone whole and change nothing', async () => {
    const broken = aMigration('0002_broken', 'CREATE TABLE "Half" (id INT); SELECT nothing FROM "Nowhere";');
    await expect(migrateRelational(relational, [...shipped, broken])).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: expect.stringContaining('Nowhere'),
    });
    const [half] = await relational.client.$queryRaw<
      { there: boolean }[]
    >`SELECT to_regclass('"Half"') IS NOT NULL AS there`;
    expect(half).toEqual({ there: false });
    expect(await migrateRelational(relational)).toEqual({ applied: [], unknown: [] });
  });

  it('that were edited after they were applied are refused', async () => {
    const edited = shipped.map(({ name, sql }) => aMigration(name, `${sql}\n-- one more`));
    await expect(migrateRelational(relational, edited)).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: expect.stringContaining('differs'),
    });
  });

  it('of a newer program are reported and left alone', async () => {
    const newer = aMigration('0009_newer', 'CREATE TABLE "Newer" (id INT);');
    expect(await migrateRelational(relational, [...shipped, newer])).toEqual({ applied: ['0009_newer'], unknown: [] });
    expect(await migrateRelational(relational)).toEqual({ applied: [], unknown: ['0009_newer'] });
    await relational.client.$executeRaw`DROP TABLE "Newer"`;
  });

  it('begun and never finished by another program stop the start', async () => {
    await relational.client
      .$executeRaw`UPDATE _prisma_migrations SET finished_at = NULL WHERE migration_name = '0001_init'`;
    await expect(migrateRelational(relational)).rejects.toMatchObject({ code: 'MIGRATION_FAILED' });
    await relational.client
      .$executeRaw`UPDATE _prisma_migrations SET finished_at = now() WHERE migration_name = '0001_init'`;
  });

  it('of several processes at once are applied by one', async () => {
    const raced = [...shipped, aMigration('0010_raced', 'CREATE TABLE "Raced" (id INT);')];
    const reports = await Promise.all([migrateRelational(relational, raced), migrateRelational(relational, raced)]);
    expect(reports.map(({ applied }) => applied.length).sort()).toEqual([0, 1]);
  });
});
