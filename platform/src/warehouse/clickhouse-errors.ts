import { ClickHouseError } from '@clickhouse/client';
import { CodedError, type ErrorCode } from '@tributary/schema';

/** TIMEOUT_EXCEEDED, TOO_SLOW */
const timeouts = new Set([159, 160]);
/** TOO_MANY_ROWS, MEMORY_LIMIT_EXCEEDED, TOO_MANY_BYTES, TOO_MANY_ROWS_OR_BYTES */
const tooLarge = new Set([158, 241, 307, 396]);
/**
 * What passes by itself or by an operator's hand: network, overload, too many parts, no space, read-only, shutting down,
 * not migrated yet, refused password, Keeper.
 */
const unavailable = new Set([81, 198, 202, 203, 209, 210, 236, 242, 243, 252, 279, 285, 319, 425, 439, 516, 745, 999]);
/** BAD_QUERY_PARAMETER: a value that doesn't parse as the type its placeholder names. */
const badInput = new Set([457]);

/**
 * Codes by which the engine refuses rows as they are: numbers, texts, dates, decimals, arrays and JSON that don't parse
 * as their columns. Trying the same bytes again fails again.
 */
const rowRefusals = new Set([6, 26, 27, 33, 34, 38, 41, 53, 69, 70, 72, 117, 130, 131, 190, 321, 349, 407, 691]);

/**
 * Whether the engine refused the rows of an insert (bytes, or INSERT … SELECT FROM format(…)) as they are, so that a retry
 * of the same bytes can't help. Nothing of the refused batch was stored, as long as it is below the engine's block size
 * (a million rows, 256 MB).
 */
export function isRowRefusal(error: unknown): boolean {
  const code = engineCodeOf(error);
  return code !== undefined && rowRefusals.has(code);
}

/** The engine's numeric code, when the engine answered at all. */
export function engineCodeOf(error: unknown): number | undefined {
  const code = error instanceof CodedError ? error.details?.['engineCode'] : undefined;
  return typeof code === 'number' ? code : undefined;
}

/**
 * A fault of the client or the engine as a catalogue error: the engine's code and name in `details.engineCode` and
 * `details.engineName` when it answered, `details.statement` always, the original as `cause`.
 */
export function warehouseError(thrown: unknown, statement: string, kind: 'insert' | 'other' = 'other'): CodedError {
  if (thrown instanceof CodedError) return thrown;
  if (!(thrown instanceof ClickHouseError)) {
    return new CodedError('WAREHOUSE_UNAVAILABLE', { cause: thrown, details: { statement } });
  }
  const engineCode = Number(thrown.code);
  return new CodedError(isFenceRefusal(engineCode, thrown.message) ? 'STALE_OWNER' : codeOf(engineCode, kind), {
    cause: thrown,
    details: { statement, engineCode, ...(thrown.type ? { engineName: thrown.type } : {}) },
  });
}

/** FUNCTION_THROW_IF_VALUE_IS_NON_ZERO, by the fence of events_inbox (schema/clickhouse/0008_exactly_once.sql). */
const isFenceRefusal = (engineCode: number, message: string): boolean =>
  engineCode === 395 && message.startsWith('STALE_OWNER');

function codeOf(engineCode: number, kind: 'insert' | 'other'): ErrorCode {
  if (timeouts.has(engineCode)) return 'QUERY_TIMEOUT';
  if (tooLarge.has(engineCode)) return 'QUERY_TOO_LARGE';
  if (unavailable.has(engineCode)) return 'WAREHOUSE_UNAVAILABLE';
  if (badInput.has(engineCode)) return 'BAD_USER_INPUT';
  return kind === 'insert' && rowRefusals.has(engineCode) ? 'ROW_REFUSED' : 'INTERNAL';
}
