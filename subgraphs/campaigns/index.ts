import type { Relational } from '@tributary/prisma/client';
import type { Config } from '@tributary/schema';
import { createSubgraphBuilder, defineSubgraph } from '../src/kit.ts';
import type { Subgraph, SubgraphDeps } from '../src/types.ts';
import { createCatalogueReader } from './catalogue-reader.ts';
import { createLoaders } from './loaders.ts';
import { createOperationsReader } from './operations-reader.ts';
import { withOwnerWall } from './owner-wall.ts';
import { addAlerts } from './schema/alerts.ts';
import { addApp } from './schema/app.ts';
import { addCampaign } from './schema/campaign.ts';
import { addCosts } from './schema/costs.ts';
import { addEnums } from './schema/enums.ts';
import { addJobs } from './schema/jobs.ts';
import { addKeys } from './schema/keys.ts';
import { addMembers } from './schema/members.ts';
import { addAlertMutations } from './schema/mutations/alerts.ts';
import { addCatalogueMutations } from './schema/mutations/catalogue.ts';
import { addCostMutations } from './schema/mutations/costs.ts';
import { addOrganisationMutations } from './schema/mutations/organisation.ts';
import { addPlan } from './schema/plan.ts';
import { addStreams } from './schema/streams.ts';
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
 * The campaigns subgraph: organisation, apps, partners, campaigns, links, goals, keys, costs, saved reports, alerts and jobs,
 * read from and changed in the relational store.
 *
 * @example
 * const subgraph = createCampaignsSubgraph({ ...deps, relational });
 * const server = await serveSubgraph(subgraph, { host: '127.0.0.1', port: 4022, logger });
 */
export function createCampaignsSubgraph(deps: SubgraphDeps & { readonly relational: Relational }): Subgraph {
  const kit = createSubgraphBuilder();
  const { relational, directory, cache, liveBus, clock, signingSecret } = deps;
  const catalogue = withOwnerWall(createCatalogueReader(relational), {
    unowned: ['readTenant'],
    partnerOf: (read, { id, partnerId }) => (read === 'readPartners' ? id : partnerId),
  });
  // What a tenant is run by is no partner's to see.
  const operations = withOwnerWall(createOperationsReader(relational), {
    unowned: ['readLastSequence'],
    partnerOf: () => null,
  });
  const schemaDeps: SchemaDeps = {
    catalogue,
    operations,
    loaders: createLoaders(catalogue, operations, createSpendReader(relational)),
    relational,
    directory,
    cache,
    liveBus,
    clock,
    collectorUrl: collectorUrlOf(deps.config),
    signingSecret,
  };
  kit.builder.queryType({ description: 'What can be asked.' });
  kit.builder.mutationType({
    description:
      'What can be changed. Each mutation is done whole or not at all, once per idempotency key, and leaves an audit entry.',
  });
  const types = declareTypes(kit);
  const enums = addEnums(kit);
  addViewer(kit, schemaDeps);
  addPlan(kit, schemaDeps);
  addApp(kit, types, enums, schemaDeps);
  addCampaign(kit, types, enums, schemaDeps);
  addTrackingLink(kit, types, enums, schemaDeps);
  addMembers(kit, types, enums, schemaDeps);
  addKeys(kit, types, enums, schemaDeps);
  addCosts(kit, types, enums, schemaDeps);
  addAlerts(kit, types, enums, schemaDeps);
  addJobs(kit, types, enums, schemaDeps);
  const mutations = { kit, types, enums, deps: schemaDeps };
  addOrganisationMutations(mutations);
  addCatalogueMutations(mutations);
  addCostMutations(mutations);
  addAlertMutations(mutations);
  addStreams(kit, types, enums, schemaDeps);
  return defineSubgraph({ name: 'campaigns', builder: kit.builder, deps });
}
