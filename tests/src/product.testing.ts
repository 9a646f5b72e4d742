import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openRelational } from '@tributary/prisma/client';
import { migrateRelational } from '@tributary/prisma/migrate';
import { seedDemo } from '@tributary/prisma/seed-demo';
import { loadConfig } from '@tributary/schema';
import { Client } from 'pg';
import { freePorts, isReady, startFamily, startProgram, temporaryDir, until } from './family.testing.ts';

/** A running product in either form, with a demo tenant and without demo traffic. */
export interface Product {
  readonly gatewayUrl: string;
  readonly collectorUrl: string;
  readonly apiKey: string;
  readonly app: ProductApp;
  readonly otherApp: ProductApp;
  output(): string;
  dispose(): Promise<void>;
}

export interface ProductApp {
  readonly appId: string;
  readonly platform: 'ios' | 'android';
  readonly writeKey: string;
  readonly secretKey: string;
  readonly campaigns: readonly { readonly campaignId: string; readonly network: string; readonly slug: string }[];
}

const noTraffic = ['--demo', '--rate', '0', '--installs-per-day', '0'];

/** The product as `npm start` runs it, on embedded stores. */
export async function openEmbeddedProduct(): Promise<Product> {
  const folder = await temporaryDir();
  const [gateway, collector, warehouse] = (await freePorts(3)) as [number, number, number];
  const family = await startFamily({ dataDir: folder.dir, ports: { gateway, collector, warehouse }, args: noTraffic });
  const access = JSON.parse(await readFile(join(folder.dir, 'demo.json'), 'utf8')) as { apiKey: string };
  const world = JSON.parse(await readFile(join(folder.dir, 'demo-world.json'), 'utf8')) as { apps: ProductApp[] };
  return {
    gatewayUrl: family.gatewayUrl,
    collectorUrl: family.collectorUrl,
    apiKey: access.apiKey,
    app: world.apps.find((app) => app.platform === 'android')!,
    otherApp: world.apps.find((app) => app.platform === 'ios')!,
    output: family.output,
    async dispose() {
      await family.stop();
      await folder.dispose();
    },
  };
}

