import { createSubgraphBuilder, defineSubgraph } from '../src/kit.ts';
import { createStreamHub } from '../src/stream-hub.ts';
import { defaultSettleMs, type StreamSettings } from '../src/stream-settled.ts';
import type { Subgraph, SubgraphDeps } from '../src/types.ts';
import { createCohortReader } from './cohort-reader.ts';
import { createInstallReader } from './install-reader.ts';
import { addCohorts } from './schema/cohort.ts';
import { addFraudFlagged } from './schema/fraud-flagged.ts';
import { addInstall } from './schema/install.ts';

/**
 * The predictions subgraph: fraud scores and predicted value of installs and cohorts, as the predictions worker stored
 * them. It has entities, and a stream of what is flagged.
 *
 * @example
 * const subgraph = createPredictionsSubgraph(deps);
 * const server = await serveSubgraph(subgraph, { host: '127.0.0.1', port: 4024 });
 */
export function createPredictionsSubgraph(deps: SubgraphDeps, streams: StreamSettings = {}): Subgraph {
  const { settleMs = defaultSettleMs } = streams;
  const hub = createStreamHub({ logger: deps.logger, ...streams, settleMs });
  const kit = createSubgraphBuilder();
  kit.builder.queryType({});
  const Install = addInstall(kit, deps, createInstallReader(deps.warehouse));
  const App = addCohorts(kit, deps, createCohortReader(deps.warehouse));
  addFraudFlagged(kit, deps, { Install, App, hub, settleMs });
  return defineSubgraph({ name: 'predictions', builder: kit.builder, deps, dispose: async () => hub.dispose() });
}
