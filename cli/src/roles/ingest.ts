import { createCollector, openGeoLookup } from '@tributary/ingest/collector';
import { createConsumer } from '@tributary/ingest/consumer';
import type { ReadyReport } from '@tributary/platform/ops-server';
import { createOpsAnswers } from '@tributary/platform/ops-server';
import type { Ports } from '../ports.ts';
import { type RunningRole, runChecks } from '../role.ts';
import { connectToParent } from './collector-workers.ts';

/** HTTP in, log out. `family` adds what the whole family says of itself, so that its port tells the same truth. */
export async function startCollectorRole(ports: Ports, family: () => ReadyReport | null): Promise<RunningRole> {
  return startCollector(ports, family, false);
}

/** One of several processes that share the collector's port; its parent answers what concerns all (collector-workers.ts). */
export async function startCollectorWorkerRole(ports: Ports): Promise<RunningRole> {
  return startCollector(ports, () => null, true);
}

async function startCollector(ports: Ports, family: () => ReadyReport | null, isWorker: boolean): Promise<RunningRole> {
  const { config, clock, logger, metrics } = ports;
  const [eventLog, directory, idSecret, geo] = await Promise.all([
    ports.eventLog(),
    ports.directory(),
    ports.signingSecret(),
    openGeoLookup({ file: config.collector.geoipFile }),
  ]);
  logger.info({ source: geo.source, builtAt: geo.builtAt }, 'addresses are looked up');
  const ready = async () => {
    const own = await runChecks({
      eventLog: () => eventLog.checkHealth(),
      directory: async () => {
        if (directory.current().version === 0) throw new Error('no directory has been published yet');
      },
    });
    const whole = family();
    return whole ? { ok: own.ok && whole.ok, checks: { ...own.checks, ...whole.checks } } : own;
  };
  const parent = isWorker ? connectToParent(ports, ready) : null;
  if (parent) ports.disposal.add('channel to the parent', () => parent.dispose());
  const cache = parent && !config.redisUrl ? parent.cache : await ports.cache();
  const ownOps = createOpsAnswers({ role: 'collector', ready, metrics });
  const collector = createCollector({
    eventLog,
    directory,
    cache,
    geo,
    idSecret,
    clock,
    logger,
    config,
    metrics,
    ops: parent ? parent.ops(ownOps) : ownOps,
    sharesPort: isWorker,
  });
  const { url } = await collector.listen();
  ports.disposal.add('collector', () => collector.dispose());
  return { name: 'collector', urls: { collector: url }, ready, dispose: () => collector.dispose() };
}

/** Log in, warehouse out, exactly once. */
export async function startConsumerRole(ports: Ports): Promise<RunningRole> {
  const { config, clock, logger, metrics } = ports;
  const [eventLog, warehouse, liveBus, directory] = await Promise.all([
    ports.eventLog(),
    ports.warehouse(),
    ports.liveBus(),
    ports.directory(),
  ]);
  // Counters in a cache of this process alone would be counted for nobody.
  const cache = config.redisUrl ? await ports.cache() : undefined;
  const consumer = createConsumer({
    eventLog,
    warehouse,
    liveBus,
    ...(cache ? { cache } : {}),
    directory,
    clock,
    logger,
    config,
    metrics,
  });
  ports.disposal.add('consumer', () => consumer.dispose());
  await consumer.start();
  return {
    name: 'consumer',
    urls: {},
    ready: () => runChecks({ consumer: () => consumer.ready(), warehouse: () => warehouse.ping() }),
    dispose: () => consumer.dispose(),
  };
}
