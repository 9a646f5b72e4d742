import { GraphQLError, type GraphQLFormattedError } from 'graphql';

/** What Apollo's executor gives: errors as objects, and faults of the answer's shape hidden in an extension. */
interface ExecutorResult {
  readonly data?: unknown;
  readonly errors?: readonly (GraphQLError | GraphQLFormattedError)[] | undefined;
  readonly extensions?: Record<string, unknown> | undefined;
}

/**
 * Apollo's executor reports "null for a non-null field" (an entity that vanished between two subgraphs) only in
 * `extensions.valueCompletion` and answers `data: null` without an error. Clients take that for success; here it is an error.
 */
export function completeResult<T extends ExecutorResult>(result: T): T {
  const faults = result.extensions?.['valueCompletion'];
  if (!Array.isArray(faults)) return result;
  const { valueCompletion: _, ...extensions } = result.extensions ?? {};
  const errors = (faults as GraphQLFormattedError[]).map(
    (fault) =>
      new GraphQLError('A part of the answer is missing.', {
        ...(fault.path ? { path: fault.path } : {}),
        extensions: { code: 'INTERNAL' },
      }),
  );
  const { extensions: __, ...rest } = result;
  return {
    ...rest,
    errors: [...(result.errors ?? []), ...errors],
    ...(Object.keys(extensions).length ? { extensions } : {}),
  } as unknown as T;
}
