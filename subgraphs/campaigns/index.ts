import type { Relational } from '@tributary/prisma/client';
import type { Config } from '@tributary/schema';
import { createSubgraphBuilder, defineSubgraph } from '../src/kit.ts';
import type { Subgraph, SubgraphDeps } from '../src/types.ts';
import { createCatalogueReader } from './catalogue-reader.ts';
import { createLoaders } from './loaders.ts';
import { addApp } from './schema/app.ts';
import { addCampaign } from './schema/campaign.ts';
import { addTrackingLink } from './schema/tracking-link.ts';
import { declareTypes, type SchemaDeps } from './schema/types.ts';
import { addViewer } from './schema/viewer.ts';
import { createSpendReader } from './spend-reader.ts';

/** Where tracking links point: as configured, else the collector on this host. Without a slash at its end. */
function collectorUrlOf({ collectorPublicUrl, host, ports }: Config): string {
  if (collectorPublicUrl !== null) return collectorPublicUrl.replace(/\/+$/, '');
  // An address to listen on everywhere is none to go to.
  const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return `http://${shown}:${ports.collector}`;
}

/**
 * The campaigns subgraph: apps, campaigns, partners, tracking links, goals and spend, read from the relational store.
 *
 * @example
 * const subgraph = createCampaignsSubgraph({ ...deps, relational });
 * const server = await serveSubgraph(subgraph, { host: '127.0.0.1', port: 4022, logger });
 */
export function createCampaignsSubgraph(deps: SubgraphDeps & { readonly relational: Relational }): Subgraph {
  const kit = createSubgraphBuilder();
  const catalogue = createCatalogueReader(deps.relational);
  const schemaDeps: SchemaDeps = {
    catalogue,
    loaders: createLoaders(catalogue, createSpendReader(deps.relational)),
    clock: deps.clock,
    collectorUrl: collectorUrlOf(deps.config),
  };
  kit.builder.queryType({ description: 'What can be asked.' });
  const types = declareTypes(kit);
  addViewer(kit, schemaDeps);
  addApp(kit, types, schemaDeps);
  addCampaign(kit, types, schemaDeps);
  addTrackingLink(types, schemaDeps);
  return defineSubgraph({ name: 'campaigns', builder: kit.builder, deps });
}
