import { join } from 'node:path';
import type { Replayer } from '@tributary/ingest/collector';
import { openDirectoryPublisher } from '@tributary/platform/open';
import { createOpsHandler } from '@tributary/platform/ops-server';
import { createAlertStore } from '@tributary/prisma/alert-store';
import { createCostImportStore } from '@tributary/prisma/cost-import-store';
import { startDirectoryPublisher } from '@tributary/prisma/directory';
import { startMirrors } from '@tributary/prisma/mirrors';
import type { SubgraphName } from '@tributary/schema';
import { serveSubgraph } from '@tributary/subgraphs/kit';
import type { Subgraph, SubgraphDeps } from '@tributary/subgraphs/types';
import { createAlertWorker } from '@tributary/workers/alerts';
import type { Ports } from '../ports.ts';
import { type RunningRole, runChecks } from '../role.ts';

/** Builds one subgraph on this process's ports; where it is served is the caller's matter. */
export async function buildSubgraph(ports: Ports, name: SubgraphName): Promise<Subgraph> {
  const { config, clock, logger } = ports;
  const [warehouse, directory, liveBus, cache, signingSecret] = await Promise.all([
    ports.warehouseReader(),
    ports.directory(),
    ports.liveBus(),
    ports.cache(),
    ports.signingSecret(),
  ]);
  const deps: SubgraphDeps = {
    warehouse,
    directory,
    liveBus,
    cache,
    clock,
    logger: logger.child({ subgraph: name }),
    config,
    signingSecret,
  };
  // Each is imported when it is built, so that one alone does not load the others.
  switch (name) {
    case 'events':
      return (await import('@tributary/subgraphs/events')).createEventsSubgraph(deps, {
        writer: await ports.warehouse(),
        replayEvent: replayOn(ports),
        exports: { blobs: await ports.blobs(), streams: await ports.warehouseStreams() },
      });
    case 'attribution':
      return (await import('@tributary/subgraphs/attribution')).createAttributionSubgraph(deps);
    case 'predictions':
      return (await import('@tributary/subgraphs/predictions')).createPredictionsSubgraph(deps);
    case 'campaigns': {
      const { createCampaignsSubgraph } = await import('@tributary/subgraphs/campaigns');
      return createCampaignsSubgraph({ ...deps, relational: await ports.relational() });
    }
  }
}

/** Refused events go to the log like new ones; it is opened when the first is replayed. */
function replayOn(ports: Ports): Replayer['replay'] {
  let opened: Promise<Replayer> | null = null;
  const open = async () => {
    const [eventLog, directory, idSecret] = await Promise.all([
      ports.eventLog(),
      ports.directory(),
      ports.signingSecret(),
    ]);
    const { createReplayer } = await import('@tributary/ingest/collector');
    const replayer = createReplayer({ eventLog, directory, idSecret, clock: ports.clock });
    ports.disposal.add('replayer', () => replayer.dispose());
    return replayer;
  };
  return async (event) => {
    opened ??= open();
    return (await opened).replay(event);
  };
}

/**
 * What the owner of the relational store does for the others: publishes the directory, keeps the warehouse's mirrors of
 * campaigns and costs, evaluates alerts and pulls costs.
 */
export async function startRelationalDuties(ports: Ports): Promise<void> {
  const { clock, logger, config } = ports;
  const [relational, liveBus, publisher] = await Promise.all([
    ports.relational(),
    ports.liveBus(),
    openDirectoryPublisher(config),
  ]);
  const publishing = await startDirectoryPublisher({ relational, publisher, liveBus, clock, logger });
  ports.disposal.add('directory publisher', () => publishing.dispose());
  const mirrors = await startMirrors({ relational, warehouse: await ports.warehouse(), liveBus, clock, logger });
  ports.disposal.add('mirrors', () => mirrors.dispose());
  const alerts = createAlertWorker({
    warehouse: await ports.warehouseReader(),
    alerts: createAlertStore(relational),
    costImports: createCostImportStore(relational),
    liveBus,
    clock,
    logger: logger.child({ worker: 'alerts' }),
    config,
    signingSecret: await ports.signingSecret(),
  });
  ports.disposal.add('alerts', () => alerts.dispose());
  await alerts.start();
}

/** One subgraph alone, over HTTP and WebSocket. */
export async function startSubgraphRole(ports: Ports, name: SubgraphName): Promise<RunningRole> {
  const { config, metrics } = ports;
  if (name === 'campaigns') await startRelationalDuties(ports);
  const subgraph = await buildSubgraph(ports, name);
  ports.disposal.add(`subgraph ${name}`, () => subgraph.dispose());
  const warehouse = await ports.warehouse();
  const checks = {
    warehouse: () => warehouse.ping(),
    ...(name === 'campaigns' ? { relational: async () => (await ports.relational()).ping() } : {}),
  };
  const ready = () => runChecks(checks);
  const server = await serveSubgraph(subgraph, {
    host: config.host,
    port: config.ports.subgraphs[name],
    opsHandler: createOpsHandler({ role: join('subgraph', name), ready, metrics }),
  });
  ports.disposal.add(`server of ${name}`, () => server.dispose());
  return { name: `subgraph:${name}`, urls: { [name]: server.url }, ready, dispose: () => server.dispose() };
}
