import { operationFromDocument } from '@apollo/federation-internals';
import { ApolloGateway, type GatewayConfig } from '@apollo/gateway';
import type { PlanNode } from '@apollo/query-planner';
import { ApolloServer } from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginInlineTraceDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginSchemaReportingDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled';
import type { Logger } from '@tributary/platform/logger';
import { CodedError, limits } from '@tributary/schema';
import type { DocumentNode, FormattedExecutionResult, OperationDefinitionNode } from 'graphql';
import { completeResult } from './complete-result.ts';
import { createDataSource, type OperationContext } from './data-source.ts';
import { canExecute, executePlan, type PlanResult } from './execution/execute-plan.ts';
import { createShaper, type Shaper } from './execution/shape-answer.ts';
import { toGraphQLError } from './pipeline/format-error.ts';
import type { SubgraphClient } from './subgraph-client.ts';
import type { Supergraph } from './supergraph.ts';

/**
 * Runs queries and mutations. Apollo plans them; our own executor runs the plans (see `execution/`), Apollo Server and Apollo
 * Gateway run what it leaves to them: introspection, and plans with `@fromContext`. Callers are authenticated, and operations
 * valid and within limits by then.
 */
export interface QueryExecutor {
  /** Never rejects for a subgraph's fault. Errors are as the subgraphs gave them, to be formatted. */
  run(
    operation: ExecutableOperation,
    variables: OperationVariables,
    context: OperationContext,
  ): Promise<FormattedExecutionResult>;
  /** Plans an operation before it is asked for. */
  warm(operation: ExecutableOperation): void;
  /** Any text, by Apollo Server alone. */
  execute(operation: QueryOperation, context: OperationContext): Promise<FormattedExecutionResult>;
  dispose(): Promise<void>;
}

/** A validated operation; plans are kept as long as this object is. */
export interface ExecutableOperation {
  readonly text: string;
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
}

export interface OperationVariables {
  /** Defaults filled in. */
  readonly coerced: Readonly<Record<string, unknown>>;
  readonly given: Readonly<Record<string, unknown>> | null | undefined;
}

interface QueryOperation {
  readonly query: string;
  readonly variables?: Readonly<Record<string, unknown>> | undefined;
  readonly operationName?: string | undefined;
}

export interface QueryExecutorDeps {
  readonly clients: readonly SubgraphClient[];
  readonly supergraph: Supergraph;
  readonly logger: Logger;
}

interface CompiledOperation {
  /** Null = Apollo's. */
  readonly node: PlanNode | undefined | null;
  readonly shaperFor: ReturnType<typeof createShaper>;
}

export async function createQueryExecutor(deps: QueryExecutorDeps): Promise<QueryExecutor> {
  const { supergraph } = deps;
  const clients = new Map(deps.clients.map((client) => [client.name, client]));
  const apollo = await startApollo(deps);
  const compiled = new WeakMap<ExecutableOperation, CompiledOperation>();

  function compile(operation: ExecutableOperation): CompiledOperation {
    const known = compiled.get(operation);
    if (known) return known;
    const fresh = compileOperation(supergraph, operation);
    compiled.set(operation, fresh);
    return fresh;
  }

  return {
    async run(operation, { coerced, given }, context) {
      const { node, shaperFor } = compile(operation);
      if (node === null) {
        const operationName = operation.operation.name?.value;
        return apollo.execute({ query: operation.text, variables: given ?? undefined, operationName }, context);
      }
      const fetched = await executePlan(node, {
        coreSchema: supergraph.coreSchema,
        variables: coerced,
        fetch: (service, request) => {
          const client = clients.get(service);
          return client ? client.execute({ ...request, ...context }) : Promise.resolve(noClient);
        },
      });
      return answerOf(fetched, shaperFor(coerced));
    },
    warm: (operation) => void compile(operation),
    execute: apollo.execute,
    dispose: apollo.dispose,
  };
}

const noClient: FormattedExecutionResult = {
  errors: [toGraphQLError(new CodedError('SUBGRAPH_UNAVAILABLE')).toJSON()],
};

function compileOperation(supergraph: Supergraph, operation: ExecutableOperation): CompiledOperation {
  const shaperFor = createShaper(supergraph.schema, operation.document, operation.operation);
  if (/\b__(schema|type)\b/.test(operation.text)) return { node: null, shaperFor };
  const name = operation.operation.name?.value;
  const planned = operationFromDocument(supergraph.apiSchema, operation.document, name ? { operationName: name } : {});
  const { node } = supergraph.planner.buildQueryPlan(planned);
  const ours = node?.kind !== 'Subscription' && canExecute(node);
  return { node: ours ? (node as PlanNode | undefined) : null, shaperFor };
}

/** What was fetched in the form of an answer. A missing part that no subgraph error explains is an error of its own. */
export function answerOf(fetched: PlanResult, shaper: Shaper): FormattedExecutionResult {
  const { data, faults } = shaper(fetched.data, fetched.shared);
  if (fetched.errors.length > 0) return { data, errors: fetched.errors };
  if (faults.length === 0) return { data };
  const message = 'A part of the answer is missing.';
  return { data, errors: faults.map((path) => ({ message, path, extensions: { code: 'INTERNAL' } })) };
}

async function startApollo(deps: QueryExecutorDeps): Promise<Pick<QueryExecutor, 'execute' | 'dispose'>> {
  const dataSources = new Map(deps.clients.map((client) => [client.name, createDataSource(client)]));
  const logger = quietLogger(deps.logger);
  const gateway = createApolloGateway({
    logger,
    supergraphSdl: deps.supergraph.sdl,
    buildService({ name }) {
      const dataSource = dataSources.get(name);
      if (!dataSource) throw new Error(`The supergraph names a subgraph that has no client: ${name}`);
      return dataSource;
    },
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
    async execute({ query, variables, operationName }, contextValue) {
      const { body } = await server.executeOperation(
        { query, ...(variables ? { variables: { ...variables } } : {}), ...(operationName ? { operationName } : {}) },
        { contextValue },
      );
      // The gateway has no @defer, so there is always one result.
      return body.kind === 'single' ? body.singleResult : body.initialResult;
    },
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
