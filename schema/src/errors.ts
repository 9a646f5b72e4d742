/**
 * The error catalogue: the one place where a code, its HTTP status, its GraphQL form, whether a retry can help and its
 * text are decided. docs/errors.md is held against it by a test.
 */
export interface ErrorEntry {
  readonly http: number;
  readonly retryable: boolean;
  /** Default text shown to callers. Says what is wrong and what to do; never holds a secret or a stack. */
  readonly text: string;
}

export const errorCatalogue = {
  // HTTP and authentication
  UNAUTHENTICATED: { http: 401, retryable: false, text: 'No valid key was given. Send Authorization: Bearer <key>.' },
  FORBIDDEN: { http: 403, retryable: false, text: 'This key may not do that.' },
  SOURCE_DISABLED: { http: 404, retryable: false, text: 'The app of this key is disabled.' },
  NOT_FOUND: { http: 404, retryable: false, text: 'There is nothing here under that id or path.' },
  METHOD_NOT_ALLOWED: { http: 405, retryable: false, text: 'This path does not take that method.' },
  BODY_TIMEOUT: { http: 408, retryable: true, text: 'The body did not arrive in time.' },
  PAYLOAD_TOO_LARGE: { http: 413, retryable: false, text: 'The body is over the limit. Send smaller batches.' },
  HEADERS_TOO_LARGE: { http: 431, retryable: false, text: 'The request has too many or too large headers.' },
  UNSUPPORTED_ENCODING: { http: 415, retryable: false, text: 'Unknown Content-Encoding. Use gzip, br, zstd or none.' },
  BODY_UNPARSABLE: { http: 400, retryable: false, text: 'The body is not what this path takes.' },
  BODY_EMPTY: { http: 400, retryable: false, text: 'The body holds no event.' },
  RATE_LIMITED: { http: 429, retryable: true, text: 'Too many requests for this key. Retry after the stated time.' },
  LOG_UNAVAILABLE: { http: 503, retryable: true, text: 'Events cannot be stored durably right now. Retry.' },
  NOT_READY: { http: 503, retryable: true, text: 'This role is starting or draining.' },
  WAREHOUSE_UNAVAILABLE: { http: 503, retryable: true, text: 'The warehouse cannot be reached right now. Retry.' },
  RELATIONAL_UNAVAILABLE: { http: 503, retryable: true, text: 'The relational store cannot be reached. Retry.' },
  SUBGRAPH_UNAVAILABLE: { http: 503, retryable: true, text: 'A part of the graph cannot be reached right now. Retry.' },
  QUERY_TIMEOUT: { http: 504, retryable: true, text: 'The query ran past its time limit. Ask for a smaller range.' },
  QUERY_TOO_LARGE: { http: 400, retryable: false, text: 'The query needs more memory than it may use. Narrow it.' },
  INTERNAL: { http: 500, retryable: true, text: 'Something failed here. The request id finds it in the logs.' },

  QUOTA_EXCEEDED: {
    http: 429,
    retryable: true,
    text: 'The daily quota of this key is used up. It starts again at midnight UTC.',
  },
  REQUEST_BLOCKED: { http: 403, retryable: false, text: 'The owner of this app does not take requests like this one.' },

  // Verdicts on one event (also the reasons of dead letters)
  EVENT_NOT_OBJECT: { http: 400, retryable: false, text: 'An event is a JSON object.' },
  EVENT_NAME_MISSING: { http: 400, retryable: false, text: 'event_name is required: a text of 1 to 200 characters.' },
  SUBJECT_MISSING: { http: 400, retryable: false, text: 'One of anonymous_id, user_id or a device id is required.' },
  SCHEMA_VIOLATION: { http: 400, retryable: false, text: 'A field has the wrong type or form.' },
  SIZE_VIOLATION: { http: 400, retryable: false, text: 'The event is over the size limit.' },
  BAD_TIMESTAMP: {
    http: 400,
    retryable: false,
    text: 'A time is unreadable, over 1 h ahead, or too old for this key.',
  },
  UNKNOWN_APP: { http: 400, retryable: false, text: 'The event names an app that this key does not write to.' },
  TOO_MANY_EVENTS: { http: 413, retryable: false, text: 'Over 2,000 events in one batch.' },
  DEDUPE_CONFLICT: { http: 409, retryable: false, text: 'Same event id with another payload. The first one stands.' },
  ROW_REFUSED: { http: 422, retryable: false, text: 'The warehouse refused this row.' },

  // Tracking links
  LINK_UNKNOWN: { http: 404, retryable: false, text: 'There is no such tracking link.' },
  LINK_EXPIRED: { http: 410, retryable: false, text: 'This tracking link has expired.' },

  // GraphQL
  GRAPHQL_PARSE_FAILED: { http: 400, retryable: false, text: 'The GraphQL document cannot be parsed.' },
  GRAPHQL_VALIDATION_FAILED: { http: 400, retryable: false, text: 'The GraphQL document does not fit the schema.' },
  BAD_USER_INPUT: { http: 400, retryable: false, text: 'An argument is out of its range.' },
  OPERATION_TOO_LARGE: { http: 400, retryable: false, text: 'The operation is too deep, too wide or too long.' },
  COST_LIMIT_EXCEEDED: {
    http: 400,
    retryable: false,
    text: 'The operation costs more than one query may. Ask for fewer rows, metrics or a shorter range.',
  },
  DOCUMENT_NOT_TRUSTED: {
    http: 400,
    retryable: false,
    text: 'This key runs trusted documents only, and this is none.',
  },
  DOCUMENT_UNKNOWN: { http: 404, retryable: true, text: 'No document is held under that hash. Send its text once.' },
  RANGE_TOO_LARGE: { http: 400, retryable: false, text: 'The time range or grain is beyond the bounds of your plan.' },
  IDEMPOTENCY_CONFLICT: {
    http: 409,
    retryable: false,
    text: 'That idempotency key was used for another request. Use a new key.',
  },
  CONFLICT: { http: 409, retryable: false, text: 'That is taken, or was changed by someone else meanwhile.' },
  SUBSCRIPTION_OVER_HTTP: {
    http: 400,
    retryable: false,
    text: 'Subscriptions go over WebSocket (graphql-transport-ws).',
  },
  CURSOR_EXPIRED: { http: 410, retryable: false, text: 'That cursor is no longer held. Start again from a snapshot.' },
  SCHEMA_CHANGED: { http: 503, retryable: true, text: 'The graph was updated. Subscribe again.' },
  SUBSCRIBER_TOO_SLOW: { http: 429, retryable: true, text: 'The subscriber reads too slowly. Resume from the cursor.' },

  // Consumer
  STALE_OWNER: {
    http: 409,
    retryable: true,
    text: 'Another consumer owns this partition now. What was read is read again by it.',
  },

  // Operators
  CONFIG_INVALID: { http: 500, retryable: false, text: 'The configuration has faults; all are listed.' },
  MIGRATION_FAILED: { http: 500, retryable: false, text: 'A migration failed; nothing was started.' },
  BACKUP_INVALID: { http: 500, retryable: false, text: 'The backup is incomplete or damaged; nothing was changed.' },
  DATA_DIR_IN_USE: { http: 500, retryable: false, text: 'Another process family uses this data directory.' },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorCatalogue;

export interface CodedErrorOptions {
  /** Replaces the catalogue's text; must be fit for strangers. */
  readonly message?: string;
  readonly cause?: unknown;
  /** Small, public facts: field, index, limit. Never a secret. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly retryAfterSeconds?: number;
}

/** A fault or refusal of the catalogue. Only the edges (HTTP, GraphQL, CLI) turn it into their form. */
export class CodedError extends Error {
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>> | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, options: CodedErrorOptions = {}) {
    super(
      options.message ?? errorCatalogue[code].text,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = 'CodedError';
    this.code = code;
    this.details = options.details;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  get http(): number {
    return errorCatalogue[this.code].http;
  }

  get retryable(): boolean {
    return errorCatalogue[this.code].retryable;
  }
}

/** Anything thrown, as a catalogue error: coded ones as they are, all else as INTERNAL with the cause kept for the log. */
export function toCodedError(thrown: unknown): CodedError {
  return thrown instanceof CodedError ? thrown : new CodedError('INTERNAL', { cause: thrown });
}

/** The HTTP body of an error: `{ error: { code, message, requestId, details? } }`. */
export function errorBody(error: CodedError, requestId: string): { error: Record<string, unknown> } {
  return {
    error: {
      code: error.code,
      message: error.message,
      requestId,
      retryable: error.retryable,
      ...(error.details ? { details: error.details } : {}),
    },
  };
}
