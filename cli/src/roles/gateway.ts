import {
  createGateway,
  createLocalSubgraphClient,
  createRemoteSubgraphClient,
  type Gateway,
  type SubgraphClient,
} from '@tributary/gateway';
import type { ReadyReport } from '@tributary/platform/ops-server';
import { createOpsHandler } from '@tributary/platform/ops-server';
import { type Config, type SubgraphName, subgraphNames } from '@tributary/schema';
import type { Subgraph } from '@tributary/subgraphs/types';
import { consoleDir } from '../console-build.ts';
import { ownUrl } from '../own-url.ts';
import type { Ports } from '../ports.ts';
import { type RunningRole, runChecks } from '../role.ts';

/** Where a subgraph that runs apart answers. */
export function subgraphUrl(config: Config, name: SubgraphName): string {
  return config.subgraphUrls[name] ?? `${ownUrl(config.host, config.ports.subgraphs[name])}/graphql`;
}

export async function buildGateway(
  ports: Ports,
  subgraphs: readonly SubgraphClient[],
  ready: () => Promise<ReadyReport>,
): Promise<Gateway> {
  const { config, clock, logger, metrics } = ports;
  const [directory, signingSecret, cache, liveBus] = await Promise.all([
    ports.directory(),
    ports.signingSecret(),
    ports.cache(),
    ports.liveBus(),
  ]);
  const blobs = await ports.blobs();
  const { createExportHandler } = await import('@tributary/subgraphs/events');
  const gateway = await createGateway({
    config,
    directory,
    cache,
    liveBus,
    clock,
    logger,
    signingSecret,
    subgraphs,
    metrics,
    staticSite: { dir: consoleDir },
    downloads: createExportHandler({ blobs, signingSecret, clock }),
    opsHandler: createOpsHandler({ role: 'gateway', ready, metrics }),
  });
  ports.disposal.add('gateway', () => gateway.dispose());
  return gateway;
}

export const localClients = (subgraphs: readonly Subgraph[]): SubgraphClient[] =>
  subgraphs.map((subgraph) => createLocalSubgraphClient(subgraph));

/** The public endpoint alone, its subgraphs reached over the network. */
export async function startGatewayRole(ports: Ports): Promise<RunningRole> {
  const clients = subgraphNames.map((name) =>
    createRemoteSubgraphClient({ name, url: subgraphUrl(ports.config, name) }),
  );
  for (const client of clients) ports.disposal.add(`client of ${client.name}`, () => client.dispose());
  const ready = () => runChecks(Object.fromEntries(clients.map((client) => [client.name, () => client.sdl()])));
  const gateway = await buildGateway(ports, clients, ready);
  const { url } = await gateway.listen();
  return { name: 'gateway', urls: { gateway: url }, ready, dispose: () => gateway.dispose() };
}
