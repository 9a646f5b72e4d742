import { CodedError, newId } from '@tributary/schema';
import { type FormattedExecutionResult, OperationTypeNode } from 'graphql';
import type { OperationContext } from './data-source.ts';
import type { CallerSigner, Principal } from './pipeline/auth.ts';
import { formatErrors } from './pipeline/format-error.ts';
import type { InspectedOperation } from './pipeline/limits.ts';
import { coerceVariables, type createDocumentValidator } from './pipeline/validate.ts';
import type { QueryExecutor } from './query-executor.ts';
import type { SubscriptionEngine } from './subscriptions/engine.ts';
import type { Supergraph } from './supergraph.ts';

/** What a client asked for, as any transport reads it. */
export interface OperationParams {
  readonly query: string;
  readonly operationName?: string | null | undefined;
  readonly variables?: Readonly<Record<string, unknown>> | null | undefined;
}

/** The graph as it is now; null before the first supergraph. */
export interface Graph {
  readonly supergraph: Supergraph;
  readonly queries: QueryExecutor;
}

/** Runs any kind of operation for the streaming transports, which carry queries and mutations too. */
export interface Operations {
  /**
   * A subscription gives an iterator, all else one result. Throws coded GraphQL errors and CodedErrors for what is refused before
   * anything runs.
   */
  run(
    params: OperationParams,
    principal: Principal,
  ): Promise<AsyncIterableIterator<FormattedExecutionResult> | FormattedExecutionResult>;
}

export interface OperationsDeps {
  readonly graph: () => Graph | null;
  readonly inspect: (query: string, operationName: string | null | undefined) => InspectedOperation;
  readonly validate: ReturnType<typeof createDocumentValidator>;
  readonly subscriptions: SubscriptionEngine;
  readonly signer: CallerSigner;
}

export function createOperations(deps: OperationsDeps): Operations {
  return {
    async run(params, principal) {
      const graph = deps.graph();
      if (!graph) throw new CodedError('NOT_READY');
      const { document, operation } = deps.inspect(params.query, params.operationName);
      if (operation.operation !== OperationTypeNode.SUBSCRIPTION) {
        const requestId = newId('request');
        const context: OperationContext = { callerToken: deps.signer.sign(principal, requestId), requestId };
        const result = await graph.queries.execute(
          {
            query: params.query,
            variables: params.variables ?? undefined,
            operationName: params.operationName ?? undefined,
          },
          context,
        );
        return result.errors ? { ...result, errors: formatErrors(result.errors, requestId) } : result;
      }
      const { schema } = graph.supergraph;
      const [error] = deps.validate(schema, document);
      if (error) throw error;
      const variables = coerceVariables(schema, operation, params.variables);
      return deps.subscriptions.subscribe({ document, operation, variables, principal });
    },
  };
}
