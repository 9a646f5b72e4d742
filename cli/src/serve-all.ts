import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { bridgeChildLiveBus } from '@tributary/platform/open';
import { chdbProcessEnv } from '@tributary/platform/warehouse/chdb-process';
import { type Caller, type Config, subgraphNames } from '@tributary/schema';
import { ensureConsole } from './console-build.ts';
import { type DemoAccess, prepareDemo } from './demo.ts';
import { ownUrl } from './own-url.ts';
import { createPorts, type Ports } from './ports.ts';
import { createReadiness, type Readiness } from './readiness.ts';
import { untilStopped } from './role.ts';
import { buildGateway, localClients } from './roles/gateway.ts';
import { buildSubgraph, startRelationalDuties } from './roles/subgraphs.ts';
import { createSupervisor, type Supervisor } from './supervisor.ts';

export interface ServeAllOptions {
  readonly config: Config;
  /** Variables laid over the environment of every child: what the command line said. */
  readonly overlay: Readonly<Record<string, string>>;
  readonly demo: false | { readonly rate: number; readonly installsPerDay: number };
  readonly print: (line: string) => void;
}

/** Heaps of the children in MB, so that the family stays within about 2 GB on a laptop. */
const heapMb = { warehouse: 192, collector: 256, consumer: 320, workers: 320, simulator: 160 } as const;

const entry = fileURLToPath(new URL('./main.ts', import.meta.url));

/**
 * The whole product as one process family: warehouse, collector, consumer and workers as supervised children; gateway,
 * subgraphs, relational store and the console's files in this process. Runs until a signal.
 */
export async function serveAll(options: ServeAllOptions): Promise<void> {
  const stopped = untilStopped();
  const ports = createPorts(options.config, 'main');
  try {
    await ports.ownDataDir();
    const started = startFamily(ports, options);
    // A signal during the start stops it too; what was started is released below.
    const reason = await Promise.race([stopped, started.then(() => stopped)]);
    ports.logger.info({ reason }, 'stopping');
    options.print('Stopping: draining what is under way.');
  } finally {
    await ports.disposal.dispose();
  }
}

async function startFamily(ports: Ports, options: ServeAllOptions): Promise<void> {
  const { config, print } = options;
  const startedAt = Date.now();
  const said = (text: string) => print(`${((Date.now() - startedAt) / 1000).toFixed(1).padStart(6)} s  ${text}`);
  const readiness = createReadiness();
  const supervisor = await superviseOn(ports, readiness, print);
  const child = (name: keyof typeof heapMb, args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    supervisor.start({ name, args, env: { ...options.overlay, ...env }, heapMb: heapMb[name] });

  const console_ = ensureConsole(ports.logger).then(({ built }) => said(built ? 'console built' : 'console found'));
  // Handled below; until then a failure must not end the process unsaid.
  console_.catch(() => undefined);
  const relational = ports.relational().then(() => said('relational store open'));
  if (!config.warehouse.url) await child('warehouse', ['serve', '--role', 'warehouse'], chdbProcessEnv);
  await Promise.all([ports.warehouse().then(() => said('warehouse open')), relational]);
  await startRelationalDuties(ports);
  const urls = {
    gateway: config.publicUrl ?? `http://${shown(config.host)}:${config.ports.gateway}`,
    collector: config.collectorPublicUrl ?? `http://${shown(config.host)}:${config.ports.collector}`,
  };
  const demo = options.demo
    ? await prepareDemo({ config, relational: await ports.relational(), clock: ports.clock, urls })
    : null;
  // They are stopped in the reverse order: what the collector took last, the consumer still stores.
  await Promise.all([
    child('workers', ['serve', '--role', 'attribution,predictions']),
    child('consumer', ['serve', '--role', 'consumer']),
    child('collector', ['serve', '--role', 'collector']),
  ]);
  said('collector, consumer and workers running');
  // The gateway reads the console's files when it is made.
  await console_;
  const subgraphs = await Promise.all(subgraphNames.map((name) => buildSubgraph(ports, name)));
  for (const subgraph of subgraphs) ports.disposal.add(`subgraph ${subgraph.name}`, () => subgraph.dispose());
  const gateway = await buildGateway(ports, localClients(subgraphs), () => readiness.report());
  await gateway.listen();
  said('gateway listening');
  const simulating =
    options.demo &&
    child('simulator', [
      'simulate',
      '--rate',
      String(options.demo.rate),
      '--installs-per-day',
      String(options.demo.installsPerDay),
    ]);
  await readiness.confirm({
    gateway,
    caller: probeCaller(ports),
    consoleUrl: `${ownUrl(config.host, config.ports.gateway)}/`,
    directory: await ports.directory(),
  });
  said('ready: a query across all four subgraphs and a console page were answered');
  await simulating;
  print(welcome(urls, demo?.access ?? null));
}

async function superviseOn(ports: Ports, readiness: Readiness, print: (line: string) => void): Promise<Supervisor> {
  const [bus, bridge] = await Promise.all([ports.liveBus(), bridgeChildLiveBus(ports.config)]);
  const supervisor = createSupervisor({
    entry,
    logger: ports.logger,
    onChild: (_spec, child) => {
      const unbridge = bridge(bus, child);
      const untell = readiness.onReport(
        (report) => child.connected && child.send({ kind: 'family-ready', report }, () => undefined),
      );
      return () => {
        unbridge();
        untell();
      };
    },
    onRestart: (name, how, delayMs) => {
      ports.logger.warn({ child: name, how, delayMs }, 'a child of the family ended; it is started again');
      print(`  ${name} ended (${how}); starting it again in ${delayMs} ms`);
    },
  });
  ports.disposal.add('children', () => supervisor.dispose());
  return supervisor;
}

/** Signs the readiness question as the first tenant; it reads nothing but what that tenant may see. */
function probeCaller(ports: Ports): () => Promise<Caller | null> {
  return async () => {
    const app = (await ports.directory()).current().apps[0];
    if (!app) return null;
    return {
      tenantId: app.tenantId,
      appIds: null,
      scopes: ['read:reports'],
      keyId: 'system:readiness',
      requestId: 'readiness',
      expiresAt: ports.clock.now() + 60_000,
    };
  };
}

const shown = (host: string) => (host === '0.0.0.0' || host === '::' ? 'localhost' : host);

function welcome(urls: { gateway: string; collector: string }, demo: DemoAccess | null): string {
  const lines = ['', '  Tributary is ready.', ''];
  if (demo) {
    for (const [name, value] of Object.entries(demo)) lines.push(`    ${name.padEnd(13)} ${value}`);
    lines.push('', '  Sign in to the console with apiKey. The same is in demo.json in the data directory.');
  } else {
    lines.push(
      `    console    ${urls.gateway}`,
      `    graphql    ${urls.gateway}/graphql`,
      `    collector  ${urls.collector}`,
      '',
      '  No keys yet? `npm run tributary -- init` makes the first tenant.',
    );
  }
  return [...lines, '  Stop with Ctrl+C.', ''].join('\n');
}

/** Ports given as 0 are chosen here, since every process of the family must know them beforehand. */
export async function resolveFreePorts(
  config: Config,
  overlay: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const resolved = { ...overlay };
  const wanted = {
    TRIBUTARY_PORT: config.ports.gateway,
    TRIBUTARY_COLLECTOR_PORT: config.ports.collector,
    TRIBUTARY_WAREHOUSE_PORT: config.ports.warehouse,
  };
  for (const [variable, port] of Object.entries(wanted)) if (port === 0) resolved[variable] = String(await freePort());
  return resolved;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
    server.on('error', reject);
  });
}
