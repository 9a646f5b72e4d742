/**
 * Lists of ids travel as parameters of a statement. A ClickHouse server takes 128 KiB for one parameter
 * (http_max_field_value_size), so lists are kept below that with some room for escapes; and this many items, so that a
 * statement's rows stay few.
 */
const parameterBytes = 100_000;
const itemsPerBatch = 10_000;
/** Quotes and comma of one element. */
const elementBytes = 3;

/**
 * Splits items so that no list of their keys grows over a parameter's limit. `keysOf` gives what an item adds to lists:
 * one text per list, or several joined where it adds several to one.
 */
export function* batchesOf<T>(items: readonly T[], keysOf: (item: T) => readonly string[]): Generator<readonly T[]> {
  let batch: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const weight = Math.max(...keysOf(item).map((key) => Buffer.byteLength(key))) + elementBytes;
    if (batch.length > 0 && (batch.length >= itemsPerBatch || bytes + weight > parameterBytes)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(item);
    bytes += weight;
  }
  if (batch.length > 0) yield batch;
}
