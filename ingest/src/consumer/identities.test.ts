import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { defineQuery } from '@tributary/platform/warehouse';
import { startTestWarehouse, type TestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import { withCampaignIdsSql } from '@tributary/schema/campaign-names-sql';
import { countPeopleSql, maxIdsPerPerson, unlinkRow } from '@tributary/schema/identity-sql';
import { z } from 'zod';
import { aBlock, type EventSpec } from './blocks.testing.ts';
import { createConsumer } from './consumer.ts';
import { createMemoryEventLog } from './memory-event-log.testing.ts';
import { silentLogger } from './steps/steps.testing.ts';

const now = Date.UTC(2026, 10, 20, 12);
const hourMs = 3_600_000;

const people = (keys: string) =>
  defineQuery({
    name: 'test.people',
    sql: countPeopleSql(keys, ['app_id']),
    params: z.object({ tenantId: z.string(), appIds: z.array(z.string()) }),
    row: z.object({ app_id: z.string(), people: z.number() }),
  });
const allPeople = people(
  'SELECT DISTINCT app_id, device_key FROM events WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)}',
);

describe('identities, from events to the count of people', () => {
  let test: TestWarehouse;
  let apps = 0;
  beforeAll(async () => {
    test = await startTestWarehouse();
  });
  afterAll(() => test?.dispose());

  /** Sends events through the log and the consumer, `times` times the same block. */
  async function store(events: readonly EventSpec[]): Promise<void> {
    const eventLog = createMemoryEventLog(1);
    await eventLog.append([aBlock({ receivedAt: now, events })]);
    await test.warehouse.execute({ name: 'test', sql: 'TRUNCATE TABLE partition_owners' });
    const consumer = createConsumer({
      eventLog,
      warehouse: test.warehouse,
      liveBus: createMemoryLiveBus(),
      clock: { now: () => now },
      logger: silentLogger,
      config: {
        eventLog: { partitions: 1, retentionHours: 1, retentionBytes: 1e9, kafkaBrokers: [] },
        liveIntervalMs: 250,
      },
      settings: { lingerMs: 0, settleMs: 0 },
    });
    await consumer.start();
    const deadline = Date.now() + 10_000;
    while ((await consumer.lag()).some(({ blocks }) => blocks > 0)) {
      if (Date.now() > deadline) throw new Error('not stored in time');
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await consumer.dispose();
  }
  let made = 0;
  const anEvent = (appId: string, device: string, over: Record<string, unknown> = {}): EventSpec => {
    made += 1;
    return {
      eventId: `e${made}`,
      appId,
      fields: { device_key: device, anonymous_id: device, event_kind: 'custom', ...over },
    };
  };
  const identify = (appId: string, device: string, user: string, at = now) =>
    anEvent(appId, device, { event_kind: 'identify', event_name: 'identify', user_id: user, occurred_at: at });
  const anApp = () => {
    apps += 1;
    return `app_${apps}`;
  };
  const count = async (appId: string) => {
    const rows = await test.warehouse.query(allPeople, { tenantId: 'ten_a', appIds: [appId] });
    return rows[0]?.people ?? 0;
  };
  const unlink = (appId: string, deviceKey: string, personId: string, atMs: number) =>
    test.warehouse.insertRows({
      name: 'test.unlink',
      table: 'identity_links',
      rows: [unlinkRow({ tenantId: 'ten_a', appId, deviceKey, personId, atMs })],
    });

  it('counts a person with two devices once after both are identified, in the past too', async () => {
    const app = anApp();
    await store([
      anEvent(app, 'phone', { occurred_at: now - 48 * hourMs }),
      anEvent(app, 'tablet'),
      anEvent(app, 'other'),
    ]);
    expect(await count(app)).toBe(3);
    await store([identify(app, 'phone', 'ada'), identify(app, 'tablet', 'ada')]);
    expect(await count(app)).toBe(2);
    const past = people(
      `SELECT DISTINCT app_id, device_key FROM events WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)}
        AND occurred_at < fromUnixTimestamp64Milli(${now - 24 * hourMs})`,
    );
    expect(await test.warehouse.query(past, { tenantId: 'ten_a', appIds: [app] })).toEqual([
      { app_id: app, people: 1 },
    ]);
  });

  it('counts events by the user id alone as the same person', async () => {
    const app = anApp();
    await store([identify(app, 'phone', 'ada'), anEvent(app, 'ada', { anonymous_id: undefined, user_id: 'ada' })]);
    expect(await count(app)).toBe(1);
  });

  it('follows an alias of a person to the new name', async () => {
    const app = anApp();
    await store([
      identify(app, 'phone', 'old-name'),
      identify(app, 'tablet', 'new-name'),
      anEvent(app, 'new-name', {
        event_kind: 'alias',
        user_id: 'new-name',
        properties: JSON.stringify({ previousId: 'old-name' }),
      }),
    ]);
    expect(await count(app)).toBe(1);
  });

  it('separates an id again when its merge is undone, and joins it anew when it is identified later', async () => {
    const app = anApp();
    await store([identify(app, 'phone', 'ada'), identify(app, 'tablet', 'ada')]);
    expect(await count(app)).toBe(1);
    await unlink(app, 'tablet', 'ada', now + 1);
    expect(await count(app)).toBe(2);
    // Said before it was undone, but arrived after.
    await store([identify(app, 'tablet', 'ada', now - hourMs)]);
    expect(await count(app)).toBe(2);
    await store([identify(app, 'tablet', 'ada', now + hourMs)]);
    expect(await count(app)).toBe(1);
  });

  it('merges at most so many ids into one person; the rest stand for themselves', async () => {
    const app = anApp();
    const devices = Array.from({ length: maxIdsPerPerson + 7 }, (_, index) => `device-${index}`);
    await store(devices.map((device, index) => identify(app, device, 'everybody', now + index)));
    expect(await count(app)).toBe(1 + 7);
  });

  it('gives an id to whom it was said to belong last', async () => {
    const app = anApp();
    await store([
      identify(app, 'phone', 'ada', now),
      identify(app, 'phone', 'bob', now - hourMs),
      identify(app, 'tablet', 'ada'),
    ]);
    expect(await count(app)).toBe(1);
  });

  it('links nothing across apps', async () => {
    const [app, other] = [anApp(), anApp()];
    await store([
      identify(app, 'phone', 'ada'),
      identify(app, 'tablet', 'ada'),
      anEvent(other, 'phone'),
      anEvent(other, 'tablet'),
    ]);
    expect([await count(app), await count(other)]).toEqual([1, 2]);
  });

  it('says when a device was first met, also after a late event of before', async () => {
    const app = anApp();
    const first = defineQuery({
      name: 'test.first_seen',
      sql: `SELECT device_key, toFloat64(toUnixTimestamp64Milli(first_seen_at)) AS at, toFloat64(events) AS events
        FROM devices_first_seen WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND device_key = 'phone'`,
      params: z.object({ tenantId: z.string(), appId: z.string() }),
      row: z.object({ device_key: z.string(), at: z.number(), events: z.number() }),
    });
    await store([anEvent(app, 'phone', { occurred_at: now })]);
    await store([anEvent(app, 'phone', { occurred_at: now - 40 * 24 * hourMs })]);
    expect(await test.warehouse.query(first, { tenantId: 'ten_a', appId: app })).toEqual([
      { device_key: 'phone', at: now - 40 * 24 * hourMs, events: 2 },
    ]);
  });

  it('takes a campaign by its name for its id once the name is known, and stores events before that', async () => {
    const app = anApp();
    const byCampaign = defineQuery({
      name: 'test.by_campaign',
      sql: `SELECT campaign_id, toFloat64(sum(n)) AS events FROM (${withCampaignIdsSql(`SELECT app_id, campaign_id, count() AS n FROM events
        WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} GROUP BY app_id, campaign_id`)})
        GROUP BY campaign_id ORDER BY campaign_id`,
      params: z.object({ tenantId: z.string(), appId: z.string() }),
      row: z.object({ campaign_id: z.string(), events: z.number() }),
    });
    const ask = () => test.warehouse.query(byCampaign, { tenantId: 'ten_a', appId: app });
    await store([
      anEvent(app, 'a', { campaign_id: 'Summer Sale' }),
      anEvent(app, 'b', { campaign_id: 'cmp_1' }),
      anEvent(app, 'c', { campaign_id: 'Twice' }),
      anEvent(app, 'd', { campaign_id: 'cmp_2' }),
    ]);
    expect((await ask()).map(({ campaign_id }) => campaign_id)).toEqual(['Summer Sale', 'Twice', 'cmp_1', 'cmp_2']);
    const row = (campaign_id: string, name: string) => ({
      tenant_id: 'ten_a',
      app_id: app,
      campaign_id,
      name,
      version: 1,
    });
    await test.warehouse.insertRows({
      name: 'test.mirror',
      table: 'campaigns_mirror',
      // A name that two campaigns have says nothing; one that is another's id means that one.
      rows: [row('cmp_1', 'Summer Sale'), row('cmp_2', 'Twice'), row('cmp_3', 'Twice'), row('cmp_4', 'cmp_2')],
    });
    expect(await ask()).toEqual([
      { campaign_id: 'Twice', events: 1 },
      { campaign_id: 'cmp_1', events: 2 },
      { campaign_id: 'cmp_2', events: 1 },
    ]);
  });
});
