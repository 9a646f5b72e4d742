import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '@tributary/platform/logger';
import { createLru } from '@tributary/platform/lru';
import { newId } from '@tributary/schema';
import { inspectOperation } from './pipeline/limits.ts';
import { coerceVariables, createDocumentValidator } from './pipeline/validate.ts';
import { createQueryExecutor, type ExecutableOperation } from './query-executor.ts';
import type { SubgraphClient } from './subgraph-client.ts';
import { buildSupergraph } from './supergraph.ts';
import { readParams } from './transport/graphql-request.ts';
import { sendText } from './transport/respond.ts';

export interface BareGateway {
  /** For `createServer` of node:http. */
  readonly handler: (request: IncomingMessage, response: ServerResponse) => void;
  dispose(): Promise<void>;
}

/**
 * Parsing, planning and executing over HTTP, and nothing of the pipeline: no keys, no limits, no cost. For benchmarks, which hold
 * it against gateways that do no more either; never to be exposed.
 */
export async function createBareGateway(deps: {
  readonly subgraphs: readonly SubgraphClient[];
  readonly supergraphSdl: string;
  readonly logger: Logger;
}): Promise<BareGateway> {
  const supergraph = buildSupergraph(deps.supergraphSdl);
  const queries = await createQueryExecutor({ clients: deps.subgraphs, supergraph, logger: deps.logger });
  const validate = createDocumentValidator();
  const prepared = createLru<string, ExecutableOperation>(1_000);

  async function answer(request: IncomingMessage): Promise<string> {
    const { query, operationName, variables } = await readParams(request);
    const text = query ?? '';
    let operation = prepared.get(text);
    if (!operation) {
      const inspected = inspectOperation(text, operationName);
      const [error] = validate(supergraph.schema, inspected.document);
      if (error) throw error;
      operation = { text, ...inspected };
      prepared.set(text, operation);
    }
    const coerced = coerceVariables(supergraph.schema, operation.operation, variables);
    const context = { callerToken: null, requestId: newId('request') };
    return JSON.stringify(await queries.run(operation, { coerced, given: variables }, context));
  }

  return {
    handler(request, response) {
      answer(request).then(
        (text) => sendText(response, 200, text, { 'content-type': 'application/json; charset=utf-8' }),
        (error: unknown) => sendText(response, 400, JSON.stringify({ errors: [{ message: String(error) }] }), {}),
      );
    },
    dispose: () => queries.dispose(),
  };
}
