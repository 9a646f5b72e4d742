import { createSubgraphBuilder, defineSubgraph } from '../src/kit.ts';
import type { Subgraph, SubgraphDeps } from '../src/types.ts';
import { createCohortReader } from './cohort-reader.ts';
import { createInstallReader } from './install-reader.ts';
import { addCohorts } from './schema/cohort.ts';
import { addInstall } from './schema/install.ts';

/**
 * The predictions subgraph: fraud scores and predicted value of installs and cohorts, as the predictions worker stored
 * them. It has entities only, no root fields of its own.
 *
 * @example
 * const subgraph = createPredictionsSubgraph(deps);
 * const server = await serveSubgraph(subgraph, { host: '127.0.0.1', port: 4024 });
 */
export function createPredictionsSubgraph(deps: SubgraphDeps): Subgraph {
  const kit = createSubgraphBuilder();
  kit.builder.queryType({});
  addInstall(kit, deps, createInstallReader(deps.warehouse));
  addCohorts(kit, deps, createCohortReader(deps.warehouse));
  return defineSubgraph({ name: 'predictions', builder: kit.builder, deps });
}
