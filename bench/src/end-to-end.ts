import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLmdbEventLog } from '@tributary/platform/event-log/lmdb';
import { type Ask, askWarehouse, bareInsertRate, loggedBatches } from './bare-insert.ts';
import { freePorts, startProduct } from './product-process.ts';
import type { BenchOptions, BenchResult } from './result.ts';

/**
 * From the HTTP request to the queryable row, on one machine: the whole family as `npm start` runs it, a generator beside it.
 *
 * - eventsPerSecond: events of batches of 100 that were acknowledged and queryable, over the time from the first request to
 *   the last row.
 * - freshness: from sending one marked event to its being counted by the warehouse, sampled all along the load. As fast as the
 *   collector takes them (freshnessP50Ms, freshnessP99Ms) events may come faster than they can be stored; then what waits
 *   grows as long as the load lasts. Apart from it: at the rate that is required, held for the same time (atRequiredRate…);
 *   there the generator waits for the clock, not for answers, as long as a connection is free.
 * - ceiling: the same engine taking the same bytes by its own HTTP insert into a table of the same columns and order key
 *   without projections and indexes, one writer, in the same run. No log and no deduplication in the way.
 */
export async function benchEndToEnd(options: BenchOptions): Promise<BenchResult> {
  const seconds = options.quick ? 15 : 60;
  const dir = await mkdtemp(join(tmpdir(), 'tributary-bench-'));
  const ports = await freePorts(3);
  const product = await startProduct(dir, ports);
  try {
    const { appId, writeKey } = JSON.parse(await readFile(join(dir, 'demo.json'), 'utf8')) as {
      appId: string;
      writeKey: string;
    };
    const warehouse = askWarehouse(`http://127.0.0.1:${ports[2]}`);
    const idle = await familyMemory(product.child.pid!);
    options.log(`family at rest: ${idle.rssMb} MB; load for ${seconds} s`);
    const given = {
      collectorPort: ports[1]!,
      writeKey,
      appId,
      seconds,
      warehouse,
      pid: product.child.pid!,
      log: options.log,
    };
    const load = await applyLoad(given);
    options.log(`load of ${requiredPerSecond} events/s for ${seconds} s`);
    const paced = await applyLoad({ ...given, ratePerSecond: requiredPerSecond });
    options.log('ceiling: bare inserts of the same rows');
    const log = await openLmdbEventLog({ dir: join(dir, 'log'), partitions: 4 });
    const batches = await loggedBatches(log, options.quick ? 400_000 : 1_000_000);
    await log.dispose();
    const ceiling = await bareInsertRate(warehouse, batches);
    const eventsPerSecond = Math.round(load.rows / load.seconds);
    return {
      name: 'end-to-end',
      figures: {
        eventsPerSecond: { value: eventsPerSecond, unit: 'events/s' },
        acknowledgedPerSecond: { value: Math.round(load.sent / load.sendingSeconds), unit: 'events/s' },
        freshnessP50Ms: { value: load.freshness(0.5), unit: 'ms' },
        freshnessP99Ms: { value: load.freshness(0.99), unit: 'ms' },
        freshnessSamples: { value: load.samples, unit: 'samples' },
        atRequiredRatePerSecond: {
          value: Math.round(paced.rows / paced.seconds),
          unit: `events/s acknowledged and queryable, of ${requiredPerSecond} offered`,
        },
        atRequiredRateFreshnessP50Ms: { value: paced.freshness(0.5), unit: 'ms' },
        atRequiredRateFreshnessP99Ms: { value: paced.freshness(0.99), unit: 'ms' },
        rssMb: {
          value: Math.max(load.peak.rssMb, paced.peak.rssMb),
          unit: 'MB, whole family, highest; the mapped log counts in two processes',
        },
        ownMb: {
          value: Math.max(load.peak.ownMb, paced.peak.ownMb),
          unit: 'MB, whole family, highest, without mapped files',
        },
        idleRssMb: { value: idle.rssMb, unit: 'MB, whole family' },
        idleOwnMb: { value: idle.ownMb, unit: 'MB, whole family, without mapped files' },
        lost: { value: load.sent - load.distinct + paced.sent - paced.distinct, unit: 'events' },
        duplicated: { value: load.rows - load.distinct + paced.rows - paced.distinct, unit: 'events' },
      },
      against: {
        bareInsert: {
          value: ceiling,
          unit: 'rows/s, same bytes and engine, no projections, indexes, log or deduplication',
        },
      },
      ratios: { bareInsert: Number((eventsPerSecond / ceiling).toFixed(3)) },
    };
  } finally {
    await product.stop();
    await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

interface LoadOptions {
  readonly collectorPort: number;
  readonly writeKey: string;
  readonly appId: string;
  readonly seconds: number;
  readonly warehouse: Ask;
  readonly pid: number;
  readonly log: (line: string) => void;
  /** Events; absent = as fast as answers come. */
  readonly ratePerSecond?: number;
}

/** Required of two cores. */
const requiredPerSecond = 50_000;
const connections = 8;
const batchSize = 100;

async function applyLoad(options: LoadOptions) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections + 2 });
  const startedAt = performance.now();
  const endAt = startedAt + options.seconds * 1_000;
  const sinceMs = Date.now();
  let sent = 0;
  let due = startedAt;
  let peak: Memory = { rssMb: 0, ownMb: 0 };
  const freshness: number[] = [];
  const worker = async () => {
    while (performance.now() < endAt) {
      if (options.ratePerSecond !== undefined) {
        const waitMs = due - performance.now();
        due += (batchSize * 1_000) / options.ratePerSecond;
        if (waitMs > 0) await pause(waitMs);
      }
      const status = await post(agent, options, makeBatch());
      if (status === 200) sent += batchSize;
      else if (status === 429 || status === 503) await pause(50);
      else throw new Error(`The collector answered ${status}.`);
    }
  };
  const watcher = async () => {
    while (performance.now() < endAt) {
      const now = await familyMemory(options.pid);
      peak = { rssMb: Math.max(peak.rssMb, now.rssMb), ownMb: Math.max(peak.ownMb, now.ownMb) };
      await pause(1_000);
    }
  };
  const prober = async () => {
    while (performance.now() < endAt) {
      freshness.push(await probe(agent, options));
      sent += 1;
      await pause(100);
    }
  };
  await Promise.all([...Array.from({ length: connections }, worker), watcher(), prober()]);
  const sendingSeconds = (performance.now() - startedAt) / 1_000;
  let rows = 0;
  const giveUpAt = performance.now() + 120_000;
  while (rows < sent && performance.now() < giveUpAt) {
    rows = await countEvents(options, 'count()', sinceMs);
    if (rows < sent) await pause(50);
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  const distinct = await countEvents(options, 'uniqExact(event_id)', sinceMs);
  agent.destroy();
  options.log(`${sent} events sent in ${sendingSeconds.toFixed(1)} s, all queryable after ${seconds.toFixed(1)} s`);
  freshness.sort((a, b) => a - b);
  return {
    sent,
    rows,
    distinct,
    seconds,
    sendingSeconds,
    peak,
    samples: freshness.length,
    freshness: (share: number) =>
      Math.round(freshness[Math.min(freshness.length - 1, Math.floor(freshness.length * share))] ?? Number.NaN),
  };
}

