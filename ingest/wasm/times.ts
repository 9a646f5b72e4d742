/** Times, in epoch ms; −1 = absent, −2 = not for here. */

import { colon, isDigit, minus, point, zero } from './bytes';
import { bitOf, bounds, endOf, isThere, numbers, startOf } from './memory';

@inline export function futureMs(): i64 { return load<i64>(bounds); }
@inline export function lateMs(): i64 { return load<i64>(bounds, 8); }
@inline export function writeKeyMaxAgeMs(): i64 { return load<i64>(bounds, 16); }
@inline export function secretKeyMaxAgeMs(): i64 { return load<i64>(bounds, 24); }
@inline function latestMs(): i64 { return load<i64>(bounds, 32); }
@inline function secondsBelow(): i64 { return load<i64>(bounds, 40); }

export function timeOf(slot: i32): i64 {
  if (!isThere(slot)) return -1;
  return timeAt(startOf(slot), endOf(slot), (numbers & bitOf(slot)) != 0);
}

export function timeAt(at: usize, end: usize, isNumber: bool): i64 {
  if (!isNumber) return isoAt(at, (end - at) as i32);
  let value: i64 = 0;
  for (let pos = at; pos < end; pos += 1) {
    const digit: i32 = load<u8>(pos) - zero;
    // A sign or a point.
    if (digit < 0) return -2;
    value = value * 10 + digit;
  }
  if (value < secondsBelow()) value *= 1_000;
  return value <= latestMs() ? value : -2;
}

/** `count` digits; −1 000 000 where one is none. */
@inline function digitsAt(at: usize, count: i32): i32 {
  let value = 0;
  for (let index = 0; index < count; index += 1) {
    const byte: i32 = load<u8>(at + index);
    if (!isDigit(byte)) return -1_000_000;
    value = value * 10 + byte - zero;
  }
  return value;
}

@inline function daysOf(month: i32, year: i32): i32 {
  if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/** `2026-11-24T12:00:00Z`, with milliseconds or without. */
function isoAt(at: usize, length: i32): i64 {
  if (length != 20 && length != 24) return -2;
  if (load<u8>(at, 4) != minus || load<u8>(at, 7) != minus || load<u8>(at, 10) != 0x54) return -2;
  if (load<u8>(at, 13) != colon || load<u8>(at, 16) != colon || load<u8>(at + length - 1) != 0x5a) return -2;
  if (length == 24 && load<u8>(at, 19) != point) return -2;
  const year = digitsAt(at, 4);
  const month = digitsAt(at + 5, 2);
  const day = digitsAt(at + 8, 2);
  const hour = digitsAt(at + 11, 2);
  const minute = digitsAt(at + 14, 2);
  const second = digitsAt(at + 17, 2);
  const ms = length == 24 ? digitsAt(at + 20, 3) : 0;
  if (year < 1970 || month < 1 || month > 12 || day < 1 || day > daysOf(month, year)) return -2;
  if ((hour | minute | second | ms) < 0 || hour > 23 || minute > 59 || second > 59) return -2;
  // Days from 1 March of the year 0, whose years end with February.
  const shifted = month > 2 ? year : year - 1;
  const days = 365 * shifted + shifted / 4 - shifted / 100 + shifted / 400
    + (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1 - 719_468;
  const value = (days as i64) * 86_400_000 + ((hour * 3_600 + minute * 60 + second) as i64) * 1_000 + ms;
  return value <= latestMs() ? value : -2;
}
