import { randomUUID } from 'node:crypto';
import kafkajs, { type Admin, type ITopicConfig } from 'kafkajs';
import { describeEventLogContract } from '../event-log.contract.ts';
import type { EventLog, LogReader } from '../event-log.ts';
import { aBlock } from './block.testing.ts';
import { type KafkaEventLogOptions, openKafkaEventLog } from './kafka.ts';

const brokers = process.env['TRIBUTARY_TEST_KAFKA_BROKERS']?.split(',');

if (brokers) describeOnBroker(brokers);
else {
  describe.skip('event log: Kafka (TRIBUTARY_TEST_KAFKA_BROKERS is not set)', () => {
    it('passes the contract', () => undefined);
  });
}

// Over 50 lines: a suite whose tests share a broker.
function describeOnBroker(brokers: string[]): void {
  const newAdmin = async (): Promise<Admin> => {
    const admin = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING }).admin();
    await admin.connect();
    return admin;
  };
  const removeTopic = async (topic: string): Promise<void> => {
    const admin = await newAdmin();
    await admin.deleteTopics({ topics: [topic] });
    await admin.disconnect();
  };

  describeEventLogContract(
    'Kafka',
    async ({ partitions }) => {
      const topic = `contract-${randomUUID()}`;
      return {
        open: () => openKafkaEventLog({ brokers, topic, partitions, replication: 1 }),
        remove: () => removeTopic(topic),
      };
    },
    { retention: 'broker' },
  );

  describe('openKafkaEventLog', () => {
    let topic: string;
    let opened: EventLog[];
    let admin: Admin;
    const open = async (options: Partial<KafkaEventLogOptions> = {}): Promise<EventLog> => {
      const log = await openKafkaEventLog({ brokers, topic, partitions: 4, replication: 1, ...options });
      opened.push(log);
      return log;
    };
    beforeEach(async () => {
      topic = `test-${randomUUID()}`;
      opened = [];
      admin = await newAdmin();
    });
    afterEach(async () => {
      await Promise.all(opened.map((log) => log.dispose()));
      if ((await admin.listTopics()).includes(topic)) await admin.deleteTopics({ topics: [topic] });
      await admin.disconnect();
    });

    it('makes the topic with what the log promises: 7 days, room for the largest line, nothing dropped that was acknowledged', async () => {
      await Promise.all([open(), open()]);
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      expect(topics[0]!.partitions).toHaveLength(4);
      expect(await configOf(admin, topic)).toMatchObject({
        'retention.ms': String(7 * 86_400_000),
        'retention.bytes': '-1',
        'max.message.bytes': '4194304',
        'cleanup.policy': 'delete',
        'compression.type': 'producer',
        'unclean.leader.election.enable': 'false',
      });
    });

    it('refuses a topic that cannot keep the promises, and lists every fault', async () => {
      const config: ITopicConfig = {
        topic,
        numPartitions: 2,
        replicationFactor: 1,
        configEntries: [
          { name: 'cleanup.policy', value: 'compact' },
          { name: 'max.message.bytes', value: '100000' },
          { name: 'unclean.leader.election.enable', value: 'true' },
        ],
      };
      await admin.createTopics({ topics: [config], waitForLeaders: true });
      await expect(open()).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        details: {
          faults: [
            expect.stringContaining('TRIBUTARY_LOG_PARTITIONS=2'),
            expect.stringContaining('cleanup.policy'),
            expect.stringContaining('max.message.bytes'),
            expect.stringContaining('unclean.leader.election.enable'),
          ],
        },
      });
    });

    it('rejects with LOG_UNAVAILABLE when no broker answers', async () => {
      // Port 1 is reserved; nothing listens there.
      await expect(open({ brokers: ['127.0.0.1:1'] })).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' });
    });

    it('takes no block over the limit of a record', async () => {
      const log = await open({ maxMessageBytes: 2_000 });
      await expect(log.append([aBlock(), aBlock({ lineBytes: 2_000 })])).rejects.toMatchObject({ code: 'INTERNAL' });
      expect((await log.ends()).every(({ nextOffset }) => nextOffset === 0n)).toBe(true);
    });

    it('shares the partitions of a group, and loses nothing while readers come and go under load', async () => {
      const log = await open();
      const sent: string[] = [];
      const crew = createCrew();
      let isLoaded = true;
      const load = (async () => {
        while (isLoaded) {
          const blocks = [0, 1, 2, 3].map((partition) => aBlock({ partition }));
          await log.append(blocks);
          sent.push(...blocks.map(({ header }) => header.blockId));
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      })();
      const first = await crew.join(log, 'first');
      await crew.until(() => crew.seen.size > 20);
      const second = await crew.join(await open(), 'second');
      await crew.until(() => crew.ownersOf().size === 2);
      const third = await crew.join(await open(), 'third');
      await crew.until(() => crew.ownersOf().size === 3);
      await first.leave();
      await crew.until(() => !crew.ownersOf().has('first') && crew.owners.size === 4);
      await third.leave();
      isLoaded = false;
      await load;
      await crew.until(() => sent.every((id) => crew.seen.has(id)));
      await second.leave();
      expect(crew.overlaps).toEqual([]);
      expect(crew.epochsFell).toEqual([]);
    }, 60_000);

    it('refuses the commit of a partition that went to another reader', async () => {
      const log = await open({ partitions: 2 });
      const mine = new Set<number>();
      const first = await log.openReader({
        group: 'g',
        onAssigned: async (given) => {
          for (const { partition } of given) mine.add(partition);
        },
        onRevoked: async () => mine.clear(),
      });
      while (mine.size < 2) await first.next({ maxBytes: 1, waitMs: 20 });
      const second = await (await open({ partitions: 2 })).openReader({ group: 'g' });
      void second.next({ maxBytes: 1, waitMs: 30_000 });
      while (mine.size !== 1) await first.next({ maxBytes: 1, waitMs: 20 });
      const lost = mine.has(0) ? 1 : 0;
      await expect(first.commit(lost, 0n)).rejects.toMatchObject({ code: 'STALE_OWNER' });
      await expect(first.commit(1 - lost, 0n)).resolves.toBeUndefined();
    });

    it('says how far a group is behind in each partition', async () => {
      const log = await open();
      await log.append([aBlock(), aBlock(), aBlock({ partition: 1 })]);
      const reader = await log.openReader({ group: 'g' });
      while ((await reader.next({ maxBytes: 1_000_000, waitMs: 100 })).length === 0);
      await reader.commit(0, 1n);
      const [ends, committed] = [await log.ends(), await log.committed('g')];
      expect(ends.map(({ nextOffset }, partition) => nextOffset - committed[partition]!)).toEqual([1n, 1n, 0n, 0n]);
    });

    it('reads a backlog much larger than what it may hold in memory', async () => {
      const log = await open({ prefetchBytes: 40_000 });
      const blocks = Array.from({ length: 200 }, (_, index) => aBlock({ partition: index % 4, lineBytes: 5_000 }));
      await log.append(blocks);
      const reader = await log.openReader({ group: 'g' });
      const offsets: bigint[][] = [[], [], [], []];
      for (let count = 0; count < 200; ) {
        for (const { partition, offset } of await reader.next({ maxBytes: 30_000, waitMs: 5_000 })) {
          offsets[partition]!.push(offset);
          count += 1;
        }
      }
      for (const own of offsets) expect(own).toEqual(Array.from({ length: 50 }, (_, index) => BigInt(index)));
    });

    it('writes the body as the value, in zstd, for readers of other kinds', async () => {
      const log = await open();
      const block = aBlock({ partition: 3, count: 5 });
      await log.append([block]);
      const zstd = kafkajs.CompressionTypes.ZSTD;
      const codec = kafkajs.CompressionCodecs[zstd]!;
      let inflated = 0;
      kafkajs.CompressionCodecs[zstd] = () => {
        inflated += 1;
        return codec();
      };
      const consumer = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING }).consumer({
        groupId: 'other',
      });
      try {
        await consumer.connect();
        await consumer.subscribe({ topics: [topic], fromBeginning: true });
        const got = Promise.withResolvers<unknown>();
        await consumer.run({
          eachMessage: async ({ partition, message }) =>
            got.resolve([partition, message.key?.toString(), message.value?.toString()]),
        });
        expect(await got.promise).toEqual([3, block.header.blockId, Buffer.from(block.body).toString()]);
        expect(inflated).toBeGreaterThan(0);
      } finally {
        kafkajs.CompressionCodecs[zstd] = codec;
        await consumer.disconnect();
      }
    });

    it('reports a record that is no block by its place and does not deliver it', async () => {
      const log = await open();
      const producer = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING }).producer();
      await producer.connect();
      await producer.send({ topic, messages: [{ partition: 2, value: '{"not":"ours"}\n' }] });
      await producer.disconnect();
      const reader = await log.openReader({ group: 'g' });
      await expect(reader.next({ maxBytes: 1, waitMs: 10_000 })).rejects.toMatchObject({
        code: 'INTERNAL',
        details: { partition: 2, offset: 0 },
      });
    });

    it('sets no timer of a negative time', async () => {
      const warnings: string[] = [];
      const listener = ({ name }: Error): void => void warnings.push(name);
      process.on('warning', listener);
      const log = await open();
      await log.append([aBlock()]);
      const reader = await log.openReader({ group: 'g' });
      while ((await reader.next({ maxBytes: 1, waitMs: 100 })).length === 0);
      await new Promise(setImmediate);
      process.off('warning', listener);
      expect(warnings).toEqual([]);
    });
  });
}

