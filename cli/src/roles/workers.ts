import type { Ports } from '../ports.ts';
import { type RunningRole, runChecks } from '../role.ts';

const workers = {
  attribution: async () => (await import('@tributary/workers/attribution')).createAttributionWorker,
  predictions: async () => (await import('@tributary/workers/predictions')).createPredictionsWorker,
} as const;

export type WorkerName = keyof typeof workers;

/** A loop over the warehouse: reads what is new, calls the domain, writes. */
export async function startWorkerRole(ports: Ports, name: WorkerName): Promise<RunningRole> {
  const { config, clock, logger, metrics } = ports;
  const [warehouse, directory, liveBus] = await Promise.all([ports.warehouse(), ports.directory(), ports.liveBus()]);
  const createWorker = await workers[name]();
  const worker = createWorker({
    warehouse,
    directory,
    liveBus,
    clock,
    logger: logger.child({ worker: name }),
    config,
    metrics,
  });
  ports.disposal.add(name, () => worker.dispose());
  await worker.start();
  return {
    name,
    urls: {},
    ready: () => runChecks({ [name]: () => worker.ready(), warehouse: () => warehouse.ping() }),
    dispose: () => worker.dispose(),
  };
}
