import { randomUUID } from 'node:crypto';
import { systemClock } from '@tributary/platform/clock';
import type { EventLog } from '@tributary/platform/event-log';
import { openKafkaEventLog } from '@tributary/platform/event-log/kafka';
import { growTopic } from '@tributary/platform/event-log/kafka-topic.testing';
import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { aBlock, type EventSpec, partitionOfEvent } from './blocks.testing.ts';
import { type Consumer, createConsumer } from './consumer.ts';
import { createMemoryWarehouse, type MemoryWarehouse } from './memory-warehouse.testing.ts';
import { silentLogger } from './steps/steps.testing.ts';

const brokers = process.env['TRIBUTARY_TEST_KAFKA_BROKERS']?.split(',');
const partitions = 4;
const now = Date.now();

if (brokers) describeOnBroker(brokers);
else {
  describe.skip('several consumers on Kafka (TRIBUTARY_TEST_KAFKA_BROKERS is not set)', () => {
    it('lose and double nothing while they join and leave under load', () => undefined);
    it('stop with a reason when the topic grows, and know every id when they start with its number', () => undefined);
  });
}

// Over 50 lines: what its tests share.
function describeOnBroker(brokers: string[]): void {
  describe('several consumers on Kafka', () => {
    let topic: string;
    let group: string;
    let logs: EventLog[];
    let consumers: Consumer[];
    let memory: MemoryWarehouse;

    beforeEach(() => {
      topic = `consumers-${randomUUID()}`;
      // Groups belong to the broker, not to the topic.
      group = `warehouse-${randomUUID()}`;
      logs = [];
      consumers = [];
      memory = createMemoryWarehouse();
    });
    afterEach(async () => {
      await Promise.all(consumers.map((consumer) => consumer.dispose()));
      await Promise.all(logs.map((log) => log.dispose()));
    });

    const open = async (count = partitions) => {
      const log = await openKafkaEventLog({ brokers, topic, partitions: count, replication: 1 });
      logs.push(log);
      return log;
    };
    const join = async (count = partitions) => {
      const consumer = createConsumer({
        eventLog: await open(count),
        warehouse: memory,
        liveBus: createMemoryLiveBus(),
        clock: systemClock,
        logger: silentLogger,
        config: {
          eventLog: { partitions: count, retentionHours: 1, retentionBytes: 1e9, kafkaBrokers: brokers },
          liveIntervalMs: 250,
        },
        settings: { group, lingerMs: 0, settleMs: 0, maxBatchBlocks: 3 },
      });
      consumers.push(consumer);
      await consumer.start();
      return consumer;
    };
    const stored = () => memory.events.map(({ event_id }) => event_id).toSorted();
    const idsOf = (events: readonly EventSpec[]) => events.map(({ eventId }) => eventId).toSorted();

    it('lose and double nothing while they join and leave under load', async () => {
      const producer = await open();
      const sent: EventSpec[] = [];
      await join();
      for (let round = 0; round < 12; round += 1) {
        const fresh = eventsOf(20, `r${round}-`);
        const repeats = sent.filter((_, index) => index % 7 === round % 7).slice(0, 5);
        sent.push(...fresh);
        await producer.append(blocksOf([...fresh, ...repeats]));
        if (round === 3) await join();
        if (round === 8) await consumers.shift()?.dispose();
      }
      await untilDrained(producer, group);
      expect(stored()).toEqual(idsOf(sent));
    }, 120_000);

    it('stop with a reason when the topic grows, and know every id when they start with its number', async () => {
      const producer = await open();
      const before = await join();
      const events = eventsOf(60, 'old-');
      await producer.append(blocksOf(events));
      await untilDrained(producer, group);

      await growTopic({ brokers, topic }, partitions + 2);
      await expect(open()).rejects.toThrow(/it has 6 partition\(s\), but 4 are configured/);
      await expect(producer.checkHealth()).rejects.toThrow(/has 6 partitions, and 4 are configured/);
      // With the next assignment the consumer of before sees it, takes nothing more, and says so.
      const grown = await open(partitions + 2);
      await join(partitions + 2);
      await until(async () => /has 6 partitions, and 4 are configured/.test(await troubleOf(before)));
      const more = eventsOf(60, 'new-');
      await grown.append(blocksOf([...events, ...more], partitions + 2));
      await before.dispose();
      await untilDrained(grown, group);
      expect(stored()).toEqual(idsOf([...events, ...more]));
    }, 120_000);
  });
}

const eventsOf = (count: number, prefix: string): EventSpec[] =>
  Array.from({ length: count }, (_, index) => ({ eventId: `${prefix}${index}` }));

const troubleOf = (consumer: Consumer): Promise<string> =>
  consumer.ready().then(
    () => '',
    (error: Error) => error.message,
  );

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error('it did not come true in time');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const blocksOf = (events: readonly EventSpec[], count = partitions) =>
  [...Map.groupBy(events, (event) => partitionOfEvent(event, count))].map(([partition, own]) =>
    aBlock({ partition, receivedAt: now, events: own }),
  );

const untilDrained = (log: EventLog, group: string): Promise<void> =>
  until(async () => {
    const [committed, ends] = await Promise.all([log.committed(group), log.ends()]);
    return ends.every(({ partition, nextOffset }) => committed[partition] === nextOffset);
  });
