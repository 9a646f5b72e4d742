import { ApolloGateway, type GatewayConfig, type SupergraphSdlUpdateFunction } from '@apollo/gateway';
import { ApolloServer, type HTTPGraphQLRequest, type HTTPGraphQLResponse } from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginInlineTraceDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginSchemaReportingDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled';
import type { Logger } from '@tributary/platform/logger';
import { limits } from '@tributary/schema';
import type { FormattedExecutionResult } from 'graphql';
import { completeResult } from './complete-result.ts';
import { createDataSource, type OperationContext } from './data-source.ts';
import type { SubgraphClient } from './subgraph-client.ts';

/** Runs queries and mutations by Apollo Server and Apollo Gateway. Callers are authenticated and within limits by then. */
export interface QueryExecutor {
  executeHttp(request: HTTPGraphQLRequest, context: OperationContext): Promise<HTTPGraphQLResponse>;
  execute(operation: QueryOperation, context: OperationContext): Promise<FormattedExecutionResult>;
  /** Swaps the graph; plans are cleared. Operations that run go on under the old one. Throws what Apollo throws for a bad SDL. */
  updateSupergraph(sdl: string): void;
  dispose(): Promise<void>;
}

interface QueryOperation {
  readonly query: string;
  readonly variables?: Readonly<Record<string, unknown>> | undefined;
  readonly operationName?: string | undefined;
}

export interface QueryExecutorDeps {
  readonly clients: readonly SubgraphClient[];
  readonly sdl: string;
  readonly logger: Logger;
  /** Size of the plan cache. Default 30. */
  readonly planCacheMiB?: number;
}

export async function createQueryExecutor(deps: QueryExecutorDeps): Promise<QueryExecutor> {
  const dataSources = new Map(deps.clients.map((client) => [client.name, createDataSource(client)]));
  const logger = quietLogger(deps.logger);
  let update: SupergraphSdlUpdateFunction | null = null;
  const gateway = createApolloGateway({
    logger,
    supergraphSdl: async (hooks) => {
      update = hooks.update;
      return { supergraphSdl: deps.sdl };
    },
    buildService({ name }) {
      const dataSource = dataSources.get(name);
      if (!dataSource) throw new Error(`The supergraph names a subgraph that has no client: ${name}`);
      return dataSource;
    },
    experimental_approximateQueryPlanStoreMiB: deps.planCacheMiB ?? 30,
    // Without it any caller may read plans by a header when NODE_ENV is not "production".
    __exposeQueryPlanExperimental: false,
  });
  const server = new ApolloServer<OperationContext>({
    gateway: {
      async load(options) {
        const loaded = await gateway.load(options);
        return { ...loaded, executor: async (context) => completeResult(await loaded.executor(context)) };
      },
      onSchemaLoadOrUpdate: (callback) => gateway.onSchemaLoadOrUpdate(callback),
      stop: () => gateway.stop(),
    },
    logger,
    nodeEnv: 'production',
    introspection: true,
    csrfPrevention: true,
    persistedQueries: false,
    allowBatchedHttpRequests: false,
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false,
    parseOptions: { maxTokens: limits.graphqlTokens },
    plugins: [
      ApolloServerPluginCacheControlDisabled(),
      ApolloServerPluginInlineTraceDisabled(),
      ApolloServerPluginLandingPageDisabled(),
      ApolloServerPluginSchemaReportingDisabled(),
      ApolloServerPluginUsageReportingDisabled(),
    ],
  });
  await server.start();

  return {
    executeHttp: (httpGraphQLRequest, context) =>
      server.executeHTTPGraphQLRequest({ httpGraphQLRequest, context: async () => context }),
    async execute({ query, variables, operationName }, contextValue) {
      const { body } = await server.executeOperation(
        { query, ...(variables ? { variables: { ...variables } } : {}), ...(operationName ? { operationName } : {}) },
        { contextValue },
      );
      // The gateway has no @defer, so there is always one result.
      return body.kind === 'single' ? body.singleResult : body.initialResult;
    },
    updateSupergraph: (sdl) => update?.(sdl),
    dispose: () => server.stop(),
  };
}

/** The CLI sets this at its start; set here too, because the gateway opens its telemetry exporter in its constructor. */
function createApolloGateway(config: GatewayConfig): ApolloGateway {
  process.env['APOLLO_TELEMETRY_DISABLED'] = '1';
  return new ApolloGateway(config);
}

/** Apollo tells of every load and swap at info; that is ours to say. */
function quietLogger(logger: Logger) {
  const child = logger.child({ part: 'apollo' });
  return {
    debug: (message?: unknown) => child.trace(String(message)),
    info: (message?: unknown) => child.debug(String(message)),
    warn: (message?: unknown) => child.warn(String(message)),
    error: (message?: unknown) => child.error(String(message)),
  };
}
