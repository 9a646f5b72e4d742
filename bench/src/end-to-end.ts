import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLmdbEventLog } from '@tributary/platform/event-log/lmdb';
import { type Ask, askWarehouse, bareInsertRate, loggedBatches } from './bare-insert.ts';
import { applyEndToEndLoad, type EndToEndLoad, type EndToEndLoadOptions, percentile } from './end-to-end-load.ts';
import { familyUsage, memoryOf } from './family-usage.ts';
import { freePorts, startProduct } from './product-process.ts';
import type { BenchOptions, BenchResult } from './result.ts';

/** Required of two cores. */
const requiredPerSecond = 50_000;

/**
 * From the HTTP request to the queryable row, on one machine: the whole family as `npm start` runs it, a generator beside
 * it. Two loads of the same time, each on a family that was just started on a folder of its own:
 *
 * - saturated: as fast as the collector answers. Throughput comes from it: events of batches of 100 that were acknowledged
 *   and queryable, over the time from the first request to the last row. Where events come faster than they can be stored,
 *   what waits grows as long as the load lasts, and so does its freshness.
 * - offered: the rate that is required, by the clock. Freshness comes from it: from when one of the marked events is due,
 *   four a second, until a question finds it.
 *
 * Ceiling: the same engine taking the same bytes by its own HTTP insert into a table of the same columns and order key
 * without projections and indexes, one writer, after the first load. No log and no deduplication in the way.
 */
export async function benchEndToEnd(options: BenchOptions): Promise<BenchResult> {
  const seconds = options.quick ? 15 : 60;
  options.log(`load for ${seconds} s, as fast as it is taken`);
  const saturated = await onFreshFamily(options, async ({ dir, idle, ...given }) => {
    const load = await applyEndToEndLoad({ ...given, seconds });
    options.log('ceiling: bare inserts of the same rows');
    return { ...load, idle, ceiling: await measureCeiling(dir, given.warehouse, options.quick ? 400_000 : 1_000_000) };
  });
  options.log(`load for ${seconds} s, ${requiredPerSecond} events/s offered`);
  const offered = await onFreshFamily(options, (given) =>
    applyEndToEndLoad({ ...given, seconds, ratePerSecond: requiredPerSecond }),
  );
  const eventsPerSecond = rateOf(saturated);
  const both = [saturated, offered];
  const ms = (value: number, when: string) => ({ value, unit: `ms, ${when}` });
  return {
    name: 'end-to-end',
    figures: {
      eventsPerSecond: { value: eventsPerSecond, unit: 'events/s acknowledged and queryable, saturated' },
      acknowledgedPerSecond: {
        value: Math.round(saturated.sent / saturated.sendingSeconds),
        unit: 'events/s while sending, saturated',
      },
      freshnessP50Ms: ms(percentile(offered.freshness, 0.5), offeredName),
      freshnessP99Ms: ms(percentile(offered.freshness, 0.99), offeredName),
      freshnessSamples: { value: offered.freshness.length, unit: `samples, ${offeredName}` },
      offeredEventsPerSecond: { value: rateOf(offered), unit: `events/s acknowledged and queryable, ${offeredName}` },
      offeredAcknowledgedPerSecond: {
        value: Math.round(offered.sent / offered.sendingSeconds),
        unit: `events/s while sending, ${offeredName}`,
      },
      saturatedFreshnessP50Ms: ms(percentile(saturated.freshness, 0.5), 'saturated'),
      saturatedFreshnessP99Ms: ms(percentile(saturated.freshness, 0.99), 'saturated'),
      rssMb: {
        value: Math.max(...both.map(({ peak }) => peak.rssMb)),
        unit: 'MB, whole family, highest of both loads, shared pages once, without the mapped log',
      },
      ownMb: {
        value: Math.max(...both.map(({ peak }) => peak.ownMb)),
        unit: 'MB, whole family, highest of both loads, without mapped files',
      },
      mappedLogMb: {
        value: Math.max(...both.map(({ peak }) => peak.logMb)),
        unit: 'MB of the event log in the page cache, highest of both loads',
      },
      saturatedOwnMb: { value: saturated.peak.ownMb, unit: 'MB, saturated' },
      offeredOwnMb: { value: offered.peak.ownMb, unit: `MB, ${offeredName}` },
      idleRssMb: { value: saturated.idle.rssMb, unit: 'MB, whole family at rest' },
      idleOwnMb: { value: saturated.idle.ownMb, unit: 'MB, whole family at rest, without mapped files' },
      lost: { value: sumOf(both, ({ sent, distinct }) => sent - distinct), unit: 'events of both loads' },
      duplicated: { value: sumOf(both, ({ rows, distinct }) => rows - distinct), unit: 'events of both loads' },
    },
    against: {
      bareInsert: {
        value: saturated.ceiling,
        unit: 'rows/s, same bytes and engine, no projections, indexes, log or deduplication',
      },
    },
    ratios: { bareInsert: Number((eventsPerSecond / saturated.ceiling).toFixed(3)) },
  };
}

const offeredName = `${requiredPerSecond} events/s offered`;

const rateOf = ({ rows, seconds }: EndToEndLoad): number => Math.round(rows / seconds);

const sumOf = (loads: readonly EndToEndLoad[], of: (load: EndToEndLoad) => number): number =>
  loads.reduce((sum, load) => sum + of(load), 0);

type Given = Omit<EndToEndLoadOptions, 'seconds' | 'ratePerSecond'> & {
  readonly dir: string;
  readonly idle: ReturnType<typeof memoryOf>;
};

async function onFreshFamily<T>({ log }: BenchOptions, run: (given: Given) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), 'tributary-bench-'));
  const ports = await freePorts(3);
  const product = await startProduct(dir, ports);
  try {
    const demo = JSON.parse(await readFile(join(dir, 'demo.json'), 'utf8')) as { appId: string; writeKey: string };
    const pid = product.child.pid!;
    const idle = memoryOf(await familyUsage(pid));
    log(`family at rest: ${idle.rssMb} MB`);
    return await run({
      collectorPort: ports[1]!,
      writeKey: demo.writeKey,
      appId: demo.appId,
      warehouse: askWarehouse(`http://127.0.0.1:${ports[2]}`),
      pid,
      log,
      dir,
      idle,
    });
  } finally {
    await product.stop();
    await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

async function measureCeiling(dir: string, warehouse: Ask, rows: number): Promise<number> {
  const log = await openLmdbEventLog({ dir: join(dir, 'log'), partitions: 4 });
  try {
    return await bareInsertRate(warehouse, await loggedBatches(log, rows));
  } finally {
    await log.dispose();
  }
}
