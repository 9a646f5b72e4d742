import { slots } from '../client-fields.ts';
import { hashStep, slotAt } from './field-names.ts';

/**
 * Finds the fields of one event in the bytes of a body that holds no backslash. It takes a part of JSON only: whatever is
 * unusual is left to JSON.parse and the builder behind it, which decide alone what is wrong with an event and how odd values
 * are written. So everything that is taken here must be written as they would write it; a property test holds both together.
 */
export interface EventScanner {
  /** Scans the object that begins at `at`. Returns the place behind it, or −1 when this event is not for the scanner. */
  scan(bytes: Uint8Array, at: number, end: number): number;
  /** By slot: where the text begins (behind its quote, or at a number's first digit); −1 = absent. */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  /** By slot: 1 where the value is a number. */
  readonly isNumber: Uint8Array;
  /** Blanks stand between the parts of `properties`. */
  hasBlanks(): boolean;
}

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const opening = 0x7b;
const closing = 0x7d;
const arrayOpening = 0x5b;
const arrayClosing = 0x5d;
const minus = 0x2d;
const point = 0x2e;
const zero = 0x30;
const nine = 0x39;

/** Deeper ones are for JSON.parse. */
const maxDepth = 12;
/** Names of one object; more are for JSON.parse. */
const maxNames = 64;
/** A double holds any number of as many digits, and gives the same ones back. */
const maxDigits = 15;
/** Below 0.000001 JavaScript writes an exponent. */
const maxDecimals = 6;

const no = -1;
const slotCount = Object.keys(slots).length;
const propertiesSlot = slots.properties;

/** (Over 50 lines: short functions over the same arrays, so that no event makes an object.) */
export function createEventScanner(): EventScanner {
  const starts = new Int32Array(slotCount);
  const ends = new Int32Array(slotCount);
  const isNumber = new Uint8Array(slotCount);
  /** Hashes of the names of the objects that are open, one object's behind another's. */
  const seen = new Int32Array(maxNames * maxDepth);
  let blanks = false;

  function scan(bytes: Uint8Array, at: number, end: number): number {
    starts.fill(no);
    isNumber.fill(0);
    blanks = false;
    let pos = at;
    do {
      pos = skipBlanks(bytes, pos + 1, end);
      if (bytes[pos] !== quote) return no;
      const nameAt = pos + 1;
      let hash = 0;
      for (pos = nameAt; pos < end && bytes[pos] !== quote; pos += 1) hash = hashStep(hash, bytes[pos]!);
      if (pos >= end) return no;
      const slot = slotAt(bytes, nameAt, pos, hash);
      // A second one of the same name would win; that is for JSON.parse.
      if (slot === no || starts[slot] !== no) return no;
      pos = skipBlanks(bytes, pos + 1, end);
      if (bytes[pos] !== colon) return no;
      pos = skipBlanks(bytes, pos + 1, end);
      pos = slot === propertiesSlot ? takeProperties(bytes, pos, end) : takeValue(bytes, pos, end, slot);
      if (pos === no) return no;
      if (bytes[pos]! <= 0x20) pos = skipBlanks(bytes, pos, end);
    } while (pos < end && bytes[pos] === comma);
    return pos < end && bytes[pos] === closing ? pos + 1 : no;
  }

  function takeValue(bytes: Uint8Array, at: number, end: number, slot: number): number {
    starts[slot] = at;
    if (bytes[at] === quote) {
      const textEnd = skipText(bytes, at + 1, end);
      starts[slot] = at + 1;
      ends[slot] = textEnd - 1;
      return textEnd;
    }
    const numberEnd = skipNumber(bytes, at, end);
    isNumber[slot] = 1;
    ends[slot] = numberEnd;
    return numberEnd;
  }

  function takeProperties(bytes: Uint8Array, at: number, end: number): number {
    if (bytes[at] !== opening) return no;
    const pos = skipObject(bytes, at, end, 1);
    starts[propertiesSlot] = at;
    ends[propertiesSlot] = pos;
    return pos;
  }

  function skipObject(bytes: Uint8Array, at: number, end: number, depth: number): number {
    if (depth > maxDepth) return no;
    let pos = skipInner(bytes, at + 1, end);
    if (bytes[pos] === closing) return pos + 1;
    const firstName = (depth - 1) * maxNames;
    let names = firstName;
    for (;;) {
      if (bytes[pos] !== quote) return no;
      pos += 1;
      // Whole numbers as names change places in a JavaScript object, and __proto__ is no name like others.
      if (!isLetter(bytes[pos]!)) return no;
      let hash = 0;
      for (; pos < end && bytes[pos] !== quote; pos += 1) {
        if (bytes[pos]! < 0x20) return no;
        hash = hashStep(hash, bytes[pos]!);
      }
      if (names === firstName + maxNames) return no;
      for (let index = firstName; index < names; index += 1) if (seen[index] === hash) return no;
      seen[names] = hash;
      names += 1;
      pos = skipInner(bytes, pos + 1, end);
      if (bytes[pos] !== colon) return no;
      pos = skipValue(bytes, skipInner(bytes, pos + 1, end), end, depth);
      if (pos === no) return no;
      pos = skipInner(bytes, pos, end);
      if (bytes[pos] === closing) return pos + 1;
      if (bytes[pos] !== comma) return no;
      pos = skipInner(bytes, pos + 1, end);
    }
  }

  function skipArray(bytes: Uint8Array, at: number, end: number, depth: number): number {
    if (depth > maxDepth) return no;
    let pos = skipInner(bytes, at + 1, end);
    if (bytes[pos] === arrayClosing) return pos + 1;
    for (;;) {
      pos = skipValue(bytes, pos, end, depth);
      if (pos === no) return no;
      pos = skipInner(bytes, pos, end);
      if (bytes[pos] === arrayClosing) return pos + 1;
      if (bytes[pos] !== comma) return no;
      pos = skipInner(bytes, pos + 1, end);
    }
  }

  function skipValue(bytes: Uint8Array, at: number, end: number, depth: number): number {
    const first = at < end ? bytes[at]! : 0;
    if (first === quote) return skipText(bytes, at + 1, end);
    if (first === opening) return skipObject(bytes, at, end, depth + 1);
    if (first === arrayOpening) return skipArray(bytes, at, end, depth + 1);
    return isLetter(first) ? skipWord(bytes, at, end) : skipNumber(bytes, at, end);
  }

  /** As skipBlanks, and notes that there were some. */
  function skipInner(bytes: Uint8Array, at: number, end: number): number {
    if (at >= end || bytes[at]! > 0x20) return at;
    blanks = true;
    return skipBlanks(bytes, at, end);
  }

  return { scan, starts, ends, isNumber, hasBlanks: () => blanks };
}