export interface Stores {
  readonly postgresUrl: string;
  readonly redisUrl: string;
  /** Absent = the embedded log. */
  readonly kafkaBrokers?: string;
  /** How many consumers share the partitions. Default 1. */
  readonly consumers?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** A product whose roles may be ended and started again one by one. */
export interface ProductOfRoles extends Product {
  readonly warehouseUrl: string;
  readonly pidOf: (role: string) => number | null;
  /** Signal 9; resolves when the role's process is gone. */
  killRole(role: string): Promise<void>;
  /** Starts a role that has ended. */
  startRole(role: string): void;
}

/** Every role a process of its own, on Postgres, Redis and, if given, Kafka; the warehouse is embedded beside them. */
export async function openProductOfRoles(stores: Stores): Promise<ProductOfRoles> {
  const folder = await temporaryDir();
  const database = await createDatabase(stores.postgresUrl);
  const names = [
    'gateway',
    'collector',
    'warehouse',
    'events',
    'campaigns',
    'attribution',
    'predictions',
    'web',
    'consumerOps',
    'attributionOps',
    'predictionsOps',
  ] as const;
  const consumers = stores.consumers ?? 1;
  const ports = Object.fromEntries(
    (await freePorts(names.length)).map((port, index) => [names[index], port]),
  ) as Record<(typeof names)[number], number>;
  const env: Record<string, string> = {
    TRIBUTARY_DATA_DIR: folder.dir,
    TRIBUTARY_POSTGRES_URL: database.url,
    TRIBUTARY_REDIS_URL: stores.redisUrl,
    TRIBUTARY_WAREHOUSE_URL: `http://127.0.0.1:${ports.warehouse}`,
    TRIBUTARY_PORT: String(ports.gateway),
    TRIBUTARY_COLLECTOR_PORT: String(ports.collector),
    TRIBUTARY_WAREHOUSE_PORT: String(ports.warehouse),
    TRIBUTARY_EVENTS_PORT: String(ports.events),
    TRIBUTARY_CAMPAIGNS_PORT: String(ports.campaigns),
    TRIBUTARY_ATTRIBUTION_PORT: String(ports.attribution),
    TRIBUTARY_PREDICTIONS_PORT: String(ports.predictions),
    TRIBUTARY_WEB_PORT: String(ports.web),
    TRIBUTARY_SIGNING_SECRET: 'a secret of the tests with more than 32 characters',
    ...(stores.kafkaBrokers === undefined
      ? {}
      : {
          TRIBUTARY_KAFKA_BROKERS: stores.kafkaBrokers,
          TRIBUTARY_KAFKA_REPLICATION: '1',
          // A topic of its own: a broker serves many tests.
          TRIBUTARY_KAFKA_TOPIC: `events-${database.name}`,
        }),
    ...stores.env,
  };
  const relational = await openRelational(loadConfig(env));
  await migrateRelational(relational);
  const seeded = await seedDemo(relational, {
    clock: { now: () => Date.now() },
    publicCollectorUrl: `http://127.0.0.1:${ports.collector}`,
  });
  await relational.dispose();

  const specs: [name: string, role: string, extra: Record<string, string>][] = [
    ['warehouse', 'warehouse', {}],
    ['collector', 'collector', {}],
    ['consumer', 'consumer', { TRIBUTARY_OPS_PORT: String(ports.consumerOps) }],
    ...Array.from({ length: consumers - 1 }, (_, index): [string, string, Record<string, string>] => [
      `consumer-${index + 2}`,
      'consumer',
      { TRIBUTARY_OPS_PORT: '0' },
    ]),
    ['attribution', 'attribution', { TRIBUTARY_OPS_PORT: String(ports.attributionOps) }],
    ['predictions', 'predictions', { TRIBUTARY_OPS_PORT: String(ports.predictionsOps) }],
    ...['events', 'campaigns', 'attribution', 'predictions'].map((name): [string, string, Record<string, string>] => [
      `subgraph:${name}`,
      `subgraph:${name}`,
      {},
    ]),
    ['gateway', 'gateway', {}],
    ['web', 'web', {}],
  ];
  const started = new Map<string, { child: ChildProcess; output: () => string; earlier: string }>();
  const startRole = (name: string) => {
    const [, role, extra] = specs.find((spec) => spec[0] === name)!;
    const before = started.get(name);
    started.set(name, {
      ...startProgram(['serve', '--role', role], { ...env, ...extra }),
      earlier: before ? before.earlier + before.output() : '',
    });
  };
  for (const [name] of specs) startRole(name);
  const output = () =>
    [...started]
      .map(([name, role]) => `--- ${name} (${role.child.exitCode ?? 'running'})\n${role.earlier}${role.output()}`)
      .join('\n');
  await until(async () => {
    const dead = [...started]
      .map(([name, { child }]) => ({ name, child }))
      .filter(({ child }) => child.exitCode !== null);
    if (dead.length > 0) throw new Error(`The family ended: ${dead.map((role) => role.name).join(', ')}\n${output()}`);
    return (await Promise.all(Object.values(ports).map((port) => isReady(`http://127.0.0.1:${port}`)))).every(Boolean);
  }, 150_000).catch((error: Error) => {
    throw new Error(`${error.message}\n${output()}`);
  });
  return {
    gatewayUrl: `http://127.0.0.1:${ports.gateway}`,
    collectorUrl: `http://127.0.0.1:${ports.collector}`,
    apiKey: seeded.apiKey,
    app: seeded.apps.find((app) => app.platform === 'android')!,
    otherApp: seeded.apps.find((app) => app.platform === 'ios')!,
    warehouseUrl: `http://127.0.0.1:${ports.warehouse}`,
    output,
    pidOf: (name) => started.get(name)?.child.pid ?? null,
    async killRole(name) {
      const child = started.get(name)?.child;
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    },
    startRole,
    async dispose() {
      // The warehouse last: the others drain into it.
      for (const role of [...started.values()].reverse()) await endProgram(role.child);
      await database.drop();
      await folder.dispose();
    },
  };
}

function endProgram(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill('SIGTERM');
  });
}

/** A database of its own on the given server. */
export async function createDatabase(
  serverUrl: string,
): Promise<{ readonly name: string; readonly url: string; drop(): Promise<void> }> {
  const name = `tributary_test_${process.pid}_${Date.now().toString(36)}`;
  const run = async (sql: string) => {
    const client = new Client({ connectionString: serverUrl });
    await client.connect();
    await client.query(sql).finally(() => client.end());
  };
  await run(`CREATE DATABASE ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return { name, url: url.href, drop: () => run(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
}
