import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryDir, until } from './family.testing.ts';
import { type Entry, type Sender, startSender } from './ledger.testing.ts';
import { openProductOfRoles, type ProductOfRoles } from './product.testing.ts';
import { startKafka, startPostgres, startRedis, type TestServer } from './servers.testing.ts';

export interface ServerChaosOptions {
  /** How long faults are injected. */
  readonly minutes: number;
  readonly kafkaLibs: string;
  readonly postgresBin: string;
  readonly eventsPerSecond: number;
  /** The consumers' session timeout at the broker; a pause lasts twice as long. */
  readonly sessionTimeoutMs: number;
  readonly print: (line: string) => void;
}

export interface ServerChaosResult {
  readonly acknowledged: number;
  readonly rows: number;
  readonly distinct: number;
  readonly missing: number;
  /** Sent again unchanged on purpose. */
  readonly duplicatesSent: number;
  readonly conflictsSent: number;
  /** Ids with a conflict among the dead letters. */
  readonly conflictsKept: number;
  readonly resent: number;
  /** Hundredths, of the sender and of the warehouse's aggregate. */
  readonly ledgerCents: number;
  readonly aggregatedCents: number;
  readonly aggregatedEvents: number;
  /** (minute, name) whose count or sum in the aggregate is not the ledger's. */
  readonly unequalMinutes: number;
  readonly faults: Readonly<Record<string, number>>;
}

interface Fault {
  readonly name: string;
  inject(): Promise<void>;
}

/**
 * The product by roles on Kafka, Redis and Postgres under load, while its consumers and every store are killed with signal 9 or paused
 * for twice the session timeout, one after another in random order, each at least once. Two consumers share the partitions and
 * join and leave as they are killed. At the end the warehouse must equal the sender's ledger.
 */
