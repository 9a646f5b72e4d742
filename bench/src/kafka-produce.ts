import { randomBytes } from 'node:crypto';
import { ProduceAcks, Producer } from '@platformatic/kafka';
import type { EventLog } from '@tributary/platform/event-log';
import { openKafkaEventLog } from '@tributary/platform/event-log/kafka';
import { encodeRecord, type RecordToSend } from '@tributary/platform/event-log/kafka/record';
import { CodedError, type LogBlock, uuidV7 } from '@tributary/schema';
import kafkajs from 'kafkajs';
import { makeEvent } from './bodies.ts';
import type { BenchOptions, BenchResult } from './result.ts';

const partitions = 4;
const eventsPerBlock = 100;
/** Calls that wait at once, each with a block for every partition, as the collector's writer makes them. */
const callsAtOnce = 4;
const distinctCalls = 60;

interface Contender {
  readonly name: 'port' | 'platformatic' | 'kafkajs';
  /** Sends the blocks of one call; resolves when all in-sync replicas have them. */
  send(call: number): Promise<unknown>;
  close(): Promise<void>;
}

interface Round {
  readonly perSecond: number;
  readonly cpuUs: number;
}

/**
 * Producing through the port (frames with checksums, idempotent, one request at a time) against both clients bare with
 * the same records, made before: acks=all, zstd, the same calls waiting at once. They take turns in short rounds, and the
 * figures are medians over the rounds. The broker, on the same cores, is that of TRIBUTARY_TEST_KAFKA_BROKERS.
 *
 * Throws CONFIG_INVALID when that is not set.
 */
export async function benchKafkaProduce(options: BenchOptions): Promise<BenchResult> {
  const brokers = process.env['TRIBUTARY_TEST_KAFKA_BROKERS']?.split(',').filter(Boolean) ?? [];
  if (brokers.length === 0) {
    throw new CodedError('CONFIG_INVALID', {
      message: 'TRIBUTARY_TEST_KAFKA_BROKERS is not set: producing to Kafka is measured on a broker that runs already.',
    });
  }
  const topic = `bench-produce-${Date.now().toString(36)}`;
  const log = await openKafkaEventLog({ brokers, topic, partitions, replication: 1 });
  const calls = Array.from({ length: distinctCalls }, () => makeCall());
  const contenders = await openContenders(brokers, topic, log, calls);
  const rounds: Record<Contender['name'], Round[]> = { port: [], platformatic: [], kafkajs: [] };
  try {
    const callsPerRound = options.quick ? 250 : 500;
    for (let round = -1; round < (options.quick ? 12 : 24); round += 1) {
      // Who comes first changes: the broker flushes and merges in its own time.
      for (let turn = 0; turn < contenders.length; turn += 1) {
        const contender = contenders[(turn + round + contenders.length) % contenders.length]!;
        const measured = await measure(contender, round < 0 ? callsPerRound / 2 : callsPerRound);
        // The first round warms up.
        if (round >= 0) rounds[contender.name].push(measured);
      }
      const [port, bare, kafkaJs] = [rounds.port, rounds.platformatic, rounds.kafkajs].map((own) => own.at(-1));
      options.log(
        `produce ${round + 1}: port ${port?.perSecond ?? '-'} events/s, @platformatic/kafka ${bare?.perSecond ?? '-'}, kafkajs ${kafkaJs?.perSecond ?? '-'}`,
      );
    }
  } finally {
    await Promise.all(contenders.map((contender) => contender.close()));
    await removeTopic(brokers, topic);
  }
  return resultOf(rounds);
}

function resultOf(rounds: Readonly<Record<Contender['name'], readonly Round[]>>): BenchResult {
  const figure = (name: Contender['name']) => median(rounds[name].map(({ perSecond }) => perSecond));
  const cpu = (name: Contender['name']) => Number(median(rounds[name].map(({ cpuUs }) => cpuUs)).toPrecision(3));
  const ratios = rounds.port.map(({ perSecond }, at) => perSecond / rounds.platformatic[at]!.perSecond);
  return {
    name: 'kafka-produce',
    figures: {
      kafkaProducePerSecond: { value: figure('port'), unit: 'events/s, through the port' },
      kafkaProduceCpuUs: { value: cpu('port'), unit: 'µs CPU an event' },
    },
    against: {
      kafkaProduceBare: { value: figure('platformatic'), unit: 'events/s, @platformatic/kafka bare' },
      kafkaProduceBareCpuUs: { value: cpu('platformatic'), unit: 'µs CPU an event' },
      kafkaProduceKafkaJs: { value: figure('kafkajs'), unit: 'events/s, kafkajs bare' },
      kafkaProduceKafkaJsCpuUs: { value: cpu('kafkajs'), unit: 'µs CPU an event' },
    },
    ratios: {
      kafkaProduce: Number(median(ratios).toFixed(3)),
      kafkaProduceCpu: Number((cpu('platformatic') / cpu('port')).toFixed(3)),
    },
  };
}

