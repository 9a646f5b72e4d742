import type { LiveBus } from '@tributary/platform/live-bus';
import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { createLogger } from '@tributary/platform/logger';
import { defineQuery } from '@tributary/platform/warehouse';
import { startTestWarehouse, type TestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import { loadConfig } from '@tributary/schema';
import { z } from 'zod';
import { createPredictionsWorker } from './index.ts';
import { aCandidate, aDecisionRow, aDirectoryOf, anEventRow } from './rows.testing.ts';

const day = 86_400_000;
const start = Date.parse('2026-11-24T12:00:00.000Z');

const storedQuery = defineQuery({
  name: 'test_predictions',
  sql: `SELECT tenant_id AS tenantId, app_id AS appId, model, subject_id AS installId, horizon_days AS horizonDays,
      argMax(value, scored_at) AS predicted, argMax(reasons, scored_at) AS because, toFloat64(toUnixTimestamp64Milli(max(predictions.scored_at))) AS scoredAt
    FROM predictions WHERE tenant_id = {tenantId:String} AND subject_at > toDateTime(0)
    GROUP BY tenant_id, app_id, model, subject_id, horizon_days`,
  params: z.object({ tenantId: z.string() }),
  row: z.object({
    tenantId: z.string(),
    appId: z.string(),
    model: z.string(),
    installId: z.string(),
    horizonDays: z.number(),
    predicted: z.number(),
    because: z.array(z.string()),
    scoredAt: z.number(),
  }),
});

let test: TestWarehouse;
let liveBus: LiveBus;
let nowMs = start;

const directory = aDirectoryOf(['app_a', 'ten_a'], ['app_b', 'ten_b'], ['app_big', 'ten_big']);
const open = () =>
  createPredictionsWorker({
    warehouse: test.warehouse,
    directory,
    liveBus,
    clock: { now: () => nowMs },
    logger: createLogger('test', 'silent'),
    config: loadConfig({}),
  });
const insert = (table: string, rows: readonly object[]) =>
  test.warehouse.insertRows({ name: 'test_rows', table, rows });
const stored = async (tenantId: string) => test.warehouse.query(storedQuery, { tenantId });
const fraudOf = async (tenantId: string, installId: string) =>
  (await stored(tenantId)).find((row) => row.model === 'fraud-rules' && row.installId === installId);
const ltvOf = async (tenantId: string, installId: string, horizonDays = 90) =>
  (await stored(tenantId)).find((row) => row.installId === installId && row.horizonDays === horizonDays)?.predicted;

async function until<T>(read: () => Promise<T>, withinMs = 10_000): Promise<NonNullable<T>> {
  const giveUpAt = Date.now() + withinMs;
  for (;;) {
    const value = await read();
    if (value) return value;
    if (Date.now() > giveUpAt) throw new Error(`not within ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

beforeAll(async () => {
  test = await startTestWarehouse();
  liveBus = createMemoryLiveBus();
});
afterAll(async () => {
  await liveBus?.dispose();
  await test?.dispose();
});

describe('the predictions worker', () => {
  const installedAt = start - 10 * day;
  const gaid = '0b7a3c1e-5d2f-4a6b-8c9d-0e1f2a3b4c5d';
  const install = (tenant: string, n: number, more: object = {}) =>
    anEventRow({
      tenant_id: `ten_${tenant}`,
      app_id: `app_${tenant}`,
      event_kind: 'install',
      event_id: `i${n}`,
      device_key: `d${n}`,
      gaid,
      occurred_at: installedAt,
      platform: 'android',
      ...more,
    });
  const decision = (tenant: string, n: number, more: object = {}) =>
    aDecisionRow({
      tenant_id: `ten_${tenant}`,
      app_id: `app_${tenant}`,
      install_id: `app_${tenant}:native:i${n}`,
      device_key: `d${n}`,
      installed_at: installedAt,
      decided_at: start - 5_000 + n,
      ...more,
    });

  beforeAll(async () => {
    nowMs = start;
    const click = aCandidate({ occurredAt: installedAt - 300_000, ctitSeconds: 300, reason: 'won', siteId: 'site-1' });
    const injected = aCandidate({ occurredAt: installedAt - 1_000, ctitSeconds: 1, reason: 'engagement_injection' });
    const won = {
      campaign_id: 'cmp_1',
      touchpoint_id: 'touch-1',
      ctit_seconds: 300,
      candidates: JSON.stringify([click]),
    };
    for (const tenant of ['a', 'b']) {
      await insert('events', [
        install(tenant, 1),
        install(tenant, 2, { install_begin_at: installedAt - 20_000 }),
        install(tenant, 3, { gaid: 'not-an-id' }),
        install(tenant, 4, { gaid: '00000000-0000-0000-0000-000000000000' }),
        // What the mirrored tenants earn differs by a factor of ten.
        ...['purchase', 'ad_revenue'].map((event_kind) =>
          anEventRow({
            tenant_id: `ten_${tenant}`,
            app_id: `app_${tenant}`,
            event_kind,
            device_key: 'd1',
            occurred_at: installedAt + 3_600_000,
            revenue_amount: tenant === 'a' ? '4' : '40',
            revenue_currency: 'USD',
          }),
        ),
        anEventRow({
          tenant_id: `ten_${tenant}`,
          app_id: `app_${tenant}`,
          event_kind: 'purchase',
          device_key: 'd1',
          occurred_at: installedAt + 3_600_000,
          revenue_amount: '999',
          revenue_currency: 'JPY',
        }),
        anEventRow({
          tenant_id: `ten_${tenant}`,
          app_id: `app_${tenant}`,
          event_kind: 'refund',
          device_key: 'd1',
          occurred_at: installedAt + 5 * day,
          revenue_amount: tenant === 'a' ? '1' : '10',
          revenue_currency: 'USD',
        }),
      ]);
      await insert('install_attributions', [
        decision(tenant, 1, won),
        decision(tenant, 2, { candidates: JSON.stringify([injected]) }),
        decision(tenant, 3),
        decision(tenant, 4, { verdict: 'reinstall' }),
      ]);
    }
    const worker = open();
    expect(await worker.runOnce()).toEqual({ decisions: 8, rescored: 6 });
    await worker.dispose();
  });

  it('scores the fraud of each decision by its evidence and its install event', async () => {
    const scores = await Promise.all([1, 2, 3, 4].map((n) => fraudOf('ten_a', `app_a:native:i${n}`)));
    expect(scores.map((row) => [row?.predicted, row?.because])).toEqual([
      [0, []],
      [0.95, ['engagement_injection']],
      [0.5, ['malformed_advertising_id']],
      [0.25, ['anonymous_traffic']],
    ]);
  });

  it('predicts value per horizon from what the app earned, in its currency, tenants apart', async () => {
    const predicted = await ltvOf('ten_a', 'app_a:native:i1');
    // 7 dollars seen; the app's curve is 7/3 by now and flat, so little is to come.
    expect(predicted).toBeGreaterThanOrEqual(7);
    expect(predicted).toBeLessThan(9);
    expect(await ltvOf('ten_b', 'app_b:native:i1')).toBeCloseTo(10 * predicted!, 4);
    expect(await ltvOf('ten_a', 'app_a:native:i1', 30)).toBeLessThanOrEqual(predicted!);
    expect(
      (await stored('ten_a'))
        .filter((row) => row.installId === 'app_a:native:i1')
        .map((row) => row.horizonDays)
        .sort(),
    ).toEqual([0, 180, 30, 90]);
  });

  it('predicts no value for a reinstall', async () => {
    expect(await ltvOf('ten_a', 'app_a:native:i4')).toBeUndefined();
  });

  it('goes on from its kept position after a restart and scores nothing twice into two rows', async () => {
    nowMs = start + 70_000;
    const worker = open();
    const again = await worker.runOnce();
    await worker.dispose();
    // Within the overlap all is read again; rescoring sweeps once per start.
    expect(again.decisions).toBe(8);
    const rows = await stored('ten_a');
    expect(rows).toHaveLength(4 + 3 * 3);
  });

  it('scores a revised decision anew', async () => {
    nowMs = start + 200_000;
    const worker = open();
    await worker.runOnce();
    nowMs += 1_000;
    const injected = aCandidate({ occurredAt: installedAt - 1_000, ctitSeconds: 1, reason: 'engagement_injection' });
    await insert('install_attributions', [
      decision('a', 1, {
        revision: 2,
        trigger: 'late_touchpoint',
        decided_at: nowMs,
        candidates: JSON.stringify([injected]),
      }),
    ]);
    expect((await worker.runOnce()).decisions).toBe(1);
    await worker.dispose();
    expect((await fraudOf('ten_a', 'app_a:native:i1'))?.because).toEqual(['engagement_injection']);
    expect((await fraudOf('ten_b', 'app_b:native:i1'))?.because).toEqual([]);
  });

  it('scores value anew once a minute where revenue changed, and only there', async () => {
    nowMs = Date.now();
    const worker = open();
    await worker.runOnce();
    const before = await ltvOf('ten_a', 'app_a:native:i3');
    await insert('events', [
      anEventRow({
        tenant_id: 'ten_a',
        app_id: 'app_a',
        event_kind: 'purchase',
        device_key: 'd3',
        occurred_at: installedAt + day,
        revenue_amount: '0.1',
        revenue_currency: 'USD',
      }),
    ]);
    expect((await worker.runOnce()).rescored).toBe(0);
    nowMs = Date.now() + 61_000;
    await worker.runOnce();
    await worker.dispose();
    const scoredAt = async (installId: string) =>
      (await stored('ten_a')).find((row) => row.installId === installId && row.horizonDays === 90)!.scoredAt;
    expect(await scoredAt('app_a:native:i3')).toBe(nowMs);
    expect(await scoredAt('app_a:native:i2')).toBeLessThan(nowMs);
    expect(await ltvOf('ten_a', 'app_a:native:i3')).toBeGreaterThan(before!);
  });

  it('is woken by a decision, reports readiness and ends while it waits', async () => {
    nowMs = Date.now();
    const worker = open();
    await worker.start();
    await worker.ready();
    await insert('events', [install('a', 50)]);
    await insert('install_attributions', [decision('a', 50, { decided_at: nowMs })]);
    liveBus.publish('install.attributed', {
      tenantId: 'ten_a',
      appId: 'app_a',
      installId: 'app_a:native:i50',
      revision: 1,
      at: nowMs,
    });
    await until(() => fraudOf('ten_a', 'app_a:native:i50'));
    nowMs += 120_000;
    await expect(worker.ready()).rejects.toMatchObject({ code: 'NOT_READY' });
    await worker.dispose();
    await worker.dispose();
  });

  it('gets through tens of thousands of installs in batches', async () => {
    nowMs = Date.now() + 300_000;
    const count = 20_000;
    const at = (n: number) => nowMs - Math.floor((n * 60 * day) / count);
    const numbers = Array.from({ length: count }, (_, n) => n);
    const of = { tenant_id: 'ten_big', app_id: 'app_big' };
    for (let from = 0; from < count; from += 5_000) {
      const some = numbers.slice(from, from + 5_000);
      await insert(
        'events',
        some.flatMap((n) => [
          anEventRow({
            ...of,
            event_kind: 'install',
            event_id: `b${n}`,
            device_key: `b${n}`,
            gaid,
            occurred_at: at(n),
            device_model: 'Pixel 9',
          }),
          anEventRow({
            ...of,
            event_kind: 'ad_revenue',
            device_key: `b${n}`,
            occurred_at: at(n) + 60_000,
            revenue_amount: '0.02',
            revenue_currency: 'USD',
          }),
        ]),
      );
      await insert(
        'install_attributions',
        some.map((n) => {
          const candidate = aCandidate({
            occurredAt: at(n) - 200_000,
            ctitSeconds: 200,
            reason: 'won',
            siteId: `site-${n % 40}`,
          });
          return aDecisionRow({
            ...of,
            install_id: `app_big:native:b${n}`,
            device_key: `b${n}`,
            installed_at: at(n),
            decided_at: nowMs - 20_000 + n,
            campaign_id: 'cmp_1',
            touchpoint_id: 't',
            ctit_seconds: 200,
            candidates: JSON.stringify([candidate]),
          });
        }),
      );
    }
    const worker = open();
    const startedAt = performance.now();
    const { decisions } = await worker.runOnce();
    const seconds = (performance.now() - startedAt) / 1_000;
    await worker.dispose();
    process.stdout.write(
      `${decisions} installs scored in ${seconds.toFixed(1)} s, fraud and three horizons, and swept again\n`,
    );
    expect(decisions).toBeGreaterThanOrEqual(count);
    const rows = await stored('ten_big');
    expect(rows).toHaveLength(4 * count);
    expect(rows.filter((row) => row.model === 'fraud-rules' && row.predicted > 0)).toEqual([]);
  }, 120_000);
});
