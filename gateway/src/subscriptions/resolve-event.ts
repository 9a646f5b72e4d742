import type { FetchNode } from '@apollo/query-planner';
import type { Logger } from '@tributary/platform/logger';
import type { DocumentNode, FormattedExecutionResult, OperationDefinitionNode } from 'graphql';
import type { OperationContext } from '../data-source.ts';
import { executePlan } from '../execution/execute-plan.ts';
import { createShaper } from '../execution/shape-answer.ts';
import { cloneJson } from '../json.ts';
import { formatErrors, formatThrown } from '../pipeline/format-error.ts';
import { answerOf } from '../query-executor.ts';
import type { SubgraphClient } from '../subgraph-client.ts';
import type { Supergraph } from '../supergraph.ts';
import type { SubscriptionPlan } from './plan.ts';

export interface EventResolverDeps {
  readonly supergraph: Supergraph;
  readonly plan: SubscriptionPlan;
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly clients: ReadonlyMap<string, SubgraphClient>;
  readonly logger: Logger;
}

/** An event of the owning subgraph → what subscribers get: entities of other subgraphs fetched, errors formatted. Never rejects. */
export type EventResolver = (
  event: FormattedExecutionResult,
  context: OperationContext,
) => Promise<FormattedExecutionResult>;

/** The plan of the event, its primary fetch answered by the event itself. */
export function createEventResolver(deps: EventResolverDeps): EventResolver {
  const { supergraph, plan, variables, clients } = deps;
  const shaper = createShaper(supergraph.schema, deps.document, deps.operation)(variables);

  return async (event, context) => {
    const fetch = async (service: string, request: object, node: FetchNode): Promise<FormattedExecutionResult> => {
      // Other subgraphs' data is merged into it, and the event may be shared.
      if (node === plan.primary) return cloneJson(event);
      const client = clients.get(service);
      if (!client) throw new Error(`No client for subgraph ${service}`);
      return client.execute({ ...request, ...context } as Parameters<SubgraphClient['execute']>[0]);
    };
    try {
      const fetched = await executePlan(plan.perEvent, { coreSchema: supergraph.coreSchema, variables, fetch });
      const { data = null, errors } = answerOf(fetched, shaper);
      return errors ? { data, errors: formatErrors(errors, context.requestId) } : { data };
    } catch (error) {
      deps.logger.error({ err: error, requestId: context.requestId }, 'an event could not be completed');
      return { data: null, errors: [formatThrown(error, context.requestId)] };
    }
  };
}
