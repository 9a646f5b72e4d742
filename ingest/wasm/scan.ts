/** Finds an event's fields in JSON text, and writes its properties as they are scanned. 0 = this is not for here. */

import {
  arrayClosing,
  arrayOpening,
  closing,
  colon,
  comma,
  isBlank,
  isDigit,
  isLetter,
  minus,
  opening,
  point,
  quote,
  zero,
} from './bytes';
import { hash64 } from './hash';
import {
  atProperties,
  bitOf,
  embedded,
  ends,
  fieldNames,
  given,
  numbers,
  out,
  seenNames,
  slotOf,
  starts,
  there,
} from './memory';
import { masked, mixed, wordAt } from './words';
import { copy } from './write';

/** Below 0.000001 JavaScript writes an exponent. */
const maxDecimals: i32 = 6;
/** A double holds any number of as many digits, and gives the same ones back. */
const maxDigits: i32 = 15;
/** Names of one object; more are for JSON.parse. */
const maxNames: i32 = 64;
/** Deeper ones are for JSON.parse. */
const maxDepth: i32 = 12;

@inline export function skipBlanks(at: usize): usize {
  while (load<u8>(at) <= 0x20 && isBlank(load<u8>(at))) at += 1;
  return at;
}

/** Which of 16 bytes are a quote or a control character. A body ends with zeros, so that every search ends. */
@inline function stopsIn(text: v128): i32 {
  return i8x16.bitmask(v128.or(i8x16.eq(text, i8x16.splat(0x22)), i8x16.lt_u(text, i8x16.splat(0x20))));
}

/** From behind a text's opening quote to its closing one. */
@inline export function endOfText(at: usize): usize {
  let stops = stopsIn(v128.load(at));
  while (stops == 0) {
    at += 16;
    stops = stopsIn(v128.load(at));
  }
  at += ctz(stops);
  return load<u8>(at) == quote ? at : 0;
}

/** Numbers that JavaScript writes as they stand: up to 15 digits, 6 of them decimals, the last of those not 0; no exponent, no −0. */
export function endOfNumber(at: usize): usize {
  let pos = at;
  if (load<u8>(pos) == minus) pos += 1;
  const wholeAt = pos;
  while (isDigit(load<u8>(pos))) pos += 1;
  let digits = (pos - wholeAt) as i32;
  if (digits == 0 || (load<u8>(wholeAt) == zero && digits > 1)) return 0;
  if (load<u8>(pos) == point) {
    pos += 1;
    const decimalsAt = pos;
    while (isDigit(load<u8>(pos))) pos += 1;
    const decimals = (pos - decimalsAt) as i32;
    if (decimals == 0 || decimals > maxDecimals || load<u8>(pos - 1) == zero) return 0;
    digits += decimals;
  } else if (load<u8>(wholeAt) == zero && wholeAt > at) return 0;
  return digits > maxDigits || (load<u8>(pos) | 0x20) == 0x65 ? 0 : pos;
}

function endOfWord(at: usize): usize {
  const four = load<u32>(at);
  // true, null, false: little-endian.
  if (four == 0x65757274 || four == 0x6c6c756e) return at + 4;
  return four == 0x736c6166 && load<u8>(at + 4) == 0x65 ? at + 5 : 0;
}

/** Finds the fields of the object at `at`; returns the place behind it. */
export function scanEvent(at: usize): usize {
  given = 0;
  there = 0;
  numbers = 0;
  out = embedded;
  const propertiesSlot = slotOf(atProperties);
  let pos = at;
  do {
    pos = skipBlanks(pos + 1);
    if (load<u8>(pos) != quote) return 0;
    const nameAt = pos + 1;
    pos = endOfText(nameAt);
    if (pos == 0) return 0;
    const slot = wordAt(fieldNames, nameAt, (pos - nameAt) as i32);
    // A second one of the same name would win; that is for JSON.parse.
    if (slot < 0 || (given & bitOf(slot)) != 0) return 0;
    given |= bitOf(slot);
    pos = skipBlanks(pos + 1);
    if (load<u8>(pos) != colon) return 0;
    pos = skipBlanks(pos + 1);
    const first: i32 = load<u8>(pos);
    // null: little-endian. As good as absent.
    if (load<u32>(pos) == 0x6c6c756e) pos += 4;
    else if (slot == propertiesSlot) {
      if (first != opening) return 0;
      pos = takeObject(pos, 1);
      there |= bitOf(slot);
    } else if (first == quote) {
      const end = endOfText(pos + 1);
      if (end == 0) return 0;
      store<u32>(starts + (slot << 2), (pos + 1) as u32);
      store<u32>(ends + (slot << 2), end as u32);
      if (end > pos + 1) there |= bitOf(slot);
      pos = end + 1;
    } else {
      const end = endOfNumber(pos);
      if (end == 0) return 0;
      store<u32>(starts + (slot << 2), pos as u32);
      store<u32>(ends + (slot << 2), end as u32);
      there |= bitOf(slot);
      numbers |= bitOf(slot);
      pos = end;
    }
    if (pos == 0) return 0;
    pos = skipBlanks(pos);
  } while (load<u8>(pos) == comma);
  return load<u8>(pos) == closing ? pos + 1 : 0;
}

