import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { lockDataDir } from '@tributary/platform/data-dir-lock';
import { openDirectoryPublisher } from '@tributary/platform/open';
import { type Config, loadConfig } from '@tributary/schema';
import { runExportApp } from './export-app.ts';
import { runImportApp } from './import-app.ts';
import { runRebuild } from './rebuild.ts';
import { runReplay, runReplayDrop, runReplayList, runReplayUndo } from './replay.ts';
import { anEvent, noon, readIds, storeEvents } from './replay-app.testing.ts';
import { parseMoment } from './replay-commands.ts';
import { type CommandStores, openCommandStores, startPrivateWarehouse } from './replay-stores.ts';

const given = { fromMs: noon - 1_000, toMs: noon + 1_000, appId: null, source: 'log', dryRun: false };
const events = [anEvent('one'), anEvent('two'), anEvent('other', { received_at: noon - 3_600_000 })];
const all = ['app_a/one', 'app_a/other', 'app_a/two'];

// Each command starts a warehouse of its own.
jest.setTimeout(120_000);

describe('the commands on the data directory', () => {
  let dir: string;
  let said: string[];
  const print = (line: string) => void said.push(line);
  const configOf = (port = 1): Config =>
    loadConfig({
      TRIBUTARY_DATA_DIR: join(dir, 'data'),
      TRIBUTARY_WAREHOUSE_PORT: String(port),
      TRIBUTARY_LOG_LEVEL: 'silent',
    });

  /** With the warehouse open for as long as `work` takes, as a stopped product's. */
  const opened = async <T>(work: (stores: CommandStores) => Promise<T>): Promise<T> => {
    const stores = await openCommandStores(configOf(), 'test');
    try {
      return await work(stores);
    } finally {
      await stores.dispose();
    }
  };
  const ids = () => opened(async ({ ports }) => readIds(await ports.warehouse()));
  const lose = ({ ports }: CommandStores, id: string) =>
    ports.warehouse().then((warehouse) =>
      warehouse.execute({
        name: 'test.lose',
        sql: `ALTER TABLE events DELETE WHERE event_id = '${id}'`,
        settings: { mutations_sync: 2 },
      }),
    );

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'tributary-commands-'));
    said = [];
    await opened(async (stores) => {
      const [eventLog, warehouse] = await Promise.all([stores.ports.eventLog(), stores.ports.warehouse()]);
      await storeEvents({ eventLog, warehouse }, events);
    });
    const publisher = await openDirectoryPublisher(configOf());
    await publisher.publish({
      version: 1,
      publishedAt: noon,
      apps: [
        {
          appId: 'app_a',
          tenantId: 'ten_a',
          name: 'A',
          platform: 'ios',
          enabled: true,
          timezone: 'UTC',
          currency: 'EUR',
          storeUrl: null,
          ipPolicy: 'keep',
          clickLookbackHours: 168,
          viewLookbackHours: 24,
          reinstallDays: 90,
          retentionDays: 365,
        },
      ],
      links: [],
      campaigns: [],
      keys: [],
      goals: [],
    });
    await publisher.dispose();
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  it('work while the product is stopped: a lost row is replayed, undone, replayed again, and the rest dropped', async () => {
    await opened((stores) => lose(stores, 'two'));
    const report = await runReplay(configOf(), given, print);
    expect(await ids()).toEqual(all);
    expect(said).toEqual(expect.arrayContaining([expect.stringMatching(/^2026-11-20 +1 +2 +\+1$/)]));
    await runReplayUndo(configOf(), report.id, print);
    expect(await ids()).toEqual(all.filter((id) => id !== 'app_a/two'));
    await runReplayList(configOf(), print);
    expect(said.some((line) => line.startsWith(`events_before_${report.id}`))).toBe(true);
    await expect(runReplayDrop(configOf(), report.id, false, print)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    await runReplayDrop(configOf(), report.id, true, print);
    expect((await runRebuild(configOf(), print)).rows).toBe(2);
  });

  it('work while the product runs, through the port of its warehouse', async () => {
    const lock = await lockDataDir(join(dir, 'data'));
    const running = await startPrivateWarehouse(join(dir, 'data', 'warehouse'), 600_000_000);
    const config = configOf(running.port);
    try {
      const stores = await openCommandStores(config, 'test');
      expect(stores.isProductRunning).toBe(true);
      await lose(stores, 'two');
      await runReplay(config, given, print);
      expect(await readIds(await stores.ports.warehouse())).toEqual(all);
      await stores.dispose();
      await runExportApp(config, { appId: 'app_a', format: 'ndjson', to: join(dir, 'app.ndjson') }, print);
      expect((await readFile(join(dir, 'app.ndjson'), 'utf8')).trimEnd().split('\n')).toHaveLength(3);
    } finally {
      await running.dispose();
      await lock.release();
    }
  });

  it('import into a stopped product, and store what they import', async () => {
    const file = join(dir, 'app.ndjson');
    await runExportApp(configOf(), { appId: 'app_a', format: 'ndjson', to: file }, print);
    await opened((stores) => lose(stores, 'one'));
    expect(await runImportApp(configOf(), { appId: 'app_a', from: file }, print)).toMatchObject({
      added: 1,
      present: 2,
    });
    expect(await ids()).toEqual(all);
    expect(said.at(-1)).toBe('all of it is stored');
    await expect(runImportApp(configOf(), { appId: 'app_no', from: file }, print)).rejects.toThrow(/no app app_no/);
  });

  it('replay from an export only what the export holds', async () => {
    const file = join(dir, 'app.ndjson');
    const range = { fromMs: noon - 1_000, untilMs: noon + 1_000 };
    await runExportApp(configOf(), { appId: 'app_a', format: 'ndjson', to: file, ...range }, print);
    await opened((stores) => lose(stores, 'two'));
    const fromFile = { ...given, source: file, appId: 'app_a' };
    await expect(runReplay(configOf(), { ...fromFile, appId: null }, print)).rejects.toThrow(/add --app app_a/);
    await expect(runReplay(configOf(), { ...fromFile, fromMs: noon - 2_000 }, print)).rejects.toThrow(
      /not all of that/,
    );
    await runReplay(configOf(), fromFile, print);
    expect(await ids()).toEqual(all);
  });

  it('let one replay at a time run', async () => {
    const lock = await lockDataDir(join(dir, 'data', 'replay'));
    await expect(runReplay(configOf(), given, print)).rejects.toMatchObject({ code: 'DATA_DIR_IN_USE' });
    await lock.release();
  });
});

describe('a time of the command line', () => {
  it.each([
    ['2026-11-20', Date.UTC(2026, 10, 20)],
    ['2026-11-20T12:00:00Z', noon],
    ['2026-11-20T13:00:00+01:00', noon],
    [String(noon), noon],
  ])('%s is a moment', (text, moment) => expect(parseMoment(text)).toBe(moment));

  it.each(['yesterday', '2026-11-20T12:00:00', '12', ''])('%j is none', (text) => {
    expect(() => parseMoment(text)).toThrow(/must be a time/);
  });
});
