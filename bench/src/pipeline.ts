import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCollector } from '@tributary/ingest/collector';
import { createConsumer } from '@tributary/ingest/consumer';
import { systemClock } from '@tributary/platform/clock';
import type { EventLog } from '@tributary/platform/event-log';
import { openLmdbEventLog } from '@tributary/platform/event-log/lmdb';
import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { createLogger } from '@tributary/platform/logger';
import { openEventLog } from '@tributary/platform/open';
import { startTestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import { loadConfig } from '@tributary/schema';
import { type Ask, askWarehouse, bareInsertRate, loggedBatches } from './bare-insert.ts';
import { benchDirectory } from './directory.ts';
import type { BenchOptions, BenchResult, Figure } from './result.ts';

const key = 'trk_bench';
const partitions = 4;

/**
 * From the log to the queryable row: a filled log, the consumer as its role runs it (deduplication, projections and identities
 * included), the warehouse in its child. The first part of the rows warms it up and is not timed.
 *
 * Ceiling, in the same run: the engine's own insert of the same bytes without projections and indexes. With
 * TRIBUTARY_TEST_KAFKA_BROKERS the same through Kafka, and producing through the port against the bare client.
 */
export async function benchPipeline(options: BenchOptions): Promise<BenchResult> {
  const rows = options.quick ? 400_000 : 1_500_000;
  const brokers = process.env['TRIBUTARY_TEST_KAFKA_BROKERS'];
  const dir = await mkdtemp(join(tmpdir(), 'tributary-bench-'));
  try {
    const embedded = await measure(options, rows, 'LMDB', () =>
      openLmdbEventLog({ dir: join(dir, 'log'), partitions }),
    );
    const kafka = brokers === undefined ? null : await measure(options, rows, 'Kafka', () => openKafka(brokers));
    const produce =
      brokers === undefined ? null : await (await import('./kafka-produce.ts')).benchKafkaProduce(options);
    return {
      name: 'pipeline',
      figures: {
        embeddedPerSecond: { value: embedded.perSecond, unit: 'rows/s, log to queryable, LMDB' },
        embeddedCpuUs: { value: embedded.cpuUs, unit: 'µs CPU a row of the consumer' },
        ...(kafka ? { kafkaPerSecond: { value: kafka.perSecond, unit: 'rows/s, log to queryable, Kafka' } } : {}),
        ...embedded.storage,
        ...produce?.figures,
      },
      against: {
        bareInsert: {
          value: embedded.bare,
          unit: 'rows/s, same bytes and engine, no projections, indexes or deduplication',
        },
        ...(kafka ? { bareInsertKafkaRun: { value: kafka.bare, unit: 'rows/s, the same in the Kafka run' } } : {}),
        ...produce?.against,
      },
      ratios: {
        embedded: share(embedded.perSecond, embedded.bare),
        ...(kafka ? { kafka: share(kafka.perSecond, kafka.bare) } : {}),
        ...produce?.ratios,
      },
    };
  } finally {
    await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

const share = (value: number, of: number) => Number((value / of).toFixed(3));

function openKafka(brokers: string): Promise<EventLog> {
  return openEventLog(
    loadConfig({
      TRIBUTARY_KAFKA_BROKERS: brokers,
      TRIBUTARY_KAFKA_REPLICATION: '1',
      TRIBUTARY_KAFKA_TOPIC: `bench-${Date.now().toString(36)}`,
      TRIBUTARY_LOG_PARTITIONS: String(partitions),
    }),
  );
}

interface Measured {
  readonly perSecond: number;
  readonly bare: number;
  readonly cpuUs: number;
  readonly storage: Readonly<Record<string, Figure>>;
}

async function measure(
  options: BenchOptions,
  rows: number,
  title: string,
  open: () => Promise<EventLog>,
): Promise<Measured> {
  const log = await open();
  const test = await startTestWarehouse({ memoryBytes: 1_200_000_000 });
  const warehouse = askWarehouse(test.url);
  try {
    options.log(`${title}: filling the log with ${rows} events`);
    await fillLog(log, rows);
    options.log(`${title}: log to queryable`);
    const timed = await consume(log, test.warehouse, warehouse, rows);
    const storage = await storageOf(warehouse, log);
    options.log(`${title}: bare inserts of the same rows`);
    const bare = await bareInsertRate(warehouse, await loggedBatches(log, Math.min(rows, 1_000_000)));
    return { ...timed, bare, storage };
  } finally {
    await log.dispose();
    await test.dispose();
  }
}

const names = ['session_start', 'level_complete', 'purchase', 'ad_revenue', 'screen'] as const;
const countries = ['US', 'DE', 'BR', 'IN', 'JP', 'FR', 'GB', 'MX'] as const;
const models = ['Pixel 9', 'SM-S921B', 'iPhone16,2', 'Redmi Note 13', 'moto g84'] as const;

/** A hundred events of the last 24 hours by 200,000 people, with random ids, so that neither aggregates nor columns are too easy. */
function dayBatch(now: number): string {
  const any = <T>(values: readonly T[]): T => values[Math.floor(Math.random() * values.length)]!;
  const batch = Array.from({ length: 100 }, (_, index) => {
    const name = any(names);
    return {
      event_name: name,
      event_id: randomUUID(),
      anonymous_id: `7f1a9c04-52b3-4d1e-9a77-${String(Math.floor(Math.random() * 200_000)).padStart(12, '0')}`,
      occurred_at: now - Math.floor(Math.random() * 86_400_000),
      platform: 'android',
      os_version: any(['13', '14', '15']),
      app_version: any(['4.1.9', '4.2.0', '4.2.1']),
      device_model: any(models),
      country: any(countries),
      ...(name === 'purchase' ? { revenue_amount: (Math.random() * 20).toFixed(2), revenue_currency: 'USD' } : {}),
      properties: {
        level: Math.floor(Math.random() * 200),
        mode: 'ranked',
        coins: Math.floor(Math.random() * 5_000),
        place: index,
      },
    };
  });
  return JSON.stringify({ batch, sent_at: now });
}

/** Through the collector, so that blocks are of the sizes that it makes. */
async function fillLog(eventLog: EventLog, rows: number): Promise<void> {
  const collector = createCollector({
    eventLog,
    directory: benchDirectory(key),
    clock: systemClock,
    logger: createLogger('collector', 'error'),
    config: loadConfig({ TRIBUTARY_COLLECTOR_PORT: '0' }),
  });
  const { url } = await collector.listen();
  let left = rows;
  const sender = async () => {
    while (left > 0) {
      left -= 100;
      const response = await fetch(`${url}/v1/events`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}` },
        body: dayBatch(Date.now()),
      });
      await response.arrayBuffer();
      if (response.status !== 200) throw new Error(`The collector answered ${response.status}.`);
    }
  };
  await Promise.all(Array.from({ length: 24 }, sender));
  await collector.dispose();
}

async function consume(
  eventLog: EventLog,
  port: Awaited<ReturnType<typeof startTestWarehouse>>['warehouse'],
  warehouse: Ask,
  rows: number,
): Promise<Pick<Measured, 'perSecond' | 'cpuUs'>> {
  const consumer = createConsumer({
    eventLog,
    warehouse: port,
    liveBus: createMemoryLiveBus(),
    clock: systemClock,
    logger: createLogger('consumer', 'error'),
    config: loadConfig({}),
  });
  const stored = async () => Number(await warehouse('SELECT count() FROM events'));
  const until = async (wanted: number) => {
    const giveUpAt = performance.now() + 300_000;
    for (;;) {
      const count = await stored();
      if (count >= wanted) return { count, at: performance.now(), cpu: process.cpuUsage() };
      if (performance.now() > giveUpAt) throw new Error(`${count} of ${wanted} rows after 300 s`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  await consumer.start();
  const warm = await until(rows / 5);
  const end = await until(rows);
  await consumer.dispose();
  const timed = end.count - warm.count;
  const cpu = end.cpu.user + end.cpu.system - warm.cpu.user - warm.cpu.system;
  if (end.count !== rows) throw new Error(`${end.count} rows of ${rows} events`);
  return {
    perSecond: Math.round(timed / ((end.at - warm.at) / 1_000)),
    cpuUs: Number((cpu / timed).toFixed(2)),
  };
}

/** What one event takes on disk once its parts are merged, aggregates and indexes included. */
async function storageOf(warehouse: Ask, log: EventLog): Promise<Readonly<Record<string, Figure>>> {
  await warehouse('OPTIMIZE TABLE events FINAL');
  const parts = await warehouse(
    "SELECT sum(rows), sum(bytes_on_disk), sum(data_uncompressed_bytes), sum(data_compressed_bytes) FROM system.parts WHERE database = 'tributary' AND table = 'events' AND active",
  );
  const [rows, onDisk, uncompressed, compressed] = parts.split('\t').map(Number) as [number, number, number, number];
  const projections = Number(
    await warehouse(
      "SELECT sum(bytes_on_disk) FROM system.projection_parts WHERE database = 'tributary' AND table = 'events' AND active",
    ),
  );
  const ends = await log.ends();
  const logBytes = ends.reduce((sum, { bytes }) => sum + bytes, 0);
  const perEvent = onDisk / rows;
  return {
    bytesPerEvent: {
      value: Number(perEvent.toFixed(1)),
      unit: 'bytes on disk an event, aggregates and indexes included',
    },
    aggregateBytesPerEvent: {
      value: Number((projections / rows).toFixed(1)),
      unit: 'bytes of them in the projections',
    },
    compressionRatio: { value: share(uncompressed, compressed), unit: 'uncompressed over compressed columns' },
    logBytesPerEvent: { value: Number((logBytes / rows).toFixed(1)), unit: 'bytes an event in the log' },
    gbPer30DaysOf1BillionEvents: {
      value: Number((perEvent * 1).toFixed(1)),
      unit: 'GB of warehouse for 1 billion events in 30 days, extrapolated',
    },
  };
}