/** Properties are written as they stand between the quotes of a JSON text, as they are read: quotes escaped, blanks left out. */
@inline function write(byte: i32): void {
  store<u8>(out, byte as u8);
  out += 1;
}

/** Copies a text with escaped quotes around, from behind its opening quote; returns the place behind its closing one. */
@inline function takeText(at: usize): usize {
  let to = out;
  store<u16>(to, 0x225c);
  to += 2;
  let text = v128.load(at);
  v128.store(to, text);
  let stops = stopsIn(text);
  while (stops == 0) {
    at += 16;
    to += 16;
    text = v128.load(at);
    v128.store(to, text);
    stops = stopsIn(text);
  }
  const rest = ctz(stops);
  at += rest;
  to += rest;
  store<u16>(to, 0x225c);
  out = to + 2;
  return load<u8>(at) == quote ? at + 1 : 0;
}

function takeObject(at: usize, depth: i32): usize {
  if (depth > maxDepth) return 0;
  write(opening);
  let pos = skipBlanks(at + 1);
  if (load<u8>(pos) == closing) {
    write(closing);
    return pos + 1;
  }
  const firstName = seenNames + (((depth - 1) * maxNames) << 3);
  let names = firstName;
  while (true) {
    if (load<u8>(pos) != quote) return 0;
    const nameAt = pos + 1;
    // Whole numbers as names change places in a JavaScript object, and __proto__ is no name like others.
    if (!isLetter(load<u8>(nameAt))) return 0;
    pos = takeText(nameAt);
    if (pos == 0) return 0;
    const length = (pos - nameAt) as i32 - 1;
    const hash = length <= 16 ? mixed(masked(nameAt, length)) : hash64(nameAt, length);
    if (names == firstName + (maxNames << 3)) return 0;
    for (let seen = firstName; seen < names; seen += 8) if (load<u64>(seen) == hash) return 0;
    store<u64>(names, hash);
    names += 8;
    pos = skipBlanks(pos);
    if (load<u8>(pos) != colon) return 0;
    write(colon);
    pos = takeValue(skipBlanks(pos + 1), depth);
    if (pos == 0) return 0;
    pos = skipBlanks(pos);
    const next: i32 = load<u8>(pos);
    if (next != comma && next != closing) return 0;
    write(next);
    if (next == closing) return pos + 1;
    pos = skipBlanks(pos + 1);
  }
}

function takeArray(at: usize, depth: i32): usize {
  if (depth > maxDepth) return 0;
  write(arrayOpening);
  let pos = skipBlanks(at + 1);
  if (load<u8>(pos) == arrayClosing) {
    write(arrayClosing);
    return pos + 1;
  }
  while (true) {
    pos = takeValue(pos, depth);
    if (pos == 0) return 0;
    pos = skipBlanks(pos);
    const next: i32 = load<u8>(pos);
    if (next != comma && next != arrayClosing) return 0;
    write(next);
    if (next == arrayClosing) return pos + 1;
    pos = skipBlanks(pos + 1);
  }
}

function takeValue(at: usize, depth: i32): usize {
  const first: i32 = load<u8>(at);
  if (first == quote) return takeText(at + 1);
  if (first == opening) return takeObject(at, depth + 1);
  if (first == arrayOpening) return takeArray(at, depth + 1);
  const end = isLetter(first) ? endOfWord(at) : endOfNumber(at);
  if (end != 0) out = copy(at, end, out);
  return end;
}
