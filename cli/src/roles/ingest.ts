import { createCollector } from '@tributary/ingest/collector';
import { createConsumer } from '@tributary/ingest/consumer';
import type { ReadyReport } from '@tributary/platform/ops-server';
import { createOpsHandler } from '@tributary/platform/ops-server';
import type { Ports } from '../ports.ts';
import { type RunningRole, runChecks } from '../role.ts';

/** HTTP in, log out. `family` adds what the whole family says of itself, so that its port tells the same truth. */
export async function startCollectorRole(ports: Ports, family: () => ReadyReport | null): Promise<RunningRole> {
  const { config, clock, logger, metrics } = ports;
  const [eventLog, directory] = await Promise.all([ports.eventLog(), ports.directory()]);
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
  const collector = createCollector({
    eventLog,
    directory,
    clock,
    logger,
    config,
    metrics,
    opsHandler: createOpsHandler({ role: 'collector', ready, metrics }),
  });
  const { url } = await collector.listen();
  ports.disposal.add('collector', () => collector.dispose());
  return { name: 'collector', urls: { collector: url }, ready, dispose: () => collector.dispose() };
}

/** Log in, warehouse out, exactly once. */
export async function startConsumerRole(ports: Ports): Promise<RunningRole> {
  const { config, clock, logger, metrics } = ports;
  const [eventLog, warehouse, liveBus] = await Promise.all([ports.eventLog(), ports.warehouse(), ports.liveBus()]);
  const consumer = createConsumer({ eventLog, warehouse, liveBus, clock, logger, config, metrics });
  ports.disposal.add('consumer', () => consumer.dispose());
  await consumer.start();
  return {
    name: 'consumer',
    urls: {},
    ready: () => runChecks({ consumer: () => consumer.ready(), warehouse: () => warehouse.ping() }),
    dispose: () => consumer.dispose(),
  };
}
