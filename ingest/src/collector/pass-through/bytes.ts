/** Bytes with a view for reading and writing words at any place. */
export interface Words {
  readonly bytes: Buffer;
  readonly view: DataView;
}

export function wordsOf(bytes: Buffer): Words {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

/** Writes a whole number in decimal; returns the place behind it. */
export function putNumber(value: number, target: Words, at: number): number {
  if (value < 0) {
    target.bytes[at] = 0x2d;
    return putNumber(-value, target, at + 1);
  }
  if (value < 10_000_000) return putDigits(value, digitsOf(value), target.bytes, at);
  const high = Math.floor(value / 10_000_000);
  const highEnd = high < 10_000_000 ? putDigits(high, digitsOf(high), target.bytes, at) : putNumber(high, target, at);
  return putDigits(value - high * 10_000_000, 7, target.bytes, highEnd);
}

function putDigits(value: number, count: number, bytes: Buffer, at: number): number {
  let rest = value | 0;
  for (let index = at + count - 1; index >= at; index -= 1) {
    const next = (rest / 10) | 0;
    bytes[index] = 0x30 + rest - next * 10;
    rest = next;
  }
  return at + count;
}

function digitsOf(value: number): number {
  let count = 1;
  for (let bound = 10; value >= bound; bound *= 10) count += 1;
  return count;
}
