import { CodedError, type ErrorCode, errorCatalogue, toCodedError } from '@tributary/schema';
import { GraphQLError, type GraphQLFormattedError } from 'graphql';

/** Codes of libraries, in our catalogue's words. What is not listed and not ours is INTERNAL. */
const foreignCodes: Readonly<Record<string, ErrorCode>> = {
  BAD_REQUEST: 'BODY_UNPARSABLE',
  OPERATION_RESOLUTION_FAILURE: 'GRAPHQL_VALIDATION_FAILED',
  PERSISTED_QUERY_NOT_FOUND: 'BAD_USER_INPUT',
  PERSISTED_QUERY_NOT_SUPPORTED: 'BAD_USER_INPUT',
};

export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(errorCatalogue, code);
}

/**
 * An error as callers see it: message fit for strangers, path and locations kept, `extensions` reduced to
 * `{code, requestId, retryable, details?, retryAfterSeconds?}`. A message whose code is INTERNAL is replaced by the catalogue's.
 */
function formatError(error: GraphQLFormattedError, requestId: string): GraphQLFormattedError {
  const given = error.extensions?.['code'];
  const code = isErrorCode(given)
    ? given
    : ((typeof given === 'string' ? foreignCodes[given] : undefined) ?? 'INTERNAL');
  const details = error.extensions?.['details'];
  const retryAfterSeconds = error.extensions?.['retryAfterSeconds'];
  return {
    message: code === 'INTERNAL' ? errorCatalogue.INTERNAL.text : error.message,
    ...(error.locations ? { locations: error.locations } : {}),
    ...(error.path ? { path: error.path } : {}),
    extensions: {
      code,
      requestId,
      retryable: errorCatalogue[code].retryable,
      ...(details === undefined ? {} : { details }),
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    },
  };
}

export function formatErrors(errors: readonly GraphQLFormattedError[], requestId: string): GraphQLFormattedError[] {
  return errors.map((error) => formatError(error, requestId));
}

/** Anything thrown, as a GraphQL error that carries a catalogue code. */
export function toGraphQLError(thrown: unknown): GraphQLError {
  if (thrown instanceof GraphQLError && isErrorCode(thrown.extensions['code'])) return thrown;
  const coded = toCodedError(thrown);
  return new GraphQLError(coded.message, {
    extensions: {
      code: coded.code,
      ...(coded.details ? { details: coded.details } : {}),
      ...(coded.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: coded.retryAfterSeconds }),
    },
  });
}

/** As {@link toGraphQLError}, in the form that goes out. */
export function formatThrown(thrown: unknown, requestId: string): GraphQLFormattedError {
  return formatError(toGraphQLError(thrown).toJSON(), requestId);
}

/**
 * A resolver's error, as a subgraph in this process would send it over HTTP: coded errors keep code and text, all others
 * become INTERNAL. Returns the cause worth logging, if any.
 */
export function formatResolverError(error: GraphQLError): { formatted: GraphQLFormattedError; unexpected: unknown } {
  const { originalError } = error;
  const place = { ...(error.path ? { path: error.path } : {}) };
  if (originalError instanceof CodedError) {
    const { message, extensions } = toGraphQLError(originalError);
    const unexpected = originalError.code === 'INTERNAL' ? originalError : null;
    return { formatted: { message, ...place, extensions }, unexpected };
  }
  if (isErrorCode(error.extensions['code'])) {
    return { formatted: { message: error.message, ...place, extensions: error.extensions }, unexpected: null };
  }
  // graphql-js raises variable and argument coercion errors without an original error; they are the caller's to mend.
  const code: ErrorCode = originalError ? 'INTERNAL' : 'BAD_USER_INPUT';
  const message = code === 'INTERNAL' ? errorCatalogue.INTERNAL.text : error.message;
  return { formatted: { message, ...place, extensions: { code } }, unexpected: originalError ?? null };
}
