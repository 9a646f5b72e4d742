import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '@tributary/platform/clock';
import type { EventLog } from '@tributary/platform/event-log';
import { openKafkaEventLog } from '@tributary/platform/event-log/kafka';
import { dropRecords } from '@tributary/platform/event-log/kafka-topic.testing';
import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { defineQuery, type Warehouse } from '@tributary/platform/warehouse';
import { startTestWarehouse, type TestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import { z } from 'zod';
import { aBlock, type EventSpec, partitionOfEvent } from '../blocks.testing.ts';
import { type Consumer, createConsumer } from '../consumer.ts';
import { silentLogger } from '../steps/steps.testing.ts';
import { replayEvents } from './replay.ts';
import { noParams, storedIds, storedSums } from './replay-queries.testing.ts';

const brokers = process.env['TRIBUTARY_TEST_KAFKA_BROKERS']?.split(',');
const partitions = 3;
const hourMs = 3_600_000;
const settings = { settleMs: 5, firstBackoffMs: 5, longestBackoffMs: 20 };
const tenantFree = 'a test';

/** What a reader sees of the events before the range and of those in it. */
const seenByReaders = defineQuery({
  name: 'test.seen',
  sql: `SELECT toFloat64(uniqExactIf(event_id, event_id LIKE 'before-%')) AS outside,
  toFloat64(uniqExactIf(event_id, event_id LIKE 'in-%')) AS inside FROM events`,
  params: noParams,
  row: z.object({ outside: z.number(), inside: z.number() }),
  tenantFree,
});

if (brokers) describeOnBroker(brokers);
else {
  describe.skip('replay on Kafka (TRIBUTARY_TEST_KAFKA_BROKERS is not set)', () => {
    it('puts a range in place anew while events come', () => undefined);
  });
}

// Over 50 lines: what its tests share.
function describeOnBroker(brokers: string[]): void {
  describe('replay on Kafka', () => {
    let test: TestWarehouse;
    let warehouse: Warehouse;
    let topic: string;
    let eventLog: EventLog;
    let consumer: Consumer;
    let consumersLog: EventLog;

    beforeAll(async () => {
      test = await startTestWarehouse();
      warehouse = test.warehouse;
    });
    beforeEach(async () => {
      topic = `replay-${randomUUID()}`;
      for (const table of ['events', 'partition_owners']) await run(`TRUNCATE TABLE ${table}`);
      const open = () => openKafkaEventLog({ brokers, topic, partitions, replication: 1 });
      eventLog = await open();
      consumersLog = await open();
      consumer = createConsumer({
        eventLog: consumersLog,
        warehouse,
        liveBus: createMemoryLiveBus(),
        clock: systemClock,
        logger: silentLogger,
        config: {
          eventLog: { partitions, retentionHours: 1, retentionBytes: 1e9, kafkaBrokers: brokers },
          liveIntervalMs: 250,
        },
        settings: { lingerMs: 0, ...settings },
      });
      await consumer.start();
    });
    afterEach(async () => {
      await consumer.dispose();
      await Promise.all([consumersLog.dispose(), eventLog.dispose()]);
    });
    afterAll(() => test?.dispose());

    const run = (sql: string) => warehouse.execute({ name: 'test.run', sql, settings: { mutations_sync: 2 } });
    const append = (events: readonly EventSpec[], receivedAt: number) =>
      eventLog.append(
        [...Map.groupBy(events, (event) => partitionOfEvent(event, partitions))].map(([partition, own]) =>
          aBlock({ partition, receivedAt, events: own }),
        ),
      );
    const named = (prefix: string, count: number): EventSpec[] =>
      Array.from({ length: count }, (_, index) => ({ eventId: `${prefix}-${index}`, revenue: '1.5' }));
    const stored = async () => (await warehouse.query(storedIds, {})).map(({ id }) => id);
    const drained = () =>
      until(async () => {
        const [committed, ends] = await Promise.all([eventLog.committed('warehouse'), eventLog.ends()]);
        return ends.every(({ partition, nextOffset }) => committed[partition] === nextOffset);
      });
    const replay = (fromMs: number, say: (line: string) => void = () => undefined) =>
      replayEvents(
        { warehouse, logger: silentLogger, clock: systemClock, say, settings },
        {
          // Until after now: what comes while it runs is in its range, too.
          range: { fromMs, toMs: Date.now() + hourMs, appId: null },
          source: { log: eventLog },
          partitionCount: partitions,
          dryRun: false,
        },
      );

    it('puts a range in place anew while events come and readers read: nothing lost, nothing doubled, no gap', async () => {
      const startMs = Date.now() - hourMs;
      const known = [...named('before', 20), ...named('in', 60)];
      await append(known.slice(0, 20), startMs - hourMs);
      await append(known.slice(20), startMs + 1_000);
      await drained();
      await run(`ALTER TABLE events DELETE WHERE event_id IN ('in-1', 'in-2', 'in-3')`);
      await run(`INSERT INTO events SELECT * FROM events WHERE event_id IN ('in-4', 'in-5')`);

      let isOver = false;
      let isInPlace = false;
      const acknowledged = { before: 0, after: 0 };
      const sending = (async () => {
        for (let round = 0; !isOver; round += 1) {
          const fresh = named(`live-${round}`, 5);
          const repeats = known.filter((_, index) => index % 31 === round % 31).slice(-5);
          await append([...fresh, ...repeats], Date.now());
          known.push(...fresh);
          acknowledged[isInPlace ? 'after' : 'before'] += 1;
          await sleep(10);
        }
      })();
      const seen: z.output<typeof seenByReaders.row>[] = [];
      const reading = (async () => {
        while (!isOver) seen.push(...(await warehouse.query(seenByReaders, {})));
      })();
      const report = await replay(startMs, (line) => {
        isInPlace ||= line.includes('is in place');
      })
        .finally(() => until(async () => !isInPlace || acknowledged.after >= 10))
        .finally(() => {
          isOver = true;
        });
      await Promise.all([sending, reading]);
      await drained();

      expect(await stored()).toEqual(known.map(({ eventId }) => eventId).toSorted());
      expect(await warehouse.query(storedSums, {})).toEqual([
        { rows: known.length, revenue: String(known.length * 1.5), aggregated: known.length },
      ]);
      expect(report.counts).toMatchObject({ conflicts: 0, refused: 0 });
      expect(report.counts.stored).toBeGreaterThanOrEqual(60);
      expect(acknowledged.before).toBeGreaterThan(5);
      expect(acknowledged.after).toBeGreaterThanOrEqual(10);
      expect([...new Set(seen.map(({ outside }) => outside))]).toEqual([20]);
      // The damaged version, then the whole one.
      const inside = seen.map((row) => row.inside);
      expect(inside[0]).toBe(57);
      expect(inside.filter((count, index) => count !== 57 && (count !== 60 || inside[index + 1] === 57))).toEqual([]);
    }, 180_000);

    it('refuses a range of which the broker has dropped a part, and changes nothing', async () => {
      await append(named('in', 30), Date.now() - hourMs);
      await drained();
      await dropRecords({ brokers, topic }, 0);
      await expect(replay(Date.now() - 2 * hourMs)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
      expect(await stored()).toHaveLength(30);
    }, 120_000);
  });
}

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error('it did not come true in time');
    await sleep(20);
  }
}
