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

/** Every role a process of its own, on Postgres and Redis; warehouse and event log embedded beside them. */
export async function openProductOfRoles(stores: {
  readonly postgresUrl: string;
  readonly redisUrl: string;
}): Promise<Product> {
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
  };
  const relational = await openRelational(loadConfig(env));
  await migrateRelational(relational);
  const seeded = await seedDemo(relational, {
    clock: { now: () => Date.now() },
    publicCollectorUrl: `http://127.0.0.1:${ports.collector}`,
  });
  await relational.dispose();

  const started: { name: string; child: ChildProcess; output: () => string }[] = [];
  const start = (role: string, extra: Record<string, string> = {}) =>
    started.push({ name: role, ...startProgram(['serve', '--role', role], { ...env, ...extra }) });
  start('warehouse');
  start('collector');
  start('consumer', { TRIBUTARY_OPS_PORT: String(ports.consumerOps) });
  start('attribution', { TRIBUTARY_OPS_PORT: String(ports.attributionOps) });
  start('predictions', { TRIBUTARY_OPS_PORT: String(ports.predictionsOps) });
  for (const name of ['events', 'campaigns', 'attribution', 'predictions']) start(`subgraph:${name}`);
  start('gateway');
  start('web');
  const output = () =>
    started.map((role) => `--- ${role.name} (${role.child.exitCode ?? 'running'})\n${role.output()}`).join('\n');
  await until(async () => {
    const dead = started.filter((role) => role.child.exitCode !== null);
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
    output,
    async dispose() {
      // The warehouse last: the others drain into it.
      for (const role of [...started].reverse()) await endProgram(role.child);
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
export async function createDatabase(serverUrl: string): Promise<{ readonly url: string; drop(): Promise<void> }> {
  const name = `tributary_test_${process.pid}_${Date.now().toString(36)}`;
  const run = async (sql: string) => {
    const client = new Client({ connectionString: serverUrl });
    await client.connect();
    await client.query(sql).finally(() => client.end());
  };
  await run(`CREATE DATABASE ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => run(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
}
