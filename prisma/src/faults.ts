import { CodedError } from '@tributary/schema';

/** Prisma's codes for: not reachable, refused, timed out, closed, no connection free, transaction not started in time. */
const prismaCodes = new Set(['P1000', 'P1001', 'P1002', 'P1003', 'P1008', 'P1010', 'P1011', 'P1017', 'P2024', 'P2037']);
const systemCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'EHOSTUNREACH',
]);
/** SQLSTATE: connection exceptions, shutdown and start-up of the server, too many connections. */
const sqlStates = /^(08...|57P0[1-5]|53300)$/;
/** `pg` and PGlite throw these without a code. */
const texts =
  /timeout exceeded when trying to connect|connection terminated|PGlite is clos|Cannot use a pool after calling end|Query read timeout|Can't reach database|Unable to start a transaction/i;

function* causesOf(thrown: unknown): Generator<Record<string, unknown>> {
  for (let at = thrown, depth = 0; typeof at === 'object' && at !== null && depth < 8; depth += 1) {
    yield at as Record<string, unknown>;
    const { cause, meta } = at as { cause?: unknown; meta?: { driverAdapterError?: unknown } };
    at = cause ?? meta?.driverAdapterError;
  }
}

/** Whether a failure says that the store is away, rather than that a statement was wrong. */
export function isUnreachable(thrown: unknown): boolean {
  for (const error of causesOf(thrown)) {
    const code = error['originalCode'] ?? error['code'] ?? error['errorCode'];
    if (typeof code === 'string' && (prismaCodes.has(code) || systemCodes.has(code) || sqlStates.test(code)))
      return true;
    if (error['name'] === 'PrismaClientInitializationError') return true;
    if (typeof error['message'] === 'string' && texts.test(error['message'])) return true;
    if (Array.isArray(error['errors']) && error['errors'].some(isUnreachable)) return true;
  }
  return false;
}

/**
 * What a failed statement means to callers: RELATIONAL_UNAVAILABLE when the store is away, else INTERNAL with the cause
 * kept for the log. Coded errors pass as they are.
 */
export function toRelationalFault(thrown: unknown): CodedError {
  if (thrown instanceof CodedError) return thrown;
  return new CodedError(isUnreachable(thrown) ? 'RELATIONAL_UNAVAILABLE' : 'INTERNAL', { cause: thrown });
}

/** Whether a write was refused because a row with the same unique columns is there. */
export function isUniqueConflict(thrown: unknown): boolean {
  for (const error of causesOf(thrown)) if (error['code'] === 'P2002' || error['originalCode'] === '23505') return true;
  return false;
}
