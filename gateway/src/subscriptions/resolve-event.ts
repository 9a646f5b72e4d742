import { buildOperationContext, executeQueryPlan, type GraphQLDataSource } from '@apollo/gateway';
import type { Logger } from '@tributary/platform/logger';
import type { DocumentNode, FormattedExecutionResult } from 'graphql';
import { completeResult, plainErrors } from '../complete-result.ts';
import type { OperationContext } from '../data-source.ts';
import { cloneJson } from '../json.ts';
import { formatErrors, formatThrown } from '../pipeline/format-error.ts';
import type { Supergraph } from '../supergraph.ts';
import type { SubscriptionPlan } from './plan.ts';

type RequestContext = Parameters<typeof executeQueryPlan>[2];
type DataSource = GraphQLDataSource<OperationContext>;
type DataSourceResponse = Awaited<ReturnType<DataSource['process']>>;

export interface EventResolverDeps {
  readonly supergraph: Supergraph;
  readonly plan: SubscriptionPlan;
  readonly document: DocumentNode;
  readonly operationName: string | undefined;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly dataSources: ReadonlyMap<string, DataSource>;
  readonly logger: Logger;
}

/** An event of the owning subgraph → what subscribers get: entities of other subgraphs fetched, errors formatted. Never rejects. */
export type EventResolver = (
  event: FormattedExecutionResult,
  context: OperationContext,
) => Promise<FormattedExecutionResult>;

export function createEventResolver(deps: EventResolverDeps): EventResolver {
  const { supergraph, plan, document, operationName } = deps;
  const operationContext = buildOperationContext({
    schema: supergraph.schema,
    operationDocument: document,
    ...(operationName ? { operationName } : {}),
  });
  const variables = { ...deps.variables };

  return async (event, context) => {
    const serviceMap = servicesFor(deps, event);
    // What the executor reads of Apollo Server's request context; `metrics` must be there, or a subgraph error throws.
    const requestContext = {
      request: { query: plan.primary.operation, variables },
      context,
      metrics: {},
      logger: deps.logger,
    } as unknown as RequestContext;
    try {
      const result = completeResult(
        await executeQueryPlan(
          plan.perEvent,
          serviceMap,
          requestContext,
          operationContext,
          supergraph.coreSchema,
          supergraph.apiSchema,
        ),
      );
      const data = (result.data ?? null) as FormattedExecutionResult['data'] & {};
      if (!result.errors) return { data };
      return { data, errors: formatErrors(plainErrors(result.errors), context.requestId) };
    } catch (error) {
      deps.logger.error({ err: error, requestId: context.requestId }, 'an event could not be completed');
      return { data: null, errors: [formatThrown(error, context.requestId)] };
    }
  };
}

/** The real data sources, save that the owner's primary fetch is answered by the event itself. */
function servicesFor(deps: EventResolverDeps, event: FormattedExecutionResult): Record<string, GraphQLDataSource> {
  const services = Object.fromEntries(deps.dataSources) as Record<string, GraphQLDataSource>;
  const { serviceName, operation } = deps.plan.primary;
  const owner = services[serviceName];
  services[serviceName] = {
    async process(options) {
      const isPrimary = options.request.query === operation && !options.request.variables?.['representations'];
      // The executor merges other subgraphs' data into what it gets, and the event may be shared.
      if (isPrimary) return cloneJson(event) as DataSourceResponse;
      if (!owner) throw new Error(`No client for subgraph ${serviceName}`);
      return owner.process(options);
    },
  };
  return services;
}
