import { randomUUID } from 'node:crypto';
import { systemClock } from '@tributary/platform/clock';
import type { EventLog } from '@tributary/platform/event-log';
import { openKafkaEventLog } from '@tributary/platform/event-log/kafka';
import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { aBlock, type EventSpec, partitionOfEvent } from './blocks.testing.ts';
import { type Consumer, createConsumer } from './consumer.ts';
import { createMemoryWarehouse } from './memory-warehouse.testing.ts';
import { silentLogger } from './steps/steps.testing.ts';

const brokers = process.env['TRIBUTARY_TEST_KAFKA_BROKERS']?.split(',');
const partitions = 4;
const now = Date.now();

if (brokers) describeOnBroker(brokers);
else {
  describe.skip('several consumers on Kafka (TRIBUTARY_TEST_KAFKA_BROKERS is not set)', () => {
    it('lose and double nothing while they join and leave under load', () => undefined);
  });
}

function describeOnBroker(brokers: string[]): void {
  describe('several consumers on Kafka', () => {
    it('lose and double nothing while they join and leave under load', async () => {
      const topic = `consumers-${randomUUID()}`;
      // Groups belong to the broker, not to the topic.
      const group = `warehouse-${randomUUID()}`;
      const logs: EventLog[] = [];
      const open = async () => {
        const log = await openKafkaEventLog({ brokers, topic, partitions, replication: 1 });
        logs.push(log);
        return log;
      };
      const memory = createMemoryWarehouse();
      const producer = await open();
      const consumers: Consumer[] = [];
      const join = async () => {
        const consumer = createConsumer({
          eventLog: await open(),
          warehouse: memory,
          liveBus: createMemoryLiveBus(),
          clock: systemClock,
          logger: silentLogger,
          config: {
            eventLog: { partitions, retentionHours: 1, retentionBytes: 1e9, kafkaBrokers: brokers },
            liveIntervalMs: 250,
          },
          settings: { group, lingerMs: 0, settleMs: 0, maxBatchBlocks: 3 },
        });
        consumers.push(consumer);
        await consumer.start();
      };
      const sent: EventSpec[] = [];
      await join();
      for (let round = 0; round < 12; round += 1) {
        const fresh = Array.from({ length: 20 }, (_, index): EventSpec => ({ eventId: `r${round}-${index}` }));
        const repeats = sent.filter((_, index) => index % 7 === round % 7).slice(0, 5);
        sent.push(...fresh);
        await producer.append(blocksOf([...fresh, ...repeats]));
        if (round === 3) await join();
        if (round === 8) await consumers.shift()?.dispose();
      }
      await untilDrained(producer, group);
      expect(memory.events.map(({ event_id }) => event_id).toSorted()).toEqual(
        sent.map(({ eventId }) => eventId).toSorted(),
      );
      await Promise.all(consumers.map((consumer) => consumer.dispose()));
      await Promise.all(logs.map((log) => log.dispose()));
    }, 120_000);
  });
}

const blocksOf = (events: readonly EventSpec[]) =>
  [...Map.groupBy(events, (event) => partitionOfEvent(event, partitions))].map(([partition, own]) =>
    aBlock({ partition, receivedAt: now, events: own }),
  );

async function untilDrained(log: EventLog, group: string): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const [committed, ends] = await Promise.all([log.committed(group), log.ends()]);
    if (ends.every(({ partition, nextOffset }) => committed[partition] === nextOffset)) return;
    if (Date.now() > deadline) throw new Error('the log was not drained in time');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
