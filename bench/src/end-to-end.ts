import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openLmdbEventLog } from '@tributary/platform/event-log/lmdb';
import { type Ask, askWarehouse, bareInsertRate, loggedBatches } from './bare-insert.ts';
import type { BenchOptions, BenchResult } from './result.ts';

/**
 * From the HTTP request to the queryable row, on one machine: the whole family as `npm start` runs it, a generator beside it.
 *
 * - eventsPerSecond: events of batches of 100 that were acknowledged and queryable, over the time from the first request to
 *   the last row.
 * - freshness: from sending one marked event to its being counted by the warehouse, sampled all along the load.
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
    const load = await applyLoad({
      collectorPort: ports[1]!,
      writeKey,
      appId,
      seconds,
      warehouse,
      pid: product.child.pid!,
      log: options.log,
    });
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
        rssMb: { value: load.peak.rssMb, unit: 'MB, whole family, highest; the mapped log counts in two processes' },
        ownMb: { value: load.peak.ownMb, unit: 'MB, whole family, highest, without mapped files' },
        idleRssMb: { value: idle.rssMb, unit: 'MB, whole family' },
        idleOwnMb: { value: idle.ownMb, unit: 'MB, whole family, without mapped files' },
        lost: { value: load.sent - load.distinct, unit: 'events' },
        duplicated: { value: load.rows - load.distinct, unit: 'events' },
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

async function startProduct(
  dir: string,
  ports: readonly number[],
): Promise<{ child: ChildProcess; stop(): Promise<void> }> {
  const main = fileURLToPath(new URL('../../cli/src/main.ts', import.meta.url));
  const args = [
    'serve',
    '--role',
    'all',
    '--demo',
    '--rate',
    '0',
    '--installs-per-day',
    '0',
    '--data-dir',
    dir,
    '--port',
    String(ports[0]),
    '--collector-port',
    String(ports[1]),
    '--warehouse-port',
    String(ports[2]),
  ];
  const child = spawn(process.execPath, [main, ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, TRIBUTARY_LOG_LEVEL: 'error' },
  });
  const giveUpAt = Date.now() + 150_000;
  for (;;) {
    const ready = await Promise.all(
      [ports[0], ports[1]].map((port) =>
        fetch(`http://127.0.0.1:${port}/ready`).then(
          (response) => response.status === 200,
          () => false,
        ),
      ),
    );
    if (ready.every(Boolean)) break;
    if (child.exitCode !== null || Date.now() > giveUpAt) throw new Error('The product did not become ready.');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return {
    child,
    stop: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null) return resolve();
        child.once('exit', () => resolve());
        child.kill('SIGTERM');
      }),
  };
}

interface LoadOptions {
  readonly collectorPort: number;
  readonly writeKey: string;
  readonly appId: string;
  readonly seconds: number;
  readonly warehouse: Ask;
  readonly pid: number;
  readonly log: (line: string) => void;
}

const connections = 8;
const batchSize = 100;

async function applyLoad(options: LoadOptions) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections + 2 });
  const startedAt = performance.now();
  const endAt = startedAt + options.seconds * 1_000;
  let sent = 0;
  let peak: Memory = { rssMb: 0, ownMb: 0 };
  const freshness: number[] = [];
  const worker = async () => {
    while (performance.now() < endAt) {
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
    rows = Number(await options.warehouse(`SELECT count() FROM events WHERE app_id = '${options.appId}'`));
    if (rows < sent) await pause(50);
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  const distinct = Number(
    await options.warehouse(`SELECT uniqExact(event_id) FROM events WHERE app_id = '${options.appId}'`),
  );
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
    if (performance.now() - sentAt > 60_000) throw new Error('An event was not queryable within 60 s.');
    await pause(10);
  }
}

const names = ['session_start', 'level_complete', 'purchase', 'ad_revenue', 'screen'];

function makeBatch(): string {
  const now = Date.now();
  const batch: object[] = [];
  for (let index = 0; index < batchSize; index += 1) {
    const name = names[index % names.length]!;
    batch.push({
      event_name: name,
      event_id: randomUUID(),
      anonymous_id: `person-${Math.floor(Math.random() * 200_000)}`,
      occurred_at: now - Math.floor(Math.random() * 60_000),
      platform: 'android',
      os_version: '15',
      app_version: '4.2.0',
      country: index % 3 === 0 ? 'US' : 'DE',
      device_model: 'Pixel 9',
      ...(name === 'purchase' ? { revenue_amount: '4.99', revenue_currency: 'USD' } : {}),
      properties: { level: index, mode: 'ranked' },
    });
  }
  return JSON.stringify({ batch, sent_at: now });
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

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve) => {
          const server = createServer().listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  return servers.map((server) => {
    const address = server.address();
    server.close();
    return typeof address === 'object' && address ? address.port : 0;
  });
}
