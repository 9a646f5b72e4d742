import { CodedError } from '@tributary/schema';

/**
 * ClickHouse's codes for rows that it can't take (src/Common/ErrorCodes.cpp of ClickHouse): repeating won't help, and
 * some line is to blame. Everything else is of the engine, and the same rows go in later.
 */
const rowRefusals = new Set([
  6, // CANNOT_PARSE_TEXT
  25, // CANNOT_PARSE_ESCAPE_SEQUENCE
  26, // CANNOT_PARSE_QUOTED_STRING
  27, // CANNOT_PARSE_INPUT_ASSERTION_FAILED
  33, // CANNOT_READ_ALL_DATA
  38, // CANNOT_PARSE_DATE
  41, // CANNOT_PARSE_DATETIME
  53, // TYPE_MISMATCH
  69, // ARGUMENT_OUT_OF_BOUND
  70, // CANNOT_CONVERT_TYPE
  72, // CANNOT_PARSE_NUMBER
  117, // INCORRECT_DATA
  130, // CANNOT_READ_ARRAY_FROM_TEXT
  131, // TOO_LARGE_STRING_SIZE
  321, // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
  349, // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
  376, // CANNOT_PARSE_UUID
  407, // DECIMAL_OVERFLOW
  467, // CANNOT_PARSE_BOOL
  636, // CANNOT_EXTRACT_TABLE_STRUCTURE
]);

const memoryLimitExceeded = 241;
const tooManyParts = 252;

/**
 * `rows`: some of the rows can't be stored. `size`: so many at once can't. `stale`: a partition of it has a newer owner, and
 * nothing of it was stored. `unknown`: it may or may not have been stored, and can be tried again.
 */
export type InsertFailure = 'rows' | 'size' | 'stale' | 'unknown';

export function insertFailureOf(error: unknown): InsertFailure {
  if (!(error instanceof CodedError)) return 'unknown';
  if (error.code === 'STALE_OWNER') return 'stale';
  const engineCode = Number(error.details?.['engineCode'] ?? Number.NaN);
  if (error.code === 'ROW_REFUSED' || rowRefusals.has(engineCode)) return 'rows';
  if (error.code === 'QUERY_TOO_LARGE' || engineCode === memoryLimitExceeded) return 'size';
  // The same code as for back-pressure, but of one insert over more than 100 months.
  if (engineCode === tooManyParts && engineMessageOf(error).includes('Too many partitions')) return 'size';
  return 'unknown';
}

export const isStaleOwner = (error: unknown): boolean => error instanceof CodedError && error.code === 'STALE_OWNER';

/**
 * What the engine said, in one line. It quotes the rows around the fault: only that of an insert of a single line may be
 * shown to the line's owner, and none belongs in a log.
 */
export function engineMessageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const said = error.cause instanceof Error ? error.cause.message : error.message;
  return (said.split('\n', 1)[0] ?? '').slice(0, 500);
}
