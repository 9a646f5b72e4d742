import { defineQuery, type Warehouse } from '@tributary/platform/warehouse';
import { startTestWarehouse, type TestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import { pino } from 'pino';
import { z } from 'zod';
import { createApp, createTenant } from './accounts.ts';
import { createCampaign, recordCosts, removeCosts } from './campaigns.ts';
import { withChange } from './changes.ts';
import type { Relational } from './client.ts';
import { syncFxMirror } from './fx-mirror.ts';
import { rowsToMirror, startMirrors, syncMirrors } from './mirrors.ts';
import { describeEachStore, type TestStore } from './relational.testing.ts';

const tenantOnly = z.object({ tenantId: z.string() });

const costs = defineQuery({
  name: 'test_costs',
  sql: `SELECT campaign_id, toString(day) AS on_day, toString(cost_amount) AS amount FROM costs_mirror FINAL
    WHERE tenant_id = {tenantId:String} ORDER BY campaign_id, day`,
  params: tenantOnly,
  row: z.object({ campaign_id: z.string(), on_day: z.string(), amount: z.string() }),
});

const campaigns = defineQuery({
  name: 'test_campaigns',
  sql: `SELECT campaign_id, name, network, partner_id FROM campaigns_mirror FINAL
    WHERE tenant_id = {tenantId:String} ORDER BY name`,
  params: tenantOnly,
  row: z.object({ campaign_id: z.string(), name: z.string(), network: z.string(), partner_id: z.string() }),
});

const rates = defineQuery({
  name: 'test_rates',
  sql: `SELECT concat(from_currency, '/', to_currency) AS pair, toString(day) AS on_day, toString(rate) AS rate FROM fx_rates_mirror FINAL
    WHERE tenant_id = {tenantId:String}`,
  params: tenantOnly,
  row: z.object({ pair: z.string(), on_day: z.string(), rate: z.string() }),
});

const quiet = { logger: pino({ level: 'silent' }), clock: { now: () => 0 }, liveBus: {} as never };

describeEachStore('mirrors of campaigns and costs', (openStore) => {
  let store: TestStore;
  let relational: Relational;
  let child: TestWarehouse;
  let warehouse: Warehouse;
  let tenantId: string;
  let appId: string;
  let first: string;

  beforeAll(async () => {
    [store, child] = await Promise.all([openStore(), startTestWarehouse()]);
    warehouse = child.warehouse;
    relational = await store.openMigrated();
    ({ tenantId } = await createTenant(relational, { name: 'Tenant' }));
    const settings = { platform: 'web', currency: 'USD', timezone: 'UTC' } as const;
    ({ appId } = await createApp(relational, { tenantId, name: 'App', ...settings }));
    first = (await createCampaign(relational, { tenantId, appId, name: 'First', network: 'northwind' })).campaignId;
    await createCampaign(relational, { tenantId, appId, name: 'Second' });
  });

  afterAll(async () => {
    await store.dispose();
    await child.dispose();
  });

  const cost = (day: string, amount: string) => ({ campaignId: first, day, amount, currency: 'USD' });
  const readCosts = async () =>
    (await warehouse.query(costs, { tenantId })).map(({ on_day, amount }) => `${on_day} ${Number(amount)}`);

  it('show what the relational store holds, written once', async () => {
    await recordCosts(relational, { tenantId, rows: [cost('2026-11-01', '10.5'), cost('2026-11-02', '0.000001')] });
    expect(await syncMirrors({ relational, warehouse })).toEqual({ campaigns: 2, costs: 2 });
    expect(await warehouse.query(campaigns, { tenantId })).toEqual([
      { campaign_id: first, name: 'First', network: 'northwind', partner_id: '' },
      { campaign_id: expect.stringMatching(/^cmp_/), name: 'Second', network: '', partner_id: '' },
    ]);
    expect(await readCosts()).toEqual(['2026-11-01 10.5', '2026-11-02 0.000001']);
    expect(await syncMirrors({ relational, warehouse })).toEqual({ campaigns: 0, costs: 0 });
  });

  it('show dated rates, written once, and a corrected one', async () => {
    const set = (rate: string) =>
      relational.client.fxRate.upsert({
        where: { tenantId_from_to_day: { tenantId, from: 'EUR', to: 'USD', day: new Date('2026-11-01') } },
        create: { id: 'fx_1', tenantId, day: new Date('2026-11-01'), from: 'EUR', to: 'USD', rate },
        update: { rate },
      });
    const shown = async () =>
      (await warehouse.query(rates, { tenantId })).map(({ pair, on_day, rate }) => `${pair} ${on_day} ${Number(rate)}`);
    await set('1.081234567891');
    expect(await syncFxMirror({ relational, warehouse })).toBe(1);
    expect(await shown()).toEqual(['EUR/USD 2026-11-01 1.081234567891']);
    expect(await syncFxMirror({ relational, warehouse })).toBe(0);
    await set('1.09');
    expect(await syncFxMirror({ relational, warehouse })).toBe(1);
    expect(await shown()).toEqual(['EUR/USD 2026-11-01 1.09']);
  });

  it('show a changed figure, 0 for a removed one, and the figure again when it comes back', async () => {
    await recordCosts(relational, { tenantId, rows: [cost('2026-11-01', '11')] });
    await removeCosts(relational, { tenantId, campaignId: first, firstDay: '2026-11-02', lastDay: '2026-11-02' });
    expect(await syncMirrors({ relational, warehouse })).toEqual({ campaigns: 0, costs: 2 });
    expect(await readCosts()).toEqual(['2026-11-01 11', '2026-11-02 0']);
    expect(await syncMirrors({ relational, warehouse })).toEqual({ campaigns: 0, costs: 0 });
    await recordCosts(relational, { tenantId, rows: [cost('2026-11-02', '3')] });
    expect(await syncMirrors({ relational, warehouse })).toEqual({ campaigns: 0, costs: 1 });
    expect(await readCosts()).toEqual(['2026-11-01 11', '2026-11-02 3']);
  });

  it('keep up with a store whose counter fell behind them', async () => {
    await relational.client.changeCounter.update({ where: { topic: 'mirrors' }, data: { count: 5 } });
    await recordCosts(relational, { tenantId, rows: [cost('2026-11-01', '12')] });
    await syncMirrors({ relational, warehouse });
    expect(await readCosts()).toEqual(['2026-11-01 12', '2026-11-02 3']);
  });

  it('are equal after calls side by side', async () => {
    await recordCosts(relational, { tenantId, rows: [cost('2026-11-03', '4')] });
    await Promise.all([1, 2, 3].map(() => syncMirrors({ relational, warehouse })));
    expect(await readCosts()).toEqual(['2026-11-01 12', '2026-11-02 3', '2026-11-03 4']);
  });

  it('follow changes once started, and stop with disposal', async () => {
    const mirroring = await startMirrors({ relational, warehouse, ...quiet, pollMs: 3_600_000 });
    await withChange(relational, ['mirrors'], (tx) =>
      tx.campaign.update({ where: { id: first }, data: { name: 'Renamed' } }),
    );
    await mirroring.check();
    expect((await warehouse.query(campaigns, { tenantId })).map(({ name }) => name)).toEqual(['Renamed', 'Second']);
    await mirroring.dispose();
    await mirroring.dispose();
  });
});

describe('rows to mirror', () => {
  const app = { tenantId: 'ten_1', appId: 'app_1' };
  const old = { campaign_id: 'cmp_1', cost_day: '2026-11-01', cost_currency: 'USD', last_amount: '5', last_version: 9 };
  const now = { campaign_id: 'cmp_1', day: '2026-11-01', cost_currency: 'USD', cost_amount: '5.000000' };

  it('are none where only the form of the number differs', () => {
    const rows = rowsToMirror({ ...app, version: 3, campaigns: [], costs: [now] }, { campaigns: [], costs: [old] });
    expect(rows).toEqual({ campaigns: [], costs: [] });
  });

  it('have a version above the one they replace and not below the counter', () => {
    const changed = { ...now, cost_amount: '6.000000' };
    const mirror = { campaigns: [], costs: [old] };
    const versionAt = (version: number) =>
      rowsToMirror({ ...app, version, campaigns: [], costs: [changed] }, mirror).costs[0]?.version;
    expect([versionAt(3), versionAt(9), versionAt(30)]).toEqual([10, 10, 30]);
  });

  it('are no second 0 for a cost that is already shown as gone', () => {
    const gone = { ...old, last_amount: '0' };
    expect(
      rowsToMirror({ ...app, version: 3, campaigns: [], costs: [] }, { campaigns: [], costs: [gone] }).costs,
    ).toEqual([]);
  });
});
