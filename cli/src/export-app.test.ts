import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LooseEvent } from '@tributary/ingest/consumer';
import type { EventLog } from '@tributary/platform/event-log';
import { openLmdbEventLog } from '@tributary/platform/event-log/lmdb';
import type { Warehouse } from '@tributary/platform/warehouse';
import { startTestWarehouse, type TestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import { eventSchema } from '@tributary/schema';
import { type ExportFormat, exportApp, manifestName } from './export-app.ts';
import { faultsOf, parquetColumns } from './export-app-parquet.ts';
import { eventOfRow } from './export-app-rows.ts';
import { importApp } from './import-app.ts';
import { anEvent, noon, readIds, storeEvents } from './replay-app.testing.ts';

const hourMs = 3_600_000;

describe('an exported app', () => {
  let test: TestWarehouse;
  let dir: string;
  let eventLog: EventLog;
  let said: string[];

  beforeAll(async () => {
    test = await startTestWarehouse();
  });
  beforeEach(async () => {
    for (const table of ['events', 'partition_owners', 'dead_letters']) await run(`TRUNCATE TABLE ${table}`);
    dir = await mkdtemp(join(tmpdir(), 'tributary-export-'));
    eventLog = await openLmdbEventLog({ dir: join(dir, 'log'), partitions: 2 });
    said = [];
  });
  afterEach(async () => {
    await eventLog.dispose();
    await rm(dir, { recursive: true, force: true });
  });
  afterAll(() => test?.dispose());

  const run = (sql: string) => test.warehouse.execute({ name: 'test.run', sql, settings: { mutations_sync: 2 } });
  const at = (name: string) => join(dir, name);
  const deps = (over: Partial<{ warehouse: Warehouse }> = {}) => ({
    warehouse: test.warehouse,
    eventLog,
    clock: { now: () => noon + hourMs },
    memoryBytes: 600_000_000,
    say: (line: string) => void said.push(line),
    ...over,
  });
  const store = (events: readonly LooseEvent[]) => storeEvents({ eventLog, warehouse: test.warehouse }, events);
  const exported = (format: ExportFormat = 'ndjson', over: object = {}) =>
    exportApp(deps(), { appId: 'app_a', format, to: at(`app.${format}`), ...over });
  const imported = (from: string, appId = 'app_a', tenantId = 'ten_a') => importApp(deps(), { from, appId, tenantId });
  const linesOf = async (name: string) => (await readFile(at(name), 'utf8')).trimEnd().split('\n');
  const many = (count: number, over: Partial<LooseEvent> = {}) =>
    Array.from({ length: count }, (_, index) => anEvent(`e${String(index).padStart(5, '0')}`, over));

  it('is a line for each of its events, equal to what was stored, with a manifest that says so', async () => {
    const bare = anEvent('bare');
    for (const name of ['sent_at', 'revenue_amount', 'revenue_currency', 'country', 'anonymous_id'] as const)
      delete bare[name];
    await store([anEvent('full'), bare, anEvent('x', { app_id: 'app_b' })]);
    const manifest = await exported();
    const events = (await linesOf('app.ndjson')).map((line) => eventSchema.parse(JSON.parse(line)));
    expect(events.map(({ event_id }) => event_id)).toEqual(['bare', 'full']);
    expect(events[1]).toMatchObject(anEvent('full'));
    expect(events[0]).toMatchObject(bare);
    expect(events[0]).not.toHaveProperty('revenue_amount');
    expect(JSON.parse(await readFile(manifestName(at('app.ndjson')), 'utf8'))).toEqual(manifest);
    expect(manifest).toMatchObject({ events: 2, appId: 'app_a', format: 'ndjson' });
  });

  it('holds what was received in the range alone, where one is given', async () => {
    await store([
      anEvent('early', { received_at: noon - 1 }),
      anEvent('in'),
      anEvent('late', { received_at: noon + 10 }),
    ]);
    await exported('ndjson', { fromMs: noon, untilMs: noon + 10 });
    expect((await linesOf('app.ndjson')).map((line) => JSON.parse(line).event_id)).toEqual(['in']);
  });

  it('comes in pages, of which the next is asked for when the last is written', async () => {
    await store(many(4_500));
    const asked: number[] = [];
    const warehouse: Warehouse = {
      ...test.warehouse,
      query: (async (definition, params, options) => {
        const rows = await test.warehouse.query(definition, params, options);
        if (definition.name === 'export_app.page') asked.push(rows.length);
        return rows;
      }) as Warehouse['query'],
    };
    await exportApp(deps({ warehouse }), { appId: 'app_a', format: 'ndjson', to: at('app.ndjson') });
    expect(asked).toEqual([2_000, 2_000, 500]);
    const ids = (await linesOf('app.ndjson')).map((line) => JSON.parse(line).event_id as string);
    expect(ids).toEqual(many(4_500).map(({ event_id }) => event_id));
  });

  it('is there whole or not at all', async () => {
    await store(many(3));
    const warehouse: Warehouse = {
      ...test.warehouse,
      query: (async (definition, params, options) => {
        if (definition.name === 'export_app.page') throw new Error('away');
        return test.warehouse.query(definition, params, options);
      }) as Warehouse['query'],
    };
    const request = { appId: 'app_a', format: 'ndjson', to: at('app.ndjson') } as const;
    await expect(exportApp(deps({ warehouse }), request)).rejects.toThrow('away');
    expect((await readdir(dir)).filter((name) => name.startsWith('app'))).toEqual([]);
  });

  it('never writes over a file', async () => {
    await writeFile(at('app.ndjson'), 'mine');
    await expect(exported()).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    expect(await readFile(at('app.ndjson'), 'utf8')).toBe('mine');
  });

  it.each(['ndjson', 'parquet'] as const)('comes back from %s as it was, and again adds nothing', async (format) => {
    const events = [anEvent('one'), anEvent('two', { source_format: 'segment', received_at: noon - 40 * 86_400_000 })];
    delete events[1]!.revenue_amount;
    delete events[1]!.revenue_currency;
    delete events[1]!.sent_at;
    await store(events);
    await exported('ndjson', { to: at('before.ndjson') });
    await exported(format);
    await run('TRUNCATE TABLE events');
    expect(await imported(at(`app.${format}`))).toMatchObject({ added: 2, present: 0, conflicts: 0, refused: 0 });
    await store([]);
    await exported('ndjson', { to: at('after.ndjson') });
    const bodies = async (name: string) =>
      (await linesOf(name)).map((line) => ({ ...JSON.parse(line), block_id: '', block_index: 0 }));
    expect(await bodies('after.ndjson')).toEqual(await bodies('before.ndjson'));
    expect(await imported(at(`app.${format}`))).toMatchObject({ added: 0, present: 2 });
    await store([]);
    expect(await readIds(test.warehouse)).toEqual(['app_a/one', 'app_a/two']);
  });

  it('adds only what the app lacks', async () => {
    await store(many(5));
    await exported();
    await run(`ALTER TABLE events DELETE WHERE event_id IN ('e00001', 'e00003')`);
    expect(await imported(at('app.ndjson'))).toMatchObject({ added: 2, present: 3 });
    await store([]);
    expect(await readIds(test.warehouse)).toEqual(many(5).map(({ event_id }) => `app_a/${event_id}`));
  });

  it('adds nothing twice when it is imported again before the first import is stored, months after its events', async () => {
    await store(many(4, { received_at: noon - 90 * 86_400_000 }));
    await exported();
    await run('TRUNCATE TABLE events');
    expect(await imported(at('app.ndjson'))).toMatchObject({ added: 4 });
    expect(await imported(at('app.ndjson'))).toMatchObject({ added: 4 });
    await store([]);
    // Another consumer, which remembers nothing.
    await imported(at('app.ndjson'));
    await store([]);
    expect(await readIds(test.warehouse)).toEqual(many(4).map(({ event_id }) => `app_a/${event_id}`));
  });

  it('goes into another app under that app, its tenant and its keys', async () => {
    await store(many(2));
    await exported();
    expect(await imported(at('app.ndjson'), 'app_z', 'ten_z')).toMatchObject({ added: 2 });
    await store([]);
    expect(await readIds(test.warehouse)).toEqual(['app_a/e00000', 'app_a/e00001', 'app_z/e00000', 'app_z/e00001']);
    await exportApp(deps(), { appId: 'app_z', format: 'ndjson', to: at('z.ndjson') });
    const [own, copy] = [await linesOf('app.ndjson'), await linesOf('z.ndjson')].map(([line]) =>
      JSON.parse(line ?? ''),
    );
    expect(copy).toMatchObject({ tenant_id: 'ten_z', event_id: own.event_id, payload_hash: own.payload_hash });
    expect(copy.dedupe_hash).not.toBe(own.dedupe_hash);
  });

  it('tells of every line that is not taken, by its number, in a file of its own', async () => {
    await store([anEvent('held', { payload_hash: '0123456789abcdef' })]);
    const good = { ...anEvent('good'), block_id: 'b', block_index: 0, dedupe_hash: '0'.repeat(16) };
    const text = [
      JSON.stringify(good),
      '{"broken',
      JSON.stringify({ ...good, event_id: 'kind', event_kind: 'nonsense' }),
      '',
      JSON.stringify({ ...good, event_id: 'held' }),
      JSON.stringify({ ...good, event_id: 'null', user_id: null }),
    ].join('\n');
    await writeFile(at('mine.ndjson'), text);
    const report = await imported(at('mine.ndjson'));
    expect(report).toMatchObject({ added: 2, conflicts: 1, refused: 2, rejectFile: at('mine.ndjson.rejected.ndjson') });
    const rejected = (await linesOf('mine.ndjson.rejected.ndjson')).map((line) => JSON.parse(line));
    expect(rejected.map(({ line, reason }) => [line, reason.split(':')[0]])).toEqual([
      [2, 'is no JSON'],
      [3, 'event_kind'],
      [5, 'DEDUPE_CONFLICT'],
    ]);
  });

  it('is refused when it is not what was exported', async () => {
    await store(many(2));
    await exported();
    await writeFile(at('app.ndjson'), `${(await linesOf('app.ndjson'))[0]}\n`);
    await expect(imported(at('app.ndjson'))).rejects.toMatchObject({ code: 'BACKUP_INVALID' });
  });

  it('is refused when it is called Parquet and is not', async () => {
    await writeFile(at('mine.parquet'), 'nothing of the kind');
    await expect(imported(at('mine.parquet'))).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});

describe('the columns of a Parquet file', () => {
  const columns = new Map(parquetColumns.map(({ name, type }) => [name, type]));
  it('fit when they are those of an export, or such as other tools write', () => {
    expect(faultsOf(columns)).toEqual([]);
    const others = [
      ['app_id', 'Nullable(String)'],
      ['block_index', 'Int64'],
      ['event_name', 'LowCardinality(String)'],
    ] as const;
    expect(faultsOf(new Map([...columns, ...others]))).toEqual([]);
  });
  it('do not fit when one is missing that every event has, or is of another type', () => {
    const given = new Map([...columns, ['received_at', 'String']]);
    given.delete('event_id');
    given.delete('user_id');
    expect(faultsOf(given)).toEqual([expect.stringContaining('received_at is String'), 'column event_id is missing']);
  });
});

it('a row that is no event is no line', () => {
  expect(() => eventOfRow({ app_id: 'app_a' })).toThrow();
});