export async function runServerChaos(options: ServerChaosOptions): Promise<ServerChaosResult> {
  const folder = await temporaryDir();
  const stores: TestServer[] = [];
  let product: ProductOfRoles | null = null;
  let sender: Sender | null = null;
  try {
    const redis = await startRedis(`${folder.dir}/redis`);
    stores.push(redis);
    const postgres = await startPostgres(`${folder.dir}/postgres`, options.postgresBin);
    stores.push(postgres);
    const kafka = await startKafka(`${folder.dir}/kafka`, options.kafkaLibs);
    stores.push(kafka);
    product = await openProductOfRoles({
      postgresUrl: postgres.url,
      redisUrl: redis.url,
      kafkaBrokers: kafka.url,
      consumers: 2,
      env: { TRIBUTARY_KAFKA_SESSION_TIMEOUT_MS: String(options.sessionTimeoutMs) },
    });
    sender = startSender(product.collectorUrl, product.app, options.eventsPerSecond);
    const faults = await injectFaults(options, product, sender, { redis, postgres, kafka });
    await acknowledgedMore(sender, 300);
    await sender.stop();
    return await judge(product, sender, faults, options.print);
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${product?.output() ?? ''}`, { cause: error });
  } finally {
    await sender?.stop();
    await product?.dispose();
    for (const store of stores.reverse()) await store.dispose();
    await folder.dispose();
  }
}

function faultsOf(
  product: ProductOfRoles,
  stores: Readonly<Record<'redis' | 'postgres' | 'kafka', TestServer>>,
  pauseMs: number,
): readonly Fault[] {
  const pauseRole = async (name: string) => {
    const pid = product.pidOf(name)!;
    process.kill(pid, 'SIGSTOP');
    await sleep(pauseMs);
    process.kill(pid, 'SIGCONT');
  };
  const killRole = (name: string, awayMs = 0) => ({
    name: `kill ${name}`,
    inject: async () => {
      await product.killRole(name);
      await sleep(awayMs);
      product.startRole(name);
    },
  });
  return [
    killRole('consumer'),
    killRole('consumer-2', 8_000),
    killRole('warehouse', 1_000),
    killRole('collector'),
    { name: 'pause consumer', inject: () => pauseRole('consumer') },
    { name: 'pause warehouse', inject: () => pauseRole('warehouse') },
    ...Object.entries(stores).flatMap(([name, store]) => [
      {
        name: `kill ${name}`,
        inject: async () => {
          await store.kill();
          await sleep(1_000);
          await store.start();
        },
      },
      {
        name: `pause ${name}`,
        inject: async () => {
          store.pause();
          await sleep(pauseMs);
          store.resume();
        },
      },
    ]),
  ];
}

async function injectFaults(
  options: ServerChaosOptions,
  product: ProductOfRoles,
  sender: Sender,
  stores: Readonly<Record<'redis' | 'postgres' | 'kafka', TestServer>>,
): Promise<Record<string, number>> {
  const faults = faultsOf(product, stores, 2 * options.sessionTimeoutMs);
  const counts: Record<string, number> = Object.fromEntries(faults.map(({ name }) => [name, 0]));
  const endAt = Date.now() + options.minutes * 60_000;
  let round: Fault[] = [];
  while (Date.now() < endAt || Object.values(counts).includes(0)) {
    if (round.length === 0) round = [...faults].sort(() => Math.random() - 0.5);
    const fault = round.pop()!;
    // Between two faults the product takes events again, so that each strikes under load.
    await acknowledgedMore(sender, 300 + Math.floor(Math.random() * options.eventsPerSecond * 3));
    await fault.inject();
    counts[fault.name] = (counts[fault.name] ?? 0) + 1;
    options.print(
      `${fault.name}: ${sender.ledger.size} acknowledged, ${Math.round((endAt - Date.now()) / 1_000)} s to go`,
    );
  }
  return counts;
}

async function acknowledgedMore(sender: Sender, count: number): Promise<void> {
  const wanted = sender.ledger.size + count;
  await until(async () => sender.ledger.size >= wanted, 180_000);
}

async function judge(
  product: ProductOfRoles,
  sender: Sender,
  faults: Readonly<Record<string, number>>,
  print: (line: string) => void,
): Promise<ServerChaosResult> {
  const appId = product.app.appId;
  const ask = async <T>(sql: string): Promise<T[]> => {
    const response = await fetch(
      `${product.warehouseUrl}/?database=tributary&default_format=JSONEachRow&param_app=${appId}`,
      { method: 'POST', body: sql },
    );
    const text = await response.text();
    if (!response.ok) throw new Error(text);
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as T);
  };
  const count = async (sql: string) => Number((await ask<{ n: string }>(sql))[0]!.n);
  await settled(() => count('SELECT count() AS n FROM events WHERE app_id = {app:String}'), sender.ledger.size, print);
  await settled(() => count(conflictSql), sender.conflicts.size, print);
  const ids = await ask<{ event_id: string }>('SELECT event_id FROM events WHERE app_id = {app:String}');
  const stored = new Set(ids.map((row) => row.event_id));
  const aggregated = await ask<{ minute: string; name: string; n: string; cents: string }>(
    `SELECT toUnixTimestamp(toStartOfMinute(occurred_at)) * 1000 AS minute, event_name AS name, toString(count()) AS n,
       toString(toInt64(sum(revenue_amount) * 100)) AS cents
     FROM events WHERE app_id = {app:String} GROUP BY toStartOfMinute(occurred_at), event_name
     SETTINGS force_optimize_projection = 1`,
  );
  const wanted = sumsOf(sender.ledger);
  const found = new Map(aggregated.map((row) => [`${row.minute} ${row.name}`, `${row.n} ${row.cents}`]));
  const sumOf = (values: Iterable<number>) => [...values].reduce((sum, value) => sum + value, 0);
  return {
    acknowledged: sender.ledger.size,
    rows: ids.length,
    distinct: stored.size,
    missing: [...sender.ledger.keys()].filter((id) => !stored.has(id)).length,
    duplicatesSent: sender.duplicates(),
    conflictsSent: sender.conflicts.size,
    conflictsKept: await count(conflictSql),
    resent: sender.resent(),
    ledgerCents: sumOf([...sender.ledger.values()].map(({ cents }) => cents)),
    aggregatedCents: sumOf(aggregated.map((row) => Number(row.cents))),
    aggregatedEvents: sumOf(aggregated.map((row) => Number(row.n))),
    unequalMinutes:
      [...wanted].filter(([key, value]) => found.get(key) !== value).length +
      [...found.keys()].filter((key) => !wanted.has(key)).length,
    faults,
  };
}

const conflictSql = `SELECT uniqExact(event_id) AS n FROM dead_letters WHERE app_id = {app:String} AND code = 'DEDUPE_CONFLICT'`;

/** `minute name` → `count cents` of the ledger. */
function sumsOf(ledger: ReadonlyMap<string, Entry>): Map<string, string> {
  const sums = new Map<string, { n: number; cents: number }>();
  for (const { minute, name, cents } of ledger.values()) {
    const key = `${minute} ${name}`;
    const sum = sums.get(key) ?? { n: 0, cents: 0 };
    sums.set(key, { n: sum.n + 1, cents: sum.cents + cents });
  }
  return new Map([...sums].map(([key, { n, cents }]) => [key, `${n} ${cents}`]));
}

/** Waits while the count grows, and a little longer: what came too often would come now. */
async function settled(count: () => Promise<number>, wanted: number, print: (line: string) => void): Promise<void> {
  let best = -1;
  let bestAt = Date.now();
  await until(
    async () => {
      const now = await count().catch(() => best);
      if (now !== best) [best, bestAt] = [now, Date.now()];
      const still = Date.now() - bestAt;
      return now >= wanted ? still > 3_000 : still > 60_000;
    },
    20 * 60_000,
    500,
  );
  if (best !== wanted) print(`settled at ${best}, not ${wanted}`);
}
