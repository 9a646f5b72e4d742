import type { ChildProcess } from 'node:child_process';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Cache } from '@tributary/platform/cache';
import { aggregateMetrics, type MetricValues } from '@tributary/platform/metrics';
import type { OpsAnswers, ReadyReport } from '@tributary/platform/ops-server';
import { CodedError, type Config } from '@tributary/schema';
import { createPeer, type Peer } from '../peer.ts';
import type { Ports } from '../ports.ts';
import type { RunningRole } from '../role.ts';
import { createSupervisor } from '../supervisor.ts';

/** The role that a worker process runs; only a collector's supervisor starts it. */
export const workerRole = 'collector:worker';

const entry = fileURLToPath(new URL('../main.ts', import.meta.url));
/** Of each worker's V8: what waits to be stored lies outside of it. */
const heapMb = 192;

/** Whether the collector is to run as processes of its own that share the port. */
export function hasWorkers({ collector }: Pick<Config, 'collector'>): boolean {
  return collector.workers > 1 || collector.runtime === 'bun';
}

/**
 * The collector as several processes on one port (SO_REUSEPORT: the system spreads connections over them). Each has a core and
 * a block writer of its own on the same log; this process starts them, starts them again when they end, and answers them what
 * concerns all: readiness, metrics summed, and the embedded cache, so that the limits of keys hold over all of them.
 */
export async function startCollectorWorkers(
  ports: Ports,
  family: () => ReadyReport | null,
  overlay: Readonly<Record<string, string>>,
): Promise<RunningRole> {
  const { config, logger, metrics } = ports;
  const { workers, runtime } = config.collector;
  const port = await ownedPort(config);
  const cache = config.redisUrl ? null : await ports.cache();
  const peers = new Map<string, Peer>();
  const ready = async (): Promise<ReadyReport> => readinessOf(peers, workers, family());
  const restarts = metrics.counter({
    name: 'tributary_collector_worker_restarts_total',
    help: 'Workers of the collector that ended and were started again',
  });
  const answers = {
    ready,
    metrics: async () => {
      const values = await Promise.all([...peers.values()].map((peer) => peer.ask('metrics').catch(() => [])));
      return aggregateMetrics([...(values as MetricValues[]), await metrics.registry.getMetricsAsJSON()]);
    },
    ...(cache ? cacheAnswers(cache) : {}),
  };
  const supervisor = createSupervisor({
    entry,
    logger,
    onChild: ({ name }, child: ChildProcess) => {
      const peer = createPeer(child, answers);
      peers.set(name, peer);
      return () => {
        peers.delete(name);
        peer.dispose();
      };
    },
    onRestart: (name, how, delayMs) => {
      restarts.inc();
      logger.warn({ child: name, how, delayMs }, 'a worker of the collector ended; it is started again');
    },
  });
  ports.disposal.add('collector workers', () => supervisor.dispose());
  const args = ['serve', '--role', workerRole];
  const env = { ...overlay, TRIBUTARY_COLLECTOR_PORT: String(port) };
  const program = runtime === 'bun' ? { execPath: bunPath() } : { heapMb };
  await Promise.all(
    Array.from({ length: workers }, (_, index) =>
      supervisor.start({ name: `collector ${index + 1}`, args, env, ...program }),
    ),
  );
  logger.info({ workers, runtime, port, pids: [...supervisor.pids().values()] }, 'the collector listens');
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  return {
    name: 'collector',
    urls: { collector: `http://${host}:${port}` },
    ready,
    dispose: () => supervisor.dispose(),
  };
}

/** All workers, and what the family says: traffic is sent to the port, not to one of them. */
async function readinessOf(
  peers: ReadonlyMap<string, Peer>,
  workers: number,
  family: ReadyReport | null,
): Promise<ReadyReport> {
  const reports = await Promise.all(
    [...peers.values()].map(
      (peer) => peer.ask('ready').catch(() => ({ ok: false, checks: {} })) as Promise<ReadyReport>,
    ),
  );
  const running = reports.filter(({ ok }) => ok).length;
  const faults = reports.filter(({ ok }) => !ok).map(({ checks }) => checks);
  const checks = Object.assign({}, ...reports.map((report) => report.checks), ...faults) as Record<string, string>;
  checks['workers'] = running === workers ? 'ok' : `${running} of ${workers} are ready`;
  return { ok: running === workers && (family?.ok ?? true), checks: { ...checks, ...family?.checks } };
}

const cacheAnswers = (cache: Cache) => ({
  get: (key: string) => cache.get(key),
  set: async (key: string, value: string, options: { ttlMs: number }) => {
    await cache.set(key, value, options);
  },
  delete: async (key: string) => {
    await cache.delete(key);
  },
  increment: (key: string, by: number, options: { ttlMs: number }) => cache.increment(key, by, options),
  takeTokens: (key: string, bucket: Parameters<Cache['takeTokens']>[1]) => cache.takeTokens(key, bucket),
});

/** The parent's cache, and its word for readiness and metrics, as a worker asks them. */
export interface WorkerParent {
  readonly cache: Cache;
  /** Answers for all workers. */
  ops(own: OpsAnswers): OpsAnswers;
  dispose(): void;
}

export function connectToParent(ports: Ports, ownReadiness: () => Promise<ReadyReport>): WorkerParent {
  const peer = createPeer(process, {
    ready: ownReadiness,
    metrics: () => ports.metrics.registry.getMetricsAsJSON(),
  });
  const ask = <T>(what: string, ...args: readonly unknown[]): Promise<T> => peer.ask(what, ...args) as Promise<T>;
  return {
    cache: {
      get: (key) => ask('get', key),
      set: (key, value, options) => ask('set', key, value, options),
      delete: (key) => ask('delete', key),
      increment: (key, by, options) => ask('increment', key, by, options),
      takeTokens: (key, bucket) => ask('takeTokens', key, bucket),
      dispose: async () => undefined,
    },
    ops: (own) => (method, path) => {
      if (method !== 'GET' && method !== 'HEAD') return own(method, path);
      if (path === '/ready') return ask<ReadyReport>('ready').then(readyAnswer, () => own(method, path)!);
      if (path === '/metrics') return ask<string>('metrics').then(metricsAnswer, () => own(method, path)!);
      return own(method, path);
    },
    dispose: () => peer.dispose(),
  };
}

const readyAnswer = ({ ok, checks }: ReadyReport) => ({
  status: ok ? 200 : 503,
  headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' },
  body: JSON.stringify({ status: ok ? 'ready' : 'not_ready', role: 'collector', checks }),
});

const metricsAnswer = (body: string) => ({
  status: 200,
  headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'cache-control': 'no-store' },
  body,
});

/**
 * The port, once it was seen to be free: processes that share a port would share it with a stranger of the same user too, and
 * two installations would take each other's events. Throws what listening throws when it is taken.
 */
async function ownedPort({ host, ports }: Config): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(ports.collector, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Throws CONFIG_INVALID where the package is not installed. */
function bunPath(): string {
  try {
    const require = createRequire(import.meta.resolve('@tributary/ingest/collector'));
    return join(dirname(require.resolve('bun/package.json')), 'bin', 'bun.exe');
  } catch (cause) {
    throw new CodedError('CONFIG_INVALID', {
      message: 'TRIBUTARY_COLLECTOR_RUNTIME=bun needs the npm package bun, which is not installed on this platform.',
      cause,
    });
  }
}
