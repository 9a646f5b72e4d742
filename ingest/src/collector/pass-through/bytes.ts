/**
 * Moving short pieces of bytes: a call into the runtime costs as much as fifty of them, and a loop over bytes four times one
 * over words. Pieces may be written up to three bytes beyond their end, where the next one is written over it: every target
 * has room for that.
 */
const fewBytes = 96;

/** Bytes with a view for reading and writing words at any place. */
export interface Words {
  readonly bytes: Buffer;
  readonly view: DataView;
}

export function wordsOf(bytes: Buffer): Words {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

/** A text that is written often: as words, the last one filled up. */
export interface Piece {
  readonly length: number;
  readonly words: Int32Array;
  readonly bytes: Buffer;
}

export function pieceOf(text: string): Piece {
  const bytes = Buffer.from(text, 'utf8');
  const words = new Int32Array(Math.ceil(bytes.length / 4));
  const padded = Buffer.alloc(words.length * 4);
  bytes.copy(padded);
  for (let index = 0; index < words.length; index += 1) words[index] = padded.readInt32LE(index * 4);
  return { length: bytes.length, words, bytes };
}

/** Writes a piece; returns the place behind it. */
export function put({ words, length, bytes }: Piece, target: Words, at: number): number {
  if (length > fewBytes) bytes.copy(target.bytes, at);
  else for (let index = 0; index < words.length; index += 1) target.view.setInt32(at + index * 4, words[index]!, true);
  return at + length;
}

/** Copies from `start` to `end`; returns the place behind it. */
export function copy(source: Words, start: number, end: number, target: Words, at: number): number {
  const length = end - start;
  if (length > fewBytes) {
    source.bytes.copy(target.bytes, at, start, end);
    return at + length;
  }
  let done = 0;
  for (; done + 4 <= length; done += 4) target.view.setInt32(at + done, source.view.getInt32(start + done, true), true);
  for (; done < length; done += 1) target.bytes[at + done] = source.bytes[start + done]!;
  return at + length;
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
