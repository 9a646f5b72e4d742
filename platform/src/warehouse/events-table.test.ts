import { z } from 'zod';
import { defineQuery } from '../warehouse.ts';
import { startTestWarehouse, type TestWarehouse } from './test-warehouse.testing.ts';

const anything = z.record(z.string(), z.unknown());
const params = z.object({ tenantId: z.string(), from: z.int(), to: z.int() });
const ask = (sql: string) => defineQuery({ name: 'events_table', sql, params, row: anything });

const startMs = Date.UTC(2026, 8, 29);
const quarterMs = 900_000;
const range = { tenantId: 'ten_a', from: startMs / 1_000, to: (startMs + 400 * quarterMs) / 1_000 };

const anEvent = (at: number) => ({
  tenant_id: at % 10 === 0 ? 'ten_b' : 'ten_a',
  app_id: 'app_1',
  event_id: `event-${at}`,
  block_id: '0199c0de-0000-7000-8000-000000000000',
  block_index: at,
  dedupe_hash: at.toString(16).padStart(16, '0'),
  payload_hash: at.toString(16).padStart(16, '0'),
  source_format: 'native',
  event_name: ['click', 'install', 'purchase'][at % 3],
  event_kind: ['click', 'install', 'purchase'][at % 3],
  device_key: `device-${at % 50}`,
  campaign_id: `cmp_${at % 4}`,
  country: ['DE', 'US'][at % 2],
  platform: 'ios',
  // Two months, so that a query meets two partitions.
  occurred_at: startMs + (at % 400) * quarterMs + at * 7,
  received_at: startMs,
  ...(at % 3 === 2 ? { revenue_amount: `${at}.000001`, revenue_currency: 'EUR' } : {}),
  properties: '{"level":3}',
  flags: at % 2 === 0 ? ['late'] : [],
});

const from = "{from:DateTime('UTC')}";
/** The shapes that reports may rely on, beside what reads the rows themselves. */
const shapes = {
  'by minute: time, campaign': {
    key: 'toStartOfMinute(occurred_at) AS t, campaign_id',
    projection: 'by_minute',
    period: 'toStartOfMinute(occurred_at)',
  },
  'by country: country, platform, kind': {
    key: 'country, platform, event_kind',
    projection: 'by_country',
    period: 'toStartOfInterval(occurred_at, toIntervalMinute(30))',
  },
  'by country: day in a time zone, country': {
    key: "toDate(toStartOfInterval(occurred_at, toIntervalMinute(30)), 'Asia/Kolkata') AS day, country",
    projection: 'by_country',
    period: 'toStartOfInterval(occurred_at, toIntervalMinute(30))',
  },
  'by quarter: day in a time zone, name': {
    key: "toDate(toStartOfFifteenMinutes(occurred_at), 'Asia/Kathmandu') AS day, event_name",
    projection: 'by_quarter',
    period: 'toStartOfFifteenMinutes(occurred_at)',
  },
  'by quarter: everything': {
    key: "'all' AS k",
    projection: 'by_quarter',
    period: 'toStartOfFifteenMinutes(occurred_at)',
  },
} as const;

describe('the events table', () => {
  let test: TestWarehouse;
  beforeAll(async () => {
    test = await startTestWarehouse();
    const lines = Array.from({ length: 6_000 }, (_, at) => `${JSON.stringify(anEvent(at))}\n`);
    for (let at = 0; at < lines.length; at += 1_000) {
      const body = Buffer.from(lines.slice(at, at + 1_000).join(''));
      await test.warehouse.insertBytes({ name: 'events', table: 'events', format: 'JSONEachRow', body });
    }
  }, 60_000);
  afterAll(() => test?.dispose());

  it.each(Object.entries(shapes))('answers from the projection, and as the rows do: %s', async (_name, shape) => {
    const names = shape.key.split(',').map((part) => part.trim());
    const keys = shape.key.startsWith("'all'") ? 'k' : names.map((part) => part.split(' AS ').at(-1)).join(', ');
    const grouped = shape.key.includes('toDate(') ? `day, ${names.at(-1)}` : keys;
    const sql = `SELECT ${shape.key}, revenue_currency, count() AS events, sum(revenue_amount) AS revenue
      FROM events
      WHERE tenant_id = {tenantId:String} AND app_id IN ['app_1'] AND environment = 'production'
        AND ${shape.period} >= ${from} AND ${shape.period} < {to:DateTime('UTC')}
      GROUP BY ${grouped}, revenue_currency ORDER BY ${grouped}, revenue_currency`;
    const projected = await test.warehouse.query(ask(`${sql} SETTINGS force_optimize_projection = 1`), range);
    const explained = await test.warehouse.query(ask(`EXPLAIN ${sql}`), range);
    expect(JSON.stringify(explained)).toContain(`ReadFromMergeTree (${shape.projection})`);
    const counted = await test.warehouse.query(ask(`${sql} SETTINGS optimize_use_projections = 0`), range);
    expect(projected.length).toBeGreaterThan(1);
    expect(projected).toEqual(counted);
    expect(projected.reduce((sum, row) => sum + Number(row['events']), 0)).toBe(5_400);
  });

  it.each([
    [
      'bounds the column instead of the period',
      "count() AS n FROM events WHERE tenant_id = {tenantId:String} AND occurred_at >= fromUnixTimestamp64Milli(toInt64({from:UInt32}) * 1000) AND occurred_at < {to:DateTime('UTC')}",
    ],
    [
      'counts by condition',
      `countIf(event_kind = 'click') AS n FROM events WHERE tenant_id = {tenantId:String} AND toStartOfFifteenMinutes(occurred_at) >= ${from}`,
    ],
  ])('reads rows when a query %s', async (_what, sql) => {
    const forced = test.warehouse.query(ask(`SELECT ${sql} SETTINGS force_optimize_projection = 1`), range);
    await expect(forced).rejects.toMatchObject({ code: 'INTERNAL', details: { engineCode: 584 } });
  });

  it('keeps an event as it was sent, absent fields empty', async () => {
    const sql = `SELECT event_id, environment, toUnixTimestamp64Milli(occurred_at) AS occurred_ms, revenue_amount, revenue_currency,
        user_id, toUnixTimestamp64Milli(install_begin_at) AS begin_ms, properties, flags, dedupe_hash,
        now64(3) - inserted_at < 600 AS fresh
      FROM events WHERE tenant_id = {tenantId:String} AND block_index = 8 AND {from:UInt32} < {to:UInt32}`;
    await expect(test.warehouse.query(ask(sql), range)).resolves.toEqual([
      {
        event_id: 'event-8',
        environment: 'production',
        occurred_ms: String(anEvent(8).occurred_at),
        revenue_amount: '8.000001',
        revenue_currency: 'EUR',
        user_id: '',
        begin_ms: '0',
        properties: '{"level":3}',
        flags: ['late'],
        dedupe_hash: '0000000000000008',
        fresh: 1,
      },
    ]);
  });

  it('forgets a device, its share of the aggregates too', async () => {
    await test.warehouse.execute({
      name: 'erase',
      sql: 'ALTER TABLE events DELETE WHERE device_key = {device:String}',
      params: { device: 'device-9' },
      settings: { mutations_sync: 1 },
    });
    const sql = `SELECT count() AS n FROM events WHERE tenant_id = {tenantId:String}
      AND toStartOfFifteenMinutes(occurred_at) >= ${from} AND {to:UInt32} > 0`;
    const [projected] = await test.warehouse.query(ask(`${sql} SETTINGS force_optimize_projection = 1`), range);
    expect(projected).toEqual({ n: '5280' });
  });
});
