import { addEntityStub, createSubgraphBuilder, defineSubgraph } from '../src/kit.ts';
import type { Subgraph, SubgraphDeps } from '../src/types.ts';
import { createCampaignReader } from './campaign-reader.ts';
import { createDecisionReader } from './decision-reader.ts';
import { createInstallReader } from './install-reader.ts';
import { addDecision } from './schema/decision.ts';
import { addEnums } from './schema/enums.ts';
import { addApp, addCampaign } from './schema/figures.ts';
import { addInstall } from './schema/install.ts';

/**
 * The attribution subgraph: installs with the whole evidence of their attribution, and what campaigns earned by it.
 *
 * @example
 * const subgraph = createAttributionSubgraph(deps);
 * const server = await serveSubgraph(subgraph, { host: '127.0.0.1', port: 4023 });
 */
export function createAttributionSubgraph(deps: SubgraphDeps): Subgraph {
  const kit = createSubgraphBuilder();
  const { builder } = kit;
  builder.queryType({});
  const enums = addEnums(builder);
  const figures = { kit, deps, reader: createCampaignReader(deps.warehouse), enums };
  const App = addApp(figures);
  const Campaign = addCampaign(figures);
  addInstall({
    kit,
    deps,
    installs: createInstallReader(deps.warehouse),
    decisions: createDecisionReader(deps.warehouse),
    App,
    Campaign,
    Person: addEntityStub(builder, 'Person'),
    Decision: addDecision(kit, enums, Campaign),
  });
  return defineSubgraph({ name: 'attribution', builder, deps });
}
