import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { startTestWarehouse, type TestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import { aCallerToken, aDirectory, aDirectoryApp, aDirectoryCampaign, someDeps, until } from '../src/kit.testing.ts';
import type { Subgraph } from '../src/kit.ts';
import { anEventRow, type EventFields, insert } from '../src/rows.testing.ts';
import { follow } from '../src/stream.testing.ts';
import { streamCursorOf } from '../src/stream-position.ts';
import { createEventsSubgraph } from './index.ts';

const directory = aDirectory({
  apps: [
    aDirectoryApp({ appId: 'app_a', tenantId: 'ten_a' }),
    aDirectoryApp({ appId: 'app_p', tenantId: 'ten_a' }),
    aDirectoryApp({ appId: 'app_b', tenantId: 'ten_b' }),
  ],
  campaigns: [aDirectoryCampaign({ campaignId: 'cmp_1', tenantId: 'ten_a', appId: 'app_a', partnerId: 'par_1' })],
});
const reader = aCallerToken({ tenantId: 'ten_a' });
const liveBus = createMemoryLiveBus();

let test: TestWarehouse;
const opened: Subgraph[] = [];
const open = (settleMs = 30) => {
  const subgraph = createEventsSubgraph(someDeps({ warehouse: test.warehouse, directory, liveBus }), { settleMs });
  opened.push(subgraph);
  return subgraph;
};

beforeAll(async () => {
  test = await startTestWarehouse();
  await insert(test.warehouse, 'campaigns_mirror', [
    {
      tenant_id: 'ten_a',
      app_id: 'app_p',
      campaign_id: 'cmp_p1',
      name: 'one',
      network: 'n',
      partner_id: 'par_1',
      version: 1,
    },
    {
      tenant_id: 'ten_a',
      app_id: 'app_p',
      campaign_id: 'cmp_p2',
      name: 'two',
      network: 'n',
      partner_id: 'par_2',
      version: 1,
    },
  ]);
});
afterAll(async () => {
  for (const subgraph of opened) await subgraph.dispose();
  await liveBus.dispose();
  await test?.dispose();
});

const query = `subscription ($appId: ID!, $filter: LiveEventFilter, $after: String, $minIntervalMs: Int! = 0) {
  liveEvents(appId: $appId, filter: $filter, after: $after, minIntervalMs: $minIntervalMs) { cursor app { id } events { id name campaign { id } } } }`;

let serial = 0;
async function store(count: number, fields: Partial<EventFields> = {}): Promise<string[]> {
  const rows = Array.from({ length: count }, () => {
    serial += 1;
    return anEventRow({ event_id: `e${String(serial).padStart(6, '0')}`, occurred_at: Date.now(), ...fields });
  });
  await insert(test.warehouse, 'events', rows);
  const appId = fields.app_id ?? 'app_a';
  liveBus.publish('metrics.touched', { tenantId: 'ten_a', appId, minutes: [], events: count, at: Date.now() });
  return rows.map((row) => `${appId}:native:${row['event_id']}`);
}

type Stream = Awaited<ReturnType<typeof follow>>;
async function take(stream: Stream, count: number) {
  const ids: string[] = [];
  let cursor = '';
  while (ids.length < count) {
    const { liveEvents } = await stream.next();
    ids.push(...liveEvents.events.map((event: { id: string }) => event.id));
    cursor = liveEvents.cursor;
  }
  return { ids, cursor };
}

describe('liveEvents', () => {
  it('tells where it begins, then gives every event stored from then on', async () => {
    await store(3);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const stream = await follow(open(), reader, query, { appId: 'app_a' });
    const { liveEvents } = await stream.next();
    expect(liveEvents).toEqual({ cursor: expect.any(String), app: { id: 'app_a' }, events: [] });
    const stored = await store(5, { event_name: 'level_up' });
    expect((await take(stream, 5)).ids).toEqual(stored);
    await stream.stop();
  });

  it('goes on after its cursor in a new instance: nothing is missed, nothing repeated', async () => {
    const first = open();
    const stream = await follow(first, reader, query, { appId: 'app_a' });
    await stream.next();
    const before = await store(250);
    const { cursor, ids } = await take(stream, 120);
    await stream.stop();
    await first.dispose();
    const between = await store(30);
    const second = await follow(open(), reader, query, { appId: 'app_a', after: cursor });
    const after = store(20);
    const rest = await take(second, 250 - ids.length + 50);
    await second.stop();
    expect([...ids, ...rest.ids]).toEqual([...before, ...between, ...(await after)]);
  });

  it('survives a restart of the warehouse too', async () => {
    const subgraph = open();
    const stream = await follow(subgraph, reader, query, { appId: 'app_a' });
    await stream.next();
    const before = await store(2);
    const { cursor } = await take(stream, 2);
    await stream.stop();
    await subgraph.dispose();
    const missed = await store(4);
    await test.restart();
    const again = await follow(open(), reader, query, { appId: 'app_a', after: cursor });
    expect((await take(again, 4)).ids).toEqual(missed);
    expect(before).toHaveLength(2);
    await again.stop();
  });

  it('skips no row of a slow insert that began before a quick one', async () => {
    const stream = await follow(open(10), reader, query, { appId: 'app_a' });
    await stream.next();
    const columns =
      'tenant_id, app_id, source_format, event_id, event_name, event_kind, environment, occurred_at, received_at, block_id, block_index';
    const slow = test.warehouse.execute({
      name: 'slow_insert',
      sql: `INSERT INTO events (${columns}) SELECT 'ten_a', 'app_a', 'native', concat('slow', toString(number)), 'slow', 'custom', 'production', now64(3), now64(3), 'slow', number + sleepEachRow(0.15) FROM numbers(6)`,
      settings: { max_block_size: 1, max_insert_block_size: 1 },
    });
    await until(async () => {
      const text = await (
        await fetch(`${test.url}/?default_format=TSV`, {
          method: 'POST',
          body: "SELECT count() FROM system.processes WHERE query_kind = 'Insert'",
        })
      ).text();
      return text.trim() !== '0';
    });
    const quick = await store(2);
    const { ids } = await take(stream, 8);
    await slow;
    const wanted = [...Array.from({ length: 6 }, (_, index) => `app_a:native:slow${index}`), ...quick];
    expect(ids.toSorted()).toEqual(wanted.toSorted());
    await stream.stop();
  });

  it('shows only what its filter lets through', async () => {
    const stream = await follow(open(), reader, query, {
      appId: 'app_a',
      filter: { names: ['wanted'], countries: ['DE', 'FR'], environments: ['sandbox'] },
    });
    await stream.next();
    await store(2);
    await store(1, { event_name: 'wanted', country: 'DE' });
    const fits = await store(2, { event_name: 'wanted', country: 'FR', environment: 'sandbox' });
    expect((await take(stream, 2)).ids).toEqual(fits);
    await stream.stop();
  });

  it('shows a partner the events of its campaigns only, and nobody of them', async () => {
    const partner = aCallerToken({ tenantId: 'ten_a', partnerId: 'par_1', scopes: ['read:reports', 'read:personal'] });
    const stream = await follow(open(), partner, query, { appId: 'app_p' });
    await stream.next();
    await store(1, { app_id: 'app_p', campaign_id: 'cmp_p2' });
    await store(1, { app_id: 'app_p' });
    const own = await store(1, { app_id: 'app_p', campaign_id: 'cmp_p1' });
    expect((await take(stream, 1)).ids).toEqual(own);
    await stream.stop();
    const personal = 'subscription { liveEvents(appId: "app_p") { events { person { id } } } }';
    const nosy = await follow(open(), partner, personal);
    await nosy.next();
    await store(1, { app_id: 'app_p', campaign_id: 'cmp_p1' });
    await expect(nosy.next()).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await nosy.stop();
  });

  it.each([
    ['an app of another tenant', { appId: 'app_b' }, 'NOT_FOUND'],
    [
      'a cursor of another app',
      { appId: 'app_a', after: streamCursorOf('events', 'app_p', [Date.now(), '', 0]) },
      'BAD_USER_INPUT',
    ],
    [
      'a cursor older than a day',
      { appId: 'app_a', after: streamCursorOf('events', 'app_a', [Date.now() - 90_000_000, '', 0]) },
      'CURSOR_EXPIRED',
    ],
    [
      'too many names',
      { appId: 'app_a', filter: { names: Array.from({ length: 51 }, (_, index) => `n${index}`) } },
      'BAD_USER_INPUT',
    ],
    ['an interval beyond a minute', { appId: 'app_a', minIntervalMs: 60_001 }, 'BAD_USER_INPUT'],
  ])('refuses %s', async (_name, variables, code) => {
    await expect(follow(open(), reader, query, variables)).rejects.toMatchObject({ code });
  });
});

describe('liveMetrics with a cursor and an interval', () => {
  const metrics = `subscription ($after: String, $minIntervalMs: Int! = 0) {
    liveMetrics(appId: "app_a", window: LAST_5_MINUTES, after: $after, minIntervalMs: $minIntervalMs) { cursor totals { events } rows { installs } } }`;

  it('gives the whole window first, whatever the cursor, also in a new instance', async () => {
    const stream = await follow(open(), reader, metrics);
    const first = await stream.next();
    await stream.stop();
    const again = await follow(open(), reader, metrics, { after: first.liveMetrics.cursor });
    expect((await again.next()).liveMetrics.totals.events).toBeGreaterThan(0);
    await again.stop();
  });

  it('sends the latest totals no more often than asked', async () => {
    const stream = await follow(open(), reader, metrics, { minIntervalMs: 600 });
    const { liveMetrics: first } = await stream.next();
    const sentAt = performance.now();
    await store(1);
    await store(1);
    const { liveMetrics: second } = await stream.next();
    expect(performance.now() - sentAt).toBeGreaterThanOrEqual(550);
    expect(second.totals.events).toBe(first.totals.events + 2);
    await stream.stop();
  });

  it('refuses a cursor older than a day and one that is none', async () => {
    const old = Buffer.from(JSON.stringify([Date.now() - 90_000_000])).toString('base64url');
    await expect(follow(open(), reader, metrics, { after: old })).rejects.toMatchObject({ code: 'CURSOR_EXPIRED' });
    await expect(follow(open(), reader, metrics, { after: 'x' })).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
  });
});
