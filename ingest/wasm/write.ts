/** Writes texts, pieces and numbers; returns the place behind. Up to 32 bytes more may be written over. */

import { isLetter, minus, quote, zero } from './bytes';
import { pieces } from './memory';

@inline export function copy(from: usize, end: usize, to: usize): usize {
  const length = end - from;
  if (length > 256) memory.copy(to, from, length);
  else for (let done: usize = 0; done < length; done += 16) v128.store(to + done, v128.load(from + done));
  return to + length;
}

@inline export function put(piece: i32, to: usize): usize {
  const at = pieces + (piece << 6);
  v128.store(to, v128.load(at, 16));
  v128.store(to, v128.load(at, 32), 16);
  return to + load<u32>(at);
}

/** Writes a text of the context. */
@inline export function putText(text: usize, to: usize): usize {
  return copy(text, text + load<u32>(text - 4), to);
}

@inline export function putQuote(to: usize): usize {
  store<u8>(to, quote as u8);
  return to + 1;
}

/** `count` digits of a number below 10^8. */
@inline function putDigits(value: u32, count: i32, to: usize): usize {
  for (let at = to + count - 1; at >= to; at -= 1) {
    // value / 10 for all of 32 bits.
    const next = (((value as u64) * 0xcccccccd) >> 35) as u32;
    store<u8>(at, (zero + (value - next * 10)) as u8);
    value = next;
  }
  return to + count;
}

@inline function digitsOf(value: u32): i32 {
  let count = 1;
  for (let bound: u32 = 10; count < 8 && value >= bound; bound *= 10) count += 1;
  return count;
}

/** A whole number below 10^16. */
export function putNumber(value: i64, to: usize): usize {
  if (value < 0) {
    store<u8>(to, minus as u8);
    return putNumber(-value, to + 1);
  }
  if (value < 100_000_000) return putDigits(value as u32, digitsOf(value as u32), to);
  const high = value / 100_000_000;
  return putDigits((value - high * 100_000_000) as u32, 8, putDigits(high as u32, digitsOf(high as u32), to));
}

/** `count` letters in upper case; 0 where it is anything else. */
export function putUpper(from: usize, end: usize, count: i32, to: usize): usize {
  if ((end - from) as i32 != count) return 0;
  for (let index = 0; index < count; index += 1) {
    const byte: i32 = load<u8>(from + index);
    if (!isLetter(byte)) return 0;
    store<u8>(to + index, (byte & 0xdf) as u8);
  }
  return to + count;
}

/** 16 lower-case hex digits. */
@inline export function putHex(hash: u64, to: usize): void {
  const twice = i8x16.swizzle(i64x2.splat(hash as i64), v128(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0));
  const nibbles = v128.bitselect(
    i8x16.shr_u(twice, 4),
    v128.and(twice, i8x16.splat(15)),
    v128(-1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0),
  );
  const digits = v128(48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 97, 98, 99, 100, 101, 102);
  v128.store(to, i8x16.swizzle(digits, nibbles));
}
