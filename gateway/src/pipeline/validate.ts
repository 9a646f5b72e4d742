import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  getVariableValues,
  type OperationDefinitionNode,
  validate,
} from 'graphql';

/**
 * The first errors of a document against a schema, cached for both objects' lifetime. `validate` itself throws on some documents
 * (`@include` on a subscription's root field); that is an error of the document too.
 */
export function createDocumentValidator(): (schema: GraphQLSchema, document: DocumentNode) => readonly GraphQLError[] {
  const bySchema = new WeakMap<GraphQLSchema, WeakMap<DocumentNode, readonly GraphQLError[]>>();
  return (schema, document) => {
    const known = bySchema.get(schema) ?? new WeakMap<DocumentNode, readonly GraphQLError[]>();
    bySchema.set(schema, known);
    let errors = known.get(document);
    if (!errors) {
      errors = errorsOf(schema, document).map((error) => coded(error, 'GRAPHQL_VALIDATION_FAILED'));
      known.set(document, errors);
    }
    return errors;
  };
}

function errorsOf(schema: GraphQLSchema, document: DocumentNode): readonly GraphQLError[] {
  try {
    return validate(schema, document, undefined, { maxErrors: 1 });
  } catch (error) {
    return [new GraphQLError(error instanceof Error ? error.message : 'The document cannot be validated.')];
  }
}

/** Coerced variables with defaults filled in; throws the first fault, coded BAD_USER_INPUT. */
export function coerceVariables(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  given: Readonly<Record<string, unknown>> | null | undefined,
): Record<string, unknown> {
  const { coerced, errors } = getVariableValues(schema, operation.variableDefinitions ?? [], given ?? {}, {
    maxErrors: 1,
  });
  if (errors?.[0]) throw coded(errors[0], 'BAD_USER_INPUT');
  return coerced ?? {};
}

/** Messages repeat what was sent; names and values may be as long as a body. */
const longestMessage = 500;

function coded(error: GraphQLError, code: 'GRAPHQL_VALIDATION_FAILED' | 'BAD_USER_INPUT'): GraphQLError {
  const { message } = error;
  return new GraphQLError(message.length > longestMessage ? `${message.slice(0, longestMessage)}…` : message, {
    nodes: error.nodes ?? null,
    path: error.path ?? null,
    extensions: { code },
  });
}
