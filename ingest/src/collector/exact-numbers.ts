/** A number as it was written, where a double would not hold it (ids of 17 and more digits are common). */
export interface RawNumber {
  readonly rawJSON: string;
}

/** Of ECMAScript's "JSON.parse source text access", which the compiler's library does not know yet. */
const json = JSON as unknown as {
  rawJSON(text: string): RawNumber;
  isRawJSON(value: unknown): value is RawNumber;
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
};

/** Beyond it, neighbouring whole numbers share a double. */
export function isExact(value: number): boolean {
  return value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER;
}

/** As JSON.parse, but numbers that a double does not hold stay as they were written. Many times slower: for bodies that have some. */
export function parseExact(text: string): unknown {
  return json.parse(text, (_key, value, { source }) =>
    typeof value === 'number' && !isExact(value) && source !== undefined ? json.rawJSON(source) : value,
  );
}

export function isRawNumber(value: unknown): value is RawNumber {
  return json.isRawJSON(value);
}
