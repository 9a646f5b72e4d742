import { addEntityStub, createSubgraphBuilder, defineSubgraph } from '../src/kit.ts';
import { createStreamHub } from '../src/stream-hub.ts';
import { defaultSettleMs, type StreamSettings } from '../src/stream-settled.ts';
import type { Subgraph, SubgraphDeps } from '../src/types.ts';
import { createCampaignReader } from './campaign-reader.ts';
import { createDecisionReader } from './decision-reader.ts';
import { createInstallReader } from './install-reader.ts';
import { addDecision } from './schema/decision.ts';
import { addEnums } from './schema/enums.ts';
import { addApp, addCampaign } from './schema/figures.ts';
import { addInstall, requireInstall } from './schema/install.ts';
import { addStreams } from './schema/streams.ts';

/**
 * The attribution subgraph: installs with the whole evidence of their attribution, and what campaigns earned by it.
 *
 * @example
 * const subgraph = createAttributionSubgraph(deps);
 * const server = await serveSubgraph(subgraph, { host: '127.0.0.1', port: 4023 });
 */
export function createAttributionSubgraph(deps: SubgraphDeps, streams: StreamSettings = {}): Subgraph {
  const { settleMs = defaultSettleMs } = streams;
  const hub = createStreamHub({ logger: deps.logger, ...streams, settleMs });
  const kit = createSubgraphBuilder();
  const { builder } = kit;
  builder.queryType({});
  const enums = addEnums(builder);
  const figures = { kit, deps, reader: createCampaignReader(deps.warehouse), enums };
  const App = addApp(figures);
  const Campaign = addCampaign(figures);
  const installs = createInstallReader(deps.warehouse);
  const decisions = createDecisionReader(deps.warehouse);
  const Install = addInstall({
    kit,
    deps,
    installs,
    decisions,
    App,
    Campaign,
    Person: addEntityStub(builder, 'Person'),
    Decision: addDecision(kit, enums, Campaign),
  });
  addStreams({
    kit,
    deps,
    hub,
    settleMs,
    enums,
    App,
    Campaign,
    Install,
    requireInstall: (context, id) => requireInstall({ deps, installs, decisions }, context, id),
  });
  return defineSubgraph({ name: 'attribution', builder, deps, dispose: async () => hub.dispose() });
}
