import { CodedError, type ErrorCode, errorCatalogue } from '@tributary/schema';
import { GraphQLError } from 'graphql';
import type { Logger } from 'pino';

/** The coded error under any wrapping by the executor; `null` when none is. */
export function codedCauseOf(error: unknown): CodedError | null {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; depth += 1) {
    if (at instanceof CodedError) return at;
    at = at instanceof GraphQLError ? at.originalError : at.cause;
  }
  return null;
}

/** Whether the GraphQL executor itself refused (variables, arguments), and no code of ours threw. */
function isExecutorsOwn(error: GraphQLError): boolean {
  const { originalError } = error;
  return !originalError || (originalError instanceof GraphQLError && isExecutorsOwn(originalError));
}

function located(error: GraphQLError | null, code: ErrorCode, message: string, extra: Record<string, unknown> = {}) {
  return new GraphQLError(message, {
    ...(error?.nodes ? { nodes: error.nodes } : {}),
    ...(error?.source ? { source: error.source } : {}),
    ...(error?.positions ? { positions: error.positions } : {}),
    ...(error?.path ? { path: error.path } : {}),
    extensions: { code, retryable: errorCatalogue[code].retryable, ...extra },
  });
}

/**
 * Anything thrown, as what a caller may see: code and text of the catalogue, no stack, no cause. What isn't coded is
 * logged with its cause and shown as INTERNAL. `refusal` codes errors of the executor itself (bad variables and such).
 */
export function toPublicError(
  error: unknown,
  logger: Logger,
  refusal: ErrorCode = 'GRAPHQL_VALIDATION_FAILED',
): GraphQLError {
  const wrapper = error instanceof GraphQLError ? error : null;
  const coded = codedCauseOf(error);
  if (coded) {
    if (coded.code === 'INTERNAL') logger.error({ err: coded.cause ?? coded }, 'an operation failed');
    else if (coded.http >= 500) logger.warn({ code: coded.code, err: coded.cause ?? coded }, 'an operation failed');
    return located(wrapper, coded.code, coded.message, coded.details ? { details: coded.details } : {});
  }
  const own = wrapper?.extensions['code'];
  if (wrapper && typeof own === 'string' && own in errorCatalogue) return wrapper;
  if (wrapper && isExecutorsOwn(wrapper)) {
    // The server's own refusals (bad variables, wrong method) carry their HTTP status here; it strips it on the way out.
    const http = wrapper.extensions['http'] as object | undefined;
    // Yoga's mark of a request that holds no operation. Its `spec` would have 200 told to who accepts plain JSON.
    if (own === 'BAD_REQUEST' && http) {
      return located(wrapper, 'BODY_UNPARSABLE', wrapper.message, { http: { ...http, spec: false } });
    }
    return located(wrapper, refusal, wrapper.message, http ? { http } : {});
  }
  logger.error({ err: wrapper?.originalError ?? error }, 'an operation failed');
  return located(wrapper, 'INTERNAL', errorCatalogue.INTERNAL.text);
}

/** As `toPublicError`, for a refusal of the whole request: the HTTP status of its code rides along for the server. */
export function toRequestError(error: unknown, logger: Logger, refusal: ErrorCode): GraphQLError {
  const shown = toPublicError(error, logger, refusal);
  const code = shown.extensions['code'] as ErrorCode;
  return located(shown, code, shown.message, {
    ...shown.extensions,
    http: { status: errorCatalogue[code].http },
  });
}
