import { createHash } from 'node:crypto';
import { type DocumentNode, type GraphQLError, type OperationDefinitionNode, OperationTypeNode } from 'graphql';
import type { Supergraph } from '../supergraph.ts';
import { maxAgeOf } from './cache-policy.ts';
import { createOperationCost, type OperationCost } from './cost.ts';
import { inspectOperation } from './limits.ts';
import { type FieldShape, shapeOperation } from './operation-shape.ts';
import type { createDocumentValidator } from './validate.ts';

/** All that can be known of an operation before its variables are. Cached by text, so it is shared: never change one. */
export interface PreparedOperation {
  readonly text: string;
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly kind: OperationTypeNode;
  readonly error: GraphQLError | undefined;
  readonly roots: readonly FieldShape[];
  readonly cost: OperationCost;
  /** 0 = answers are not kept. */
  readonly maxAgeSeconds: number;
  /** Names the operation in keys of the response cache. */
  readonly id: string;
}

export interface PrepareDeps {
  readonly validate: ReturnType<typeof createDocumentValidator>;
}

/** Throws what `inspectOperation` throws; faults of validation are in `error`. */
export function prepareOperation(
  deps: PrepareDeps,
  supergraph: Supergraph,
  text: string,
  operationName: string | null | undefined,
): PreparedOperation {
  const { document, operation, introspections } = inspectOperation(text, operationName);
  const [error] = deps.validate(supergraph.schema, document);
  const roots = error ? [] : shapeOperation(supergraph.schema, document, operation);
  const kind = operation.operation;
  return {
    text,
    document,
    operation,
    kind,
    error,
    roots,
    cost: withIntrospection(createOperationCost(kind, roots, supergraph.hints), introspections),
    maxAgeSeconds: kind === OperationTypeNode.QUERY ? maxAgeOf(roots, supergraph.hints) : 0,
    id: createHash('sha256')
      .update(`${operationName ?? ''}\n${text}`)
      .digest('hex'),
  };
}

/** Points of one `__schema` or `__type`: all of the schema takes this process 100 ms. */
const introspectionCost = 100;

function withIntrospection(cost: OperationCost, introspections: number): OperationCost {
  const more = introspections * introspectionCost;
  if (more === 0) return cost;
  return {
    requested: (variables) => cost.requested(variables) + more,
    actual: (data, variables) => cost.actual(data, variables) + more,
  };
}