/** The first place that is no blank; `end` at most. */
export function skipBlanks(bytes: Uint8Array, at: number, end: number): number {
  let pos = at;
  while (pos < end) {
    const byte = bytes[pos]!;
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) break;
    pos += 1;
  }
  return pos;
}

/** From behind a text's opening quote to behind its closing one; −1 where a control character or nothing ends it. */
function skipText(bytes: Uint8Array, at: number, end: number): number {
  for (let pos = at; pos < end; pos += 1) {
    const byte = bytes[pos]!;
    if (byte === quote) return pos + 1;
    if (byte < 0x20) return no;
  }
  return no;
}

/** Numbers that JavaScript writes as they stand: up to 15 digits, 6 of them decimals, the last of those not 0; no exponent, no −0. */
function skipNumber(bytes: Uint8Array, at: number, end: number): number {
  let pos = at;
  if (pos < end && bytes[pos] === minus) pos += 1;
  const wholeAt = pos;
  while (pos < end && isDigit(bytes[pos]!)) pos += 1;
  let digits = pos - wholeAt;
  if (digits === 0 || (bytes[wholeAt] === zero && digits > 1)) return no;
  if (pos < end && bytes[pos] === point) {
    pos += 1;
    const decimalsAt = pos;
    while (pos < end && isDigit(bytes[pos]!)) pos += 1;
    const decimals = pos - decimalsAt;
    if (decimals === 0 || decimals > maxDecimals || bytes[pos - 1] === zero) return no;
    digits += decimals;
  } else if (bytes[wholeAt] === zero && wholeAt > at) return no;
  const next = pos < end ? bytes[pos]! | 0x20 : 0;
  return digits > maxDigits || next === 0x65 ? no : pos;
}

const words = ['true', 'false', 'null'].map((word) => Buffer.from(word, 'latin1'));

function skipWord(bytes: Uint8Array, at: number, end: number): number {
  for (const word of words) {
    if (bytes[at] !== word[0]) continue;
    for (let index = 1; index < word.length; index += 1)
      if (at + index >= end || bytes[at + index] !== word[index]) return no;
    return at + word.length;
  }
  return no;
}

const isDigit = (byte: number): boolean => byte >= zero && byte <= nine;
const isLetter = (byte: number): boolean => (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a;

/** The object from `start` to `end` as it stands between the quotes of a JSON text: quotes escaped, blanks left out. Returns the place behind it. */
export function writeEmbedded(
  bytes: Uint8Array,
  start: number,
  end: number,
  hasBlanks: boolean,
  target: Uint8Array,
  at: number,
): number {
  let to = at;
  let inText = false;
  for (let pos = start; pos < end; pos += 1) {
    const byte = bytes[pos]!;
    if (byte === quote) {
      target[to] = 0x5c;
      to += 1;
      inText = !inText;
    } else if (hasBlanks && !inText && byte <= 0x20) continue;
    target[to] = byte;
    to += 1;
  }
  return to;
}