/** Of the app's events received since then. */
async function countEvents(
  { warehouse, appId }: LoadOptions,
  count: 'count()' | 'uniqExact(event_id)',
  sinceMs: number,
): Promise<number> {
  const since = `received_at >= fromUnixTimestamp64Milli(${sinceMs})`;
  return Number(await warehouse(`SELECT ${count} FROM events WHERE app_id = '${appId}' AND ${since}`));
}

async function probe(agent: Agent, options: LoadOptions): Promise<number> {
  const eventId = `probe-${randomUUID()}`;
  const sentAt = performance.now();
  await post(
    agent,
    options,
    JSON.stringify({
      event_name: 'freshness_probe',
      event_id: eventId,
      anonymous_id: 'probe',
      occurred_at: Date.now(),
    }),
  );
  for (;;) {
    const found = await options.warehouse(
      `SELECT count() FROM events WHERE app_id = '${options.appId}' AND event_name = 'freshness_probe' AND event_id = '${eventId}'`,
    );
    if (found !== '0') return performance.now() - sentAt;
    const waitedMs = performance.now() - sentAt;
    if (waitedMs > 60_000) throw new Error('An event was not queryable within 60 s.');
    // Asked more seldom the longer it takes: the questions must not be a load of their own. At most 5 % is added.
    await pause(Math.max(10, waitedMs / 20));
  }
}

const names = ['session_start', 'level_complete', 'purchase', 'ad_revenue', 'screen'];

/** Put together as text: the generator has to share the two cores with what it measures. */
function makeBatch(): string {
  const now = Date.now();
  let batch = '';
  for (let index = 0; index < batchSize; index += 1) {
    const name = names[index % names.length]!;
    const person = `person-${Math.floor(Math.random() * 200_000)}`;
    const occurredAt = now - Math.floor(Math.random() * 60_000);
    const money = name === 'purchase' ? ',"revenue_amount":"4.99","revenue_currency":"USD"' : '';
    batch +=
      `${index === 0 ? '' : ','}{"event_name":"${name}","event_id":"${randomUUID()}","anonymous_id":"${person}","occurred_at":${occurredAt}` +
      `,"platform":"android","os_version":"15","app_version":"4.2.0","country":"${index % 3 === 0 ? 'US' : 'DE'}","device_model":"Pixel 9"${money}` +
      `,"properties":{"level":${index},"mode":"ranked"}}`;
  }
  return `{"batch":[${batch}],"sent_at":${now}}`;
}

function post(agent: Agent, options: { collectorPort: number; writeKey: string }, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        agent,
        host: '127.0.0.1',
        port: options.collectorPort,
        method: 'POST',
        path: '/v1/events',
        headers: {
          authorization: `Bearer ${options.writeKey}`,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        },
      },
      (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode ?? 0));
        response.on('error', reject);
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

interface Memory {
  /** All resident pages; those of the event log's file, mapped by collector and consumer, count in both. */
  readonly rssMb: number;
  /** Pages that are the process's own. */
  readonly ownMb: number;
}

/** Memory of a process and all its descendants, in MB, from /proc (Linux). */
async function familyMemory(pid: number): Promise<Memory> {
  const [status, tasks] = await Promise.all([
    readFile(`/proc/${pid}/status`, 'utf8').catch(() => ''),
    readdir(`/proc/${pid}/task`).catch(() => []),
  ]);
  const mb = (field: string) => Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1_024;
  const lists = await Promise.all(
    tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8').catch(() => '')),
  );
  const below = await Promise.all(
    lists
      .join(' ')
      .split(' ')
      .filter(Boolean)
      .map((child) => familyMemory(Number(child))),
  );
  return {
    rssMb: Math.round(below.reduce((sum, one) => sum + one.rssMb, mb('VmRSS'))),
    ownMb: Math.round(below.reduce((sum, one) => sum + one.ownMb, mb('RssAnon'))),
  };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