async function configOf(admin: Admin, topic: string): Promise<Record<string, string>> {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }],
  });
  return Object.fromEntries(
    resources[0]!.configEntries.map(({ configName, configValue }) => [configName, configValue]),
  );
}

/** Readers of one group that read, commit and note who had what. */
function createCrew() {
  const seen = new Set<string>();
  const owners = new Map<number, string>();
  const epochs = new Map<number, bigint>();
  const overlaps: string[] = [];
  const epochsFell: number[] = [];

  async function join(log: EventLog, name: string) {
    const reader: LogReader = await log.openReader({
      group: 'crew',
      onAssigned: async (given) => {
        for (const { partition, epoch } of given) {
          if (owners.has(partition)) overlaps.push(`${name} and ${owners.get(partition)} have ${partition}`);
          if (epoch <= (epochs.get(partition) ?? 0n)) epochsFell.push(partition);
          owners.set(partition, name);
          epochs.set(partition, epoch);
        }
      },
      onRevoked: async (given) => {
        await new Promise(setImmediate);
        for (const partition of given) owners.delete(partition);
      },
    });
    let isHere = true;
    const reading = (async () => {
      while (isHere) {
        for (const { partition, offset, header } of await reader.next({ maxBytes: 100_000, waitMs: 100 })) {
          seen.add(header.blockId);
          await reader.commit(partition, offset + 1n).catch((error: { code?: string }) => {
            if (error.code !== 'STALE_OWNER') throw error;
          });
        }
      }
    })();
    return {
      async leave() {
        isHere = false;
        await reader.dispose();
        await reading;
      },
    };
  }

  async function until(condition: () => boolean): Promise<void> {
    const deadline = Date.now() + 40_000;
    while (!condition()) {
      if (Date.now() > deadline) throw new Error(`It did not happen in time: ${seen.size} seen, ${[...owners]}.`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  return { seen, owners, overlaps, epochsFell, join, until, ownersOf: () => new Set(owners.values()) };
}
