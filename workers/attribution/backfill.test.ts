import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { createLogger } from '@tributary/platform/logger';
import { startTestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import { loadConfig } from '@tributary/schema';
import { createAttributionWorker } from './index.ts';
import { aDirectory, anEvent, aWorld, storedDecisions } from './world.testing.ts';

const start = Date.parse('2026-11-24T12:00:00.000Z');
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const installs = 20_000;

/** Seven of ten installs have a click, one of five a purchase, each a session. */
function backfill(): object[] {
  const rows: object[] = [];
  for (let i = 0; i < installs; i += 1) {
    const installedAt = start - (i % 30) * day - (i % 1_440) * minute;
    const ids = { gaid: `gaid-${i}`, anonymous_id: `anon-${i}` };
    const organic = i % 10 < 3;
    if (!organic) {
      rows.push(
        anEvent('click', {
          occurred_at: installedAt - 10 * minute,
          campaign_id: 'app_a_c1',
          gaid: ids.gaid,
          anonymous_id: `web-${i}`,
          click_id: `clk-${i}`,
        }),
      );
    }
    rows.push(
      anEvent('install', {
        occurred_at: installedAt,
        ...ids,
        event_id: `i${i}`,
        ...(organic ? {} : { install_referrer: `click_id=clk-${i}&utm_source=t` }),
      }),
      anEvent('session', { occurred_at: installedAt, ...ids }),
    );
    if (i % 5 === 0)
      rows.push(anEvent('purchase', { occurred_at: installedAt + hour, ...ids, revenue_amount: '1.99' }));
  }
  return rows;
}

it('decides 20,000 installs of a backfill, and none again', async () => {
  const test = await startTestWarehouse();
  const liveBus = createMemoryLiveBus();
  const open = () =>
    createAttributionWorker({
      warehouse: test.warehouse,
      directory: aDirectory(aWorld()),
      liveBus,
      clock: { now: () => Date.now() },
      logger: createLogger('test', 'silent'),
      config: loadConfig({}),
    });
  try {
    const rows = backfill();
    for (let at = 0; at < rows.length; at += 20_000) {
      await test.warehouse.insertRows({ name: 'test_rows', table: 'events', rows: rows.slice(at, at + 20_000) });
    }
    const first = open();
    const startedAt = performance.now();
    const counts = await first.runOnce();
    const seconds = (performance.now() - startedAt) / 1_000;
    await first.dispose();
    process.stdout.write(
      `backfill: ${installs} installs, ${counts.events} relevant events, ${counts.journeys} journeys in ${seconds.toFixed(1)} s (${Math.round(installs / seconds)} installs/s)\n`,
    );
    expect(counts.decisions).toBe(installs);
    const stored = await test.warehouse.query(storedDecisions, { tenantId: 'ten_a' });
    expect(stored).toHaveLength(installs);
    expect(stored.filter((one) => one.rule === 'click_install_referrer')).toHaveLength(installs * 0.7);
    const second = open();
    expect(await second.runOnce()).toMatchObject({ decisions: 0, journeys: 0 });
    await second.dispose();
  } finally {
    await liveBus.dispose();
    await test.dispose();
  }
}, 180_000);
