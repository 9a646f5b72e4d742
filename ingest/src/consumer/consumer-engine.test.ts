import { createMemoryCache } from '@tributary/platform/cache/memory';
import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { defineQuery, type InsertBytes, type Warehouse } from '@tributary/platform/warehouse';
import { type LiveCounters, readLiveCounters } from '@tributary/platform/warehouse/live-counters';
import { startTestWarehouse, type TestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import { z } from 'zod';
import { applyAppRetention } from './app-retention.ts';
import { aBlock, type EventSpec, partitionOfEvent } from './blocks.testing.ts';
import { type ConsumerDeps, createConsumer } from './consumer.ts';
import { createGroupEventLog, type GroupEventLog } from './group-event-log.testing.ts';
import { silentLogger } from './steps/steps.testing.ts';

/** What only the engine can show of the consumer: the fence, the counters, the retention. */
const now = Date.UTC(2026, 10, 20, 12);
const dayMs = 86_400_000;
const partitions = 2;
const tenantFree = 'a test';

const idsStored = defineQuery({
  name: 'test.ids',
  sql: 'SELECT app_id, event_id FROM events ORDER BY app_id, event_id',
  params: z.object({}),
  row: z.object({ app_id: z.string(), event_id: z.string() }),
  tenantFree,
});

const config = {
  eventLog: { partitions, retentionHours: 1, retentionBytes: 1e9, kafkaBrokers: [] },
  liveIntervalMs: 250,
};

describe('the consumer on the embedded warehouse', () => {
  let test: TestWarehouse;
  beforeAll(async () => {
    test = await startTestWarehouse();
  });
  beforeEach(async () => {
    for (const table of ['events', 'partition_owners', 'dead_letters']) {
      await test.warehouse.execute({ name: 'test.truncate', sql: `TRUNCATE TABLE ${table}` });
    }
  });
  afterAll(() => test?.dispose());

  const aConsumer = (eventLog: GroupEventLog, over: Partial<ConsumerDeps> = {}) =>
    createConsumer({
      eventLog,
      warehouse: test.warehouse,
      liveBus: createMemoryLiveBus(),
      clock: { now: () => now },
      logger: silentLogger,
      config,
      settings: {
        lingerMs: 0,
        settleMs: 10,
        firstBackoffMs: 1,
        longestBackoffMs: 20,
        drainMs: 50,
        countersIntervalMs: 5,
      },
      ...over,
    });
  const blocksOf = (events: readonly EventSpec[]) =>
    [...Map.groupBy(events, (event) => partitionOfEvent(event, partitions))].map(([partition, own]) =>
      aBlock({ partition, receivedAt: now, events: own }),
    );
  const eventsOf = (count: number): EventSpec[] =>
    Array.from({ length: count }, (_, index) => ({ eventId: `e${index}` }));
  const ids = async () => (await test.warehouse.query(idsStored, {})).map(({ event_id }) => event_id);
  const drained = (eventLog: GroupEventLog) =>
    until(async () => {
      const [committed, ends] = await Promise.all([eventLog.committed(''), eventLog.ends()]);
      return ends.every(({ partition, nextOffset }) => committed[partition] === nextOffset);
    });

  describe('the fence', () => {
    const insert = (queryId: string, eventId = queryId) =>
      test.warehouse.insertBytes({
        name: 'test.insert',
        table: 'events_inbox',
        format: 'JSONEachRow',
        body: Buffer.from(`${JSON.stringify({ app_id: 'app_a', event_id: eventId, occurred_at: now })}\n`),
        queryId,
      });
    const claim = (partition: number, epoch: number, group = 'warehouse') =>
      test.warehouse.insertRows({
        name: 'test.claim',
        table: 'partition_owners (consumer_group, partition, epoch)',
        rows: [{ consumer_group: group, partition, epoch }],
      });

    it.each([
      ['its epoch is the newest', 'consumer-warehouse-e5p0.1-a', true],
      ['its epoch is newer than what is known', 'consumer-warehouse-e6p0.1-a', true],
      ['nobody has claimed its partition', 'consumer-warehouse-e1p10.15-a', true],
      ['another group has claimed its partition', 'consumer-replay-e1p0-a', true],
      ['its epoch is older', 'consumer-warehouse-e4p0-a', false],
      ['the epoch of one of its partitions is older', 'consumer-warehouse-e9p2e4p1.3-a', false],
      ['it does not say what it stands for', 'test.insert-1', false],
    ])('takes an insert or not, where %s', async (_what, queryId, isTaken) => {
      await claim(0, 5);
      await claim(1, 5);
      await claim(0, 3);
      const outcome = await insert(queryId).then(
        ({ writtenRows }) => writtenRows,
        (error: { code: string }) => error.code,
      );
      expect(outcome).toBe(isTaken ? 2 : queryId.startsWith('test') ? 'INTERNAL' : 'STALE_OWNER');
      expect(await ids()).toEqual(isTaken ? [queryId] : []);
    });

    it('sees at once that a newer owner came between two inserts', async () => {
      await claim(0, 5);
      await insert('consumer-warehouse-e5p0-a', 'before');
      await claim(0, 6);
      await expect(insert('consumer-warehouse-e5p0-b', 'after')).rejects.toMatchObject({ code: 'STALE_OWNER' });
      expect(await ids()).toEqual(['before']);
    });

    it('has the columns of the table behind it', async () => {
      const columns = defineQuery({
        name: 'test.columns',
        sql: `SELECT name, type, default_expression FROM system.columns
          WHERE database = currentDatabase() AND table = {table:String} ORDER BY position`,
        params: z.object({ table: z.string() }),
        row: z.object({ name: z.string(), type: z.string(), default_expression: z.string() }),
        tenantFree,
      });
      const inbox = await test.warehouse.query(columns, { table: 'events_inbox' });
      expect(inbox.length).toBeGreaterThan(50);
      expect(inbox).toEqual(await test.warehouse.query(columns, { table: 'events' }));
    });

    it('keeps a consumer that slept through a takeover from storing anything twice', async () => {
      const eventLog = createGroupEventLog(partitions);
      const events = eventsOf(50);
      await eventLog.append(blocksOf(events));
      const sleeper = asleepAtFirstInsert(test.warehouse);
      const first = aConsumer(eventLog, { warehouse: sleeper.warehouse });
      await first.start();
      await sleeper.asleep;
      await eventLog.expel(0);
      const second = aConsumer(eventLog);
      await second.start();
      await drained(eventLog);
      sleeper.wake();
      await expect(sleeper.insert).rejects.toMatchObject({ code: 'STALE_OWNER' });
      await until(() => eventLog.partitionsOf(0).length === 1);
      await eventLog.append([...blocksOf([{ eventId: 'later' }]), ...blocksOf(events)]);
      await drained(eventLog);
      expect(await ids()).toEqual([...events.map(({ eventId }) => eventId), 'later'].toSorted());
      await Promise.all([first.dispose(), second.dispose()]);
    });
  });

  it.each([
    ['by_minute', 'toStartOfMinute(occurred_at)', 60_000],
    ['by_quarter', 'toStartOfFifteenMinutes(occurred_at)', 900_000],
    ['by_country', 'toStartOfInterval(occurred_at, toIntervalMinute(30))', 1_800_000],
  ])(
    'counts late events, and such as come out of order, in the bucket of %s in which they occurred',
    async (projection, bucket, bucketMs) => {
      const eventLog = createGroupEventLog(partitions);
      const consumer = aConsumer(eventLog);
      await consumer.start();
      // Newest first, over months, the last of one bucket and the first of the next; the second append comes after the first is stored.
      const ages = [0, 1, 899_999, 900_000, 1_800_001, dayMs, 31 * dayMs, 200 * dayMs];
      const events = ages.map(
        (age, index): EventSpec => ({ eventId: `e${index}`, occurredAt: now - age, revenue: '1.5' }),
      );
      for (const some of [events.slice(0, 3), events.slice(3), events.slice(2, 5)]) {
        await eventLog.append(blocksOf(some));
        await drained(eventLog);
      }
      await consumer.dispose();
      const buckets = defineQuery({
        name: 'test.buckets',
        sql: `SELECT toFloat64(toUnixTimestamp(${bucket})) * 1000 AS at, toFloat64(count()) AS n, toString(sum(revenue_amount)) AS revenue
        FROM events GROUP BY ${bucket} ORDER BY at SETTINGS force_optimize_projection_name = '${projection}'`,
        params: z.object({}),
        row: z.object({ at: z.number(), n: z.number(), revenue: z.string() }),
        tenantFree,
      });
      const expected = Map.groupBy(events, ({ occurredAt = 0 }) => Math.floor(occurredAt / bucketMs) * bucketMs);
      expect(await test.warehouse.query(buckets, {})).toEqual(
        [...expected]
          .map(([at, own]) => ({ at, n: own.length, revenue: String(own.length * 1.5) }))
          .toSorted((one, other) => one.at - other.at),
      );
    },
  );

  describe("today's counters", () => {
    const cache = createMemoryCache();
    const money = (eventId: string, kind: string, amount: string, campaign?: string): EventSpec => ({
      eventId,
      occurredAt: now - 60_000,
      revenue: amount,
      fields: { event_kind: kind, ...(campaign ? { campaign_id: campaign } : {}) },
    });
    const events: EventSpec[] = [
      { eventId: 'i1', fields: { event_kind: 'install', campaign_id: 'cmp_1' } },
      { eventId: 'i2', fields: { event_kind: 'install' } },
      { eventId: 's1', fields: { event_kind: 'session', campaign_id: 'cmp_1' } },
      money('p1', 'purchase', '12.5', 'cmp_1'),
      money('p2', 'ad_revenue', '0.000001'),
      money('p3', 'refund', '2.25', 'cmp_1'),
      { eventId: 'old', occurredAt: now - dayMs, fields: { event_kind: 'install' } },
      { eventId: 'sandbox', fields: { event_kind: 'install', environment: 'sandbox' } },
    ];
    const expected = {
      day: '2026-11-20',
      installs: 2,
      sessions: 1,
      revenue: { EUR: '10.250001' },
      campaigns: {
        '': { installs: 1, sessions: 0, revenue: { EUR: '0.000001' } },
        cmp_1: { installs: 1, sessions: 1, revenue: { EUR: '10.25' } },
      },
    };
    const key = 'ten_a:live-counters:app_a:UTC:2026-11-20';
    const read = () =>
      readLiveCounters(
        { warehouse: test.warehouse, cache, nowMs: now },
        { tenantId: 'ten_a', appId: 'app_a', timezone: 'UTC' },
      );

    it('are in the cache after the rows are stored, exact by app and campaign, repeats not counted', async () => {
      const eventLog = createGroupEventLog(partitions);
      const consumer = aConsumer(eventLog, { cache });
      await consumer.start();
      await eventLog.append([...blocksOf(events), ...blocksOf(events)]);
      await drained(eventLog);
      await consumer.dispose();
      expect(JSON.parse((await cache.get(key)) ?? '{}') as LiveCounters).toEqual({ ...expected, at: now });
    });

    it('come back exact from the warehouse when they are lost', async () => {
      const eventLog = createGroupEventLog(partitions);
      const consumer = aConsumer(eventLog);
      await consumer.start();
      await eventLog.append(blocksOf(events));
      await drained(eventLog);
      await consumer.dispose();
      await cache.delete(key);
      expect(await read()).toEqual({ ...expected, at: now });
      expect(await cache.get(key)).not.toBeNull();
      await cache.set(key, 'not what we wrote', { ttlMs: dayMs });
      expect(await read()).toEqual({ ...expected, at: now });
    });

    it("are those of the app's own day", async () => {
      const eventLog = createGroupEventLog(partitions);
      const consumer = aConsumer(eventLog);
      await consumer.start();
      await eventLog.append(
        blocksOf([
          { eventId: 'a', occurredAt: Date.UTC(2026, 10, 19, 18, 20), fields: { event_kind: 'install' } },
          { eventId: 'b', occurredAt: Date.UTC(2026, 10, 19, 18, 5), fields: { event_kind: 'install' } },
        ]),
      );
      await drained(eventLog);
      await consumer.dispose();
      // Nepal is 5:45 ahead: its day began at 18:15 UTC.
      const counters = await readLiveCounters(
        { warehouse: test.warehouse, cache, nowMs: now },
        { tenantId: 'ten_a', appId: 'app_a', timezone: 'Asia/Kathmandu' },
      );
      expect(counters).toMatchObject({ day: '2026-11-20', installs: 1 });
    });
  });

  describe('retention by app', () => {
    const held = (eventId: string, appId: string, daysAgo: number): EventSpec => ({
      eventId,
      appId,
      occurredAt: now - daysAgo * dayMs,
    });

    it('removes what is older than the app keeps it, drops months whole where it can, and touches no other app', async () => {
      const events = [
        held('fresh', 'app_a', 1),
        held('kept', 'app_a', 29),
        held('expired', 'app_a', 31),
        held('long gone', 'app_a', 200),
        held('kept longer', 'app_b', 31),
        held('unknown app', 'app_c', 31),
      ];
      const [block] = [aBlock({ receivedAt: now, events })];
      await test.warehouse.insertBytes({ name: 'test', table: 'events', format: 'JSONEachRow', body: block.body });
      const apps = [
        { appId: 'app_a', retentionDays: 30 },
        { appId: 'app_b', retentionDays: 365 },
      ];
      const plan = await applyAppRetention(test.warehouse, apps, now);
      expect(plan.dropMonths).toEqual(['202605']);
      expect(plan.deleteIn.map(({ month, apps: some }) => [month, some.map(({ appId }) => appId)])).toEqual([
        ['202610', ['app_a']],
      ]);
      await until(async () => (await ids()).length === 4);
      expect(await ids()).toEqual(['fresh', 'kept', 'kept longer', 'unknown app']);
      await until(async () => {
        const again = await applyAppRetention(test.warehouse, apps, now);
        return again.dropMonths.length + again.deleteIn.length === 0;
      });
    });

    it('lets dead letters go after 30 days by themselves', async () => {
      const letter = (id: string, daysAgo: number) => ({
        dead_letter_id: id,
        received_at: Date.now() - daysAgo * dayMs,
      });
      await test.warehouse.insertRows({
        name: 'test',
        table: 'dead_letters',
        rows: [letter('new', 1), letter('old', 31)],
      });
      await test.warehouse.execute({ name: 'test', sql: 'OPTIMIZE TABLE dead_letters FINAL' });
      const left = defineQuery({
        name: 'test.letters',
        sql: 'SELECT dead_letter_id FROM dead_letters',
        params: z.object({}),
        row: z.object({ dead_letter_id: z.string() }),
        tenantFree,
      });
      expect(await test.warehouse.query(left, {})).toEqual([{ dead_letter_id: 'new' }]);
    });
  });
});

function asleepAtFirstInsert(warehouse: Warehouse) {
  const asleep = Promise.withResolvers<void>();
  const woken = Promise.withResolvers<void>();
  const inserted = Promise.withResolvers<unknown>();
  inserted.promise.catch(() => {});
  let inserts = 0;
  return {
    asleep: asleep.promise,
    wake: () => woken.resolve(),
    insert: inserted.promise,
    warehouse: {
      ...warehouse,
      async insertBytes(insert: InsertBytes) {
        inserts += 1;
        if (inserts > 1) return warehouse.insertBytes(insert);
        asleep.resolve();
        await woken.promise;
        const sent = warehouse.insertBytes({ ...insert, signal: new AbortController().signal });
        inserted.resolve(sent);
        return sent;
      },
    },
  };
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error('it did not come to that');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