async function measure(contender: Contender, calls: number): Promise<Round> {
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  let next = 0;
  const caller = async (): Promise<void> => {
    while (next < calls) {
      const call = next;
      next += 1;
      await contender.send(call % distinctCalls);
    }
  };
  await Promise.all(Array.from({ length: callsAtOnce }, caller));
  const seconds = (performance.now() - startedAt) / 1_000;
  const { user, system } = process.cpuUsage(cpuBefore);
  const events = calls * partitions * eventsPerBlock;
  return { perSecond: Math.round(events / seconds), cpuUs: (user + system) / events };
}

/** The port prepares kafkajs's codec when it opens: both clients compress by node:zlib. */
async function openContenders(
  brokers: string[],
  topic: string,
  log: EventLog,
  calls: readonly (readonly LogBlock[])[],
): Promise<readonly Contender[]> {
  const records = calls.map((blocks) => blocks.map((block) => encodeRecord(block, topic)));
  const bare = new Producer<Buffer, Buffer, Buffer, Buffer>({
    clientId: 'bench',
    bootstrapBrokers: brokers,
    acks: ProduceAcks.ALL,
    compression: 'zstd',
  });
  const kafkaJs = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING }).producer();
  await kafkaJs.connect();
  return [
    { name: 'port', send: (call) => log.append(calls[call]!), close: () => log.dispose() },
    {
      name: 'platformatic',
      send: (call) => bare.send({ acks: ProduceAcks.ALL, messages: records[call]!.map((record) => ({ ...record })) }),
      close: () => bare.close(),
    },
    {
      name: 'kafkajs',
      send: (call) =>
        kafkaJs.send({
          topic,
          acks: -1,
          compression: kafkajs.CompressionTypes.ZSTD,
          messages: records[call]!.map(kafkaJsMessageOf),
        }),
      close: () => kafkaJs.disconnect(),
    },
  ];
}

function kafkaJsMessageOf({ partition, key, value, headers }: RecordToSend) {
  return {
    partition,
    key,
    value,
    headers: Object.fromEntries([...headers].map(([name, head]) => [name.toString(), head])),
  };
}

function makeCall(): LogBlock[] {
  return Array.from({ length: partitions }, (_, partition) => makeBlock(partition));
}

/** A hundred lines of some 700 bytes, as the collector writes them. */
function makeBlock(partition: number): LogBlock {
  const now = Date.now();
  const blockId = uuidV7(now);
  const lines = Array.from({ length: eventsPerBlock }, (_, index) => {
    const hash = randomBytes(8).toString('hex');
    const received = `"app_id":"app_bench","block_id":"${blockId}","block_index":${index},"payload_hash":"${hash}","source_format":"native","environment":"production","received_at":${now},"clock_skew_ms":${index},"ip":"203.0.113.${index}","user_agent":"Game/4.2.0 (Android 15)"`;
    return `${makeEvent(now).slice(0, -1)},${received}}\n`;
  });
  return {
    header: {
      kind: 'events',
      blockId,
      partition,
      count: eventsPerBlock,
      lineLengths: lines.map((line) => Buffer.byteLength(line)),
      dedupeHashes: randomBytes(8 * eventsPerBlock).toString('hex'),
      payloadHashes: randomBytes(8 * eventsPerBlock).toString('hex'),
      touched: [{ tenantId: 'ten_bench', appId: 'app_bench', minutes: [now - (now % 60_000)], events: eventsPerBlock }],
      receivedAt: now,
    },
    body: Buffer.from(lines.join('')),
  };
}

async function removeTopic(brokers: string[], topic: string): Promise<void> {
  const admin = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.deleteTopics({ topics: [topic] });
  await admin.disconnect();
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
