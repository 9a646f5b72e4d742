/** A fault in ClickHouse's own terms: what its HTTP interface answers with. */
export class EngineError extends Error {
  readonly engineCode: number;
  readonly engineName: string;

  constructor(engineCode: number, engineName: string, text: string) {
    super(`Code: ${engineCode}. DB::Exception: ${text} (${engineName})`);
    this.name = 'EngineError';
    this.engineCode = engineCode;
    this.engineName = engineName;
  }
}

export const engineErrors = {
  unsupportedMethod: (text: string) => new EngineError(1, 'UNSUPPORTED_METHOD', text),
  badArguments: (text: string) => new EngineError(36, 'BAD_ARGUMENTS', text),
  unknownSetting: (name: string) => new EngineError(115, 'UNKNOWN_SETTING', `Unknown setting '${name}'.`),
  timeout: (ms: number) => new EngineError(159, 'TIMEOUT_EXCEEDED', `Timeout exceeded: maximum: ${ms} ms.`),
  readonly: (text: string) => new EngineError(164, 'READONLY', text),
  tooManyQueries: (queued: number) =>
    new EngineError(202, 'TOO_MANY_SIMULTANEOUS_QUERIES', `Too many simultaneous queries: ${queued} are waiting.`),
  sameId: (id: string) =>
    new EngineError(216, 'QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING', `Query with id = ${id} is already running.`),
  shuttingDown: () => new EngineError(210, 'NETWORK_ERROR', 'The warehouse is shutting down.'),
  cancelled: () => new EngineError(394, 'QUERY_WAS_CANCELLED', 'Query was cancelled.'),
  unknownParameter: (name: string) =>
    new EngineError(456, 'UNKNOWN_QUERY_PARAMETER', `Substitution \`${name}\` is not set.`),
};

/** The name is in the last parentheses: those before may quote the statement. */
const errorPattern = /Code: (\d+)\. DB::Exception: ([\s\S]*)\(([A-Z][A-Z0-9_]{2,})\)/;

/** Anything thrown by the engine or its wrapper, in ClickHouse's terms; 1002 UNKNOWN_EXCEPTION where it says no code. */
export function toEngineError(thrown: unknown): EngineError {
  if (thrown instanceof EngineError) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const match = errorPattern.exec(text);
  return match
    ? new EngineError(Number(match[1]), match[3] ?? 'UNKNOWN_EXCEPTION', match[2]?.trimEnd() ?? '')
    : new EngineError(1002, 'UNKNOWN_EXCEPTION', text);
}

const notFound = new Set([46, 47, 50, 56, 60, 63, 73, 81, 110, 115, 336]);
const badRequest = new Set([
  6, 7, 8, 10, 15, 16, 20, 26, 27, 33, 34, 36, 38, 41, 42, 43, 44, 53, 57, 62, 69, 70, 72, 82, 117, 130, 131, 179, 184,
  215, 349, 407, 456, 457,
]);
const byCode: Readonly<Record<number, number>> = { 48: 501, 159: 408, 164: 403, 202: 503, 210: 503, 497: 403 };

/** The status that ClickHouse gives with an error code (its exceptionCodeToHTTPStatus); 202 is 503 here, as it is overload. */
export function httpStatusOf(engineCode: number): number {
  return byCode[engineCode] ?? (notFound.has(engineCode) ? 404 : badRequest.has(engineCode) ? 400 : 500);
}
