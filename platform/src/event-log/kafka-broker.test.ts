import { setTimeout as sleep } from 'node:timers/promises';
import type { EventLog, LogReader } from '../event-log.ts';
import { aBlock } from './block.testing.ts';
import { openKafkaEventLog } from './kafka.ts';
import { type KafkaBroker, startKafkaBroker } from './kafka-broker.testing.ts';

const libs = process.env['TRIBUTARY_TEST_KAFKA_LIBS'];
const scram = { username: 'tributary', password: 'a-secret-of-tests' };

if (libs) describeWithABroker(libs);
else {
  describe.skip('event log: Kafka with a broker that is killed (TRIBUTARY_TEST_KAFKA_LIBS is not set)', () => {
    it('comes back by itself', () => undefined);
  });
}

function describeWithABroker(libs: string): void {
  describe('event log: Kafka with a broker that is killed', () => {
    let broker: KafkaBroker;
    let log: EventLog;
    beforeAll(async () => {
      broker = await startKafkaBroker({ libs, scram });
    }, 90_000);
    afterAll(() => broker.dispose());
    const open = async (topic: string): Promise<EventLog> => {
      log = await openKafkaEventLog({ brokers: [broker.address], topic, partitions: 2, replication: 1 });
      return log;
    };
    afterEach(() => log.dispose());

    it('rejects appends and the health check with LOG_UNAVAILABLE while it is away, and comes back with all that was acknowledged', async () => {
      const acknowledged: string[] = [];
      const append = async (): Promise<void> => {
        const block = aBlock({ partition: acknowledged.length % 2 });
        await log.append([block]);
        acknowledged.push(block.header.blockId);
      };
      await open('restarted');
      const reader = await log.openReader({ group: 'g' });
      for (let index = 0; index < 20; index += 1) await append();
      const seen = new Set<string>();
      await readInto(seen, reader, 20);
      await reader.commit(0, 5n);

      await broker.kill();
      await expect(append()).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE', retryable: true });
      await expect(log.checkHealth()).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' });
      await expect(reader.commit(0, 6n)).rejects.toMatchObject({ retryable: true });
      expect(await reader.next({ maxBytes: 1_000_000, waitMs: 50 })).toEqual([]);

      await broker.start();
      await untilResolves(append);
      for (let index = 0; index < 20; index += 1) await append();
      await untilResolves(() => log.checkHealth());
      // Those that were not committed come again; what was refused may be there too.
      while (!acknowledged.every((id) => seen.has(id))) await readInto(seen, reader, seen.size + 1);
      expect((await log.committed('g'))[0]).toBeGreaterThanOrEqual(5n);
    }, 120_000);

    it('speaks SCRAM with the user name and password that are set, and is refused with others', async () => {
      const options = { brokers: [broker.saslAddress], topic: 'with-scram', partitions: 1, replication: 1 };
      const sasl = { mechanism: 'scram-sha-512' as const, ...scram };
      log = await openKafkaEventLog({ ...options, sasl });
      const block = aBlock();
      await log.append([block]);
      const seen = new Set<string>();
      await readInto(seen, await log.openReader({ group: 'g' }), 1);
      expect([...seen]).toEqual([block.header.blockId]);
      await expect(openKafkaEventLog({ ...options, sasl: { ...sasl, password: 'wrong' } })).rejects.toMatchObject({
        code: 'LOG_UNAVAILABLE',
      });
    }, 60_000);
  });
}

async function readInto(seen: Set<string>, reader: LogReader, size: number): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (seen.size < size) {
    if (Date.now() > deadline) throw new Error(`${seen.size} of ${size} blocks came`);
    for (const { header } of await reader.next({ maxBytes: 1_000_000, waitMs: 500 })) seen.add(header.blockId);
  }
}

async function untilResolves(work: () => Promise<void>): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await sleep(20);
  }
}
