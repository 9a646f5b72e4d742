/**
 * The short way of the native API in WebAssembly (AssemblyScript): from a body's bytes to canonical lines, their hashes, and
 * their places in blocks. It takes a part of JSON only; whatever is unusual is left to JSON.parse and the builder behind it,
 * which decide alone what is wrong with an event and how odd values are written. So everything that is taken here must be
 * written as they would write it: a property test holds both together.
 *
 * Nothing is allocated. The host fills the tables once, the context for each body, and says where in memory a body and its
 * lines stand; 16 bytes behind every text may be read, 32 behind every target written over.
 */

const quote: i32 = 0x22;
const comma: i32 = 0x2c;
const colon: i32 = 0x3a;
const opening: i32 = 0x7b;
const closing: i32 = 0x7d;
const arrayOpening: i32 = 0x5b;
const arrayClosing: i32 = 0x5d;
const minus: i32 = 0x2d;
const point: i32 = 0x2e;
const zero: i32 = 0x30;

/** Deeper ones are for JSON.parse. */
const maxDepth: i32 = 12;
/** Names of one object; more are for JSON.parse. */
const maxNames: i32 = 64;
/** A double holds any number of as many digits, and gives the same ones back. */
const maxDigits: i32 = 15;
/** Below 0.000001 JavaScript writes an exponent. */
const maxDecimals: i32 = 6;
/** Beyond it, the bounds of single events would have to be looked at. */
const maxEventBytes: usize = 131_072;
/** Of an envelope behind its events. */
const longestTail: usize = 200;
const maxEvents: i32 = 2_000;
/** Beyond its own bytes twice (each may be a quote to escape) and what its body's lines share, a line is never longer by more. */
const lineOverheadBytes: usize = 3_000;

/* Tables, filled once. */

/** Texts of up to 32 bytes by hash: 128 places of 48 bytes (length, value, 14 free, text). */
const tableBytes: usize = 128 * 48;
export const fieldNames: usize = memory.data(128 * 48, 16);
export const kindsOfNames: usize = memory.data(128 * 48, 16);
export const kinds: usize = memory.data(128 * 48, 16);
export const environments: usize = memory.data(128 * 48, 16);
/** What is written often: 64 places of 64 bytes (length in 4, 12 free, text of up to 32). The first are the text fields' openings. */
export const pieces: usize = memory.data(128 * 64, 16);
/** By slot: the longest text. */
export const longest: usize = memory.data(64 * 4, 16);
/** Slots of fields with a meaning here, in the order of `slotOf`. */
export const knownSlots: usize = memory.data(64, 16);
/** The flags' member for each set of the four that are found here: 16 places of 128 bytes (length in 4, text behind 16). */
export const flagPieces: usize = memory.data(16 * 128, 16);
/** futureMs, lateMs, writeKeyMaxAgeMs, secretKeyMaxAgeMs, latestMs, secondsBelow, as i64. */
export const bounds: usize = memory.data(64, 16);

/* The context of a body: texts with their length in the 4 bytes before them. */

export const prefix: usize = memory.data(8_192, 16);
export const wholePlace: usize = memory.data(1_024, 16);
export const countryPlace: usize = memory.data(256, 16);
export const agentWhole: usize = memory.data(1_024, 16);
export const agentPlatform: usize = memory.data(512, 16);
export const agentVersion: usize = memory.data(512, 16);
export const agentModel: usize = memory.data(1_024, 16);
/** The agent's platform, in lower case as it is compared. */
export const agentName: usize = memory.data(256, 16);
export const currency: usize = memory.data(32, 16);
/** What the dedupe keys of an app begin with; an id is written behind it. */
export const dedupeKey: usize = memory.data(2_048, 16);

/* What was found. */

/** Of each line: where it ends (behind the first line's start), its minute since 1970, and both hashes; 24 bytes. */
export const lines: usize = memory.data(2_000 * 24, 16);
/** `"id",` of each event. */
export const ids: usize = memory.data(2_000 * 208, 16);
/** Where the escaped properties of the event at hand stand. */
let embedded: usize = 0;

/** Heads of the partitions' blocks, 256 bytes each. */
export const heads: usize = memory.data(64 * 256, 16);
/** Behind it memory is the host's. */
export const free: usize = __heap_base;

const starts: usize = memory.data(64 * 4, 16);
const ends: usize = memory.data(64 * 4, 16);
const seenNames: usize = memory.data(64 * 12 * 8, 16);

/** Fields that are given in the event at hand, empty ones and null too; those that hold something; those that are numbers. */
let given: u64 = 0;
let there: u64 = 0;
let numbers: u64 = 0;
/** Where the next byte of escaped properties is written. */
let out: usize = 0;
let idsEnd: usize = 0;
let isSingle: bool = false;
/** Of the envelope; −1 = not told. */
let batchSentAt: i64 = -1;

/** Known slots, in the host's order. */
const atEventId: i32 = 0;
const atEventName: i32 = 1;
const atEventKind: i32 = 2;
const atEnvironment: i32 = 3;
const atOccurredAt: i32 = 4;
const atSentAt: i32 = 5;
const atBeganAt: i32 = 6;
const atCountry: i32 = 7;
const atAmount: i32 = 8;
const atCurrency: i32 = 9;
const atProperties: i32 = 10;
const atAppId: i32 = 11;
const atIp: i32 = 12;
const atUserAgent: i32 = 13;
const atRegion: i32 = 14;
const atCity: i32 = 15;
const atPlatform: i32 = 16;
const atOsVersion: i32 = 17;
const atDeviceModel: i32 = 18;
/** What stands for the device, the first that is there: six of them. Those but the first and last are device ids. */
const atSubjects: i32 = 19;
const subjectCount: i32 = 6;

/** Pieces behind those of the text fields, in the host's order. */
const pieceId: i32 = 64;
const pieceDeviceKey: i32 = 65;
const pieceOccurred: i32 = 66;
const pieceSent: i32 = 67;
const pieceSkew: i32 = 68;
const pieceKind: i32 = 69;
const pieceName: i32 = 70;
const pieceEnvironment: i32 = 71;
const pieceCountry: i32 = 72;
const pieceAmount: i32 = 73;
const pieceCurrency: i32 = 74;
const pieceBegan: i32 = 75;
const pieceProperties: i32 = 76;
/** Names of kinds. */
const pieceKinds: i32 = 80;

@inline function slotOf(known: i32): i32 { return load<u8>(knownSlots + known); }
@inline function bitOf(slot: i32): u64 { return (1 as u64) << (slot as u64); }
@inline function isThere(slot: i32): bool { return (there & bitOf(slot)) != 0; }
@inline function startOf(slot: i32): usize { return load<u32>(starts + (slot << 2)); }
@inline function endOf(slot: i32): usize { return load<u32>(ends + (slot << 2)); }

/* Tables. */

/** The first `length` bytes, zeros behind them. */
@inline function masked(at: usize, length: i32): v128 {
  const places = v128(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return v128.and(v128.load(at), i8x16.lt_u(places, i8x16.splat(min(length, 16) as i8)));
}

@inline function mixed(text: v128): u64 {
  const low = i64x2.extract_lane(text, 0) as u64;
  const high = i64x2.extract_lane(text, 1) as u64;
  const mix = (low ^ 0x9e3779b97f4a7c15) * 0xc2b2ae3d27d4eb4f;
  const both = (mix ^ (mix >> 29) ^ high) * 0x9e3779b97f4a7c15;
  return both ^ (both >> 32);
}

/** Adds a text of up to 32 bytes. */
export function addWord(table: usize, at: usize, length: i32, value: i32): void {
  const first = masked(at, length);
  let place = (mixed(first) as i32) & 127;
  while (load<u8>(table + place * 48) != 0) place = (place + 1) & 127;
  const entry = table + place * 48;
  store<u8>(entry, length as u8);
  store<u8>(entry, value as u8, 1);
  v128.store(entry, first, 16);
  v128.store(entry, masked(at + 16, max(0, length - 16)), 32);
}

/** The value of a text; −1 = it is not in the table. */
function wordAt(table: usize, at: usize, length: i32): i32 {
  if (length > 32 || length == 0) return -1;
  const first = masked(at, length);
  for (let place = (mixed(first) as i32) & 127; ; place = (place + 1) & 127) {
    const entry = table + place * 48;
    const found: i32 = load<u8>(entry);
    if (found == 0) return -1;
    if (found != length || !i8x16.all_true(i8x16.eq(first, v128.load(entry, 16)))) continue;
    if (length <= 16 || i8x16.all_true(i8x16.eq(masked(at + 16, length - 16), v128.load(entry, 32))))
      return load<u8>(entry, 1);
  }
  return -1;
}

/* Scanning. 0 = this is not for here. */

@inline function isBlank(byte: i32): bool { return byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09; }
@inline function isDigit(byte: i32): bool { return (byte - zero) as u32 <= 9; }
@inline function isLetter(byte: i32): bool { return ((byte | 0x20) - 0x61) as u32 <= 25; }

@inline function skipBlanks(at: usize): usize {
  while (load<u8>(at) <= 0x20 && isBlank(load<u8>(at))) at += 1;
  return at;
}

/** Which of 16 bytes are a quote or a control character. A body ends with zeros, so that every search ends. */
@inline function stopsIn(text: v128): i32 {
  return i8x16.bitmask(v128.or(i8x16.eq(text, i8x16.splat(0x22)), i8x16.lt_u(text, i8x16.splat(0x20))));
}

/** From behind a text's opening quote to its closing one. */
@inline function endOfText(at: usize): usize {
  let stops = stopsIn(v128.load(at));
  while (stops == 0) {
    at += 16;
    stops = stopsIn(v128.load(at));
  }
  at += ctz(stops);
  return load<u8>(at) == quote ? at : 0;
}

/** Numbers that JavaScript writes as they stand: up to 15 digits, 6 of them decimals, the last of those not 0; no exponent, no −0. */
function endOfNumber(at: usize): usize {
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
function scanEvent(at: usize): usize {
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

/* Writing. */

@inline function copy(from: usize, end: usize, to: usize): usize {
  const length = end - from;
  if (length > 256) memory.copy(to, from, length);
  else for (let done: usize = 0; done < length; done += 16) v128.store(to + done, v128.load(from + done));
  return to + length;
}

@inline function put(piece: i32, to: usize): usize {
  const at = pieces + (piece << 6);
  v128.store(to, v128.load(at, 16));
  v128.store(to, v128.load(at, 32), 16);
  return to + load<u32>(at);
}

/** Writes a text of the context. */
@inline function putText(text: usize, to: usize): usize {
  return copy(text, text + load<u32>(text - 4), to);
}

@inline function putQuote(to: usize): usize {
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
function putNumber(value: i64, to: usize): usize {
  if (value < 0) {
    store<u8>(to, minus as u8);
    return putNumber(-value, to + 1);
  }
  if (value < 100_000_000) return putDigits(value as u32, digitsOf(value as u32), to);
  const high = value / 100_000_000;
  return putDigits((value - high * 100_000_000) as u32, 8, putDigits(high as u32, digitsOf(high as u32), to));
}

/** `count` letters in upper case; 0 where it is anything else. */
function putUpper(from: usize, end: usize, count: i32, to: usize): usize {
  if ((end - from) as i32 != count) return 0;
  for (let index = 0; index < count; index += 1) {
    const byte: i32 = load<u8>(from + index);
    if (!isLetter(byte)) return 0;
    store<u8>(to + index, (byte & 0xdf) as u8);
  }
  return to + count;
}

/** 16 lower-case hex digits. */
@inline function putHex(hash: u64, to: usize): void {
  const twice = i8x16.swizzle(i64x2.splat(hash as i64), v128(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0));
  const nibbles = v128.bitselect(
    i8x16.shr_u(twice, 4),
    v128.and(twice, i8x16.splat(15)),
    v128(-1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0),
  );
  const digits = v128(48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 97, 98, 99, 100, 101, 102);
  v128.store(to, i8x16.swizzle(digits, nibbles));
}

/* Times, in epoch ms; −1 = absent, −2 = not for here. */

@inline function futureMs(): i64 { return load<i64>(bounds); }
@inline function lateMs(): i64 { return load<i64>(bounds, 8); }
@inline function writeKeyMaxAgeMs(): i64 { return load<i64>(bounds, 16); }
@inline function secretKeyMaxAgeMs(): i64 { return load<i64>(bounds, 24); }
@inline function latestMs(): i64 { return load<i64>(bounds, 32); }
@inline function secondsBelow(): i64 { return load<i64>(bounds, 40); }

function timeOf(slot: i32): i64 {
  if (!isThere(slot)) return -1;
  return timeAt(startOf(slot), endOf(slot), (numbers & bitOf(slot)) != 0);
}

function timeAt(at: usize, end: usize, isNumber: bool): i64 {
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

/* xxHash64, seed 0. */

const prime1: u64 = 0x9e3779b185ebca87;
const prime2: u64 = 0xc2b2ae3d27d4eb4f;
const prime3: u64 = 0x165667b19e3779f9;
const prime4: u64 = 0x85ebca77c2b2ae63;
const prime5: u64 = 0x27d4eb2f165667c5;

@inline function round(lane: u64, word: u64): u64 { return rotl(lane + word * prime2, 31) * prime1; }
@inline function merged(hash: u64, lane: u64): u64 { return (hash ^ round(0, lane)) * prime1 + prime4; }

function hash64(at: usize, length: i32): u64 {
  const end = at + length;
  let hash: u64;
  if (length >= 32) {
    let one = prime1 + prime2;
    let two = prime2;
    let three: u64 = 0;
    let four: u64 = 0 - prime1;
    do {
      one = round(one, load<u64>(at));
      two = round(two, load<u64>(at, 8));
      three = round(three, load<u64>(at, 16));
      four = round(four, load<u64>(at, 24));
      at += 32;
    } while (at + 32 <= end);
    hash = rotl(one, 1) + rotl(two, 7) + rotl(three, 12) + rotl(four, 18);
    hash = merged(merged(merged(merged(hash, one), two), three), four);
  } else hash = prime5;
  hash += length as u64;
  for (; at + 8 <= end; at += 8) hash = rotl(hash ^ round(0, load<u64>(at)), 27) * prime1 + prime4;
  if (at + 4 <= end) {
    hash = rotl(hash ^ ((load<u32>(at) as u64) * prime1), 23) * prime2 + prime3;
    at += 4;
  }
  for (; at < end; at += 1) hash = rotl(hash ^ ((load<u8>(at) as u64) * prime5), 11) * prime1;
  hash = (hash ^ (hash >> 33)) * prime2;
  hash = (hash ^ (hash >> 29)) * prime3;
  return hash ^ (hash >> 32);
}

/* A body. */

/** Bit 0: some byte is not ASCII; bit 1: there is a backslash. */
export function survey(at: usize, length: i32): i32 {
  const end = at + length;
  // The last step may look beyond the body.
  v128.store(end, i8x16.splat(0));
  let high = i8x16.splat(0);
  let escapes = i8x16.splat(0);
  for (; at < end; at += 16) {
    const text = v128.load(at);
    high = v128.or(high, text);
    escapes = v128.or(escapes, i8x16.eq(text, i8x16.splat(0x5c)));
  }
  return (i8x16.bitmask(high) != 0 ? 1 : 0) | (v128.any_true(escapes) ? 2 : 0);
}

@inline function isBatchName(at: usize): bool {
  // "batch"
  return load<u32>(at) == 0x74616222 && load<u16>(at, 4) == 0x6863 && load<u8>(at, 6) == quote;
}

@inline function isSentName(at: usize): bool {
  // "sent_at"
  return load<u64>(at) == 0x61_5f_74_6e_65_73_22 + ((0x74 as u64) << 56) && load<u8>(at, 8) == quote;
}

/** The `sent_at` member at `at` into `batchSentAt`; returns the place behind it and its blanks. */
function takeSentAt(at: usize): usize {
  let pos = skipBlanks(at + 9);
  if (load<u8>(pos) != colon) return 0;
  pos = skipBlanks(pos + 1);
  if (load<u8>(pos) == quote) {
    const end = endOfText(pos + 1);
    if (end == 0 || end == pos + 1) return 0;
    batchSentAt = timeAt(pos + 1, end, false);
    pos = end + 1;
  } else {
    const end = endOfNumber(pos);
    if (end == 0) return 0;
    batchSentAt = timeAt(pos, end, true);
    pos = end;
  }
  return batchSentAt < 0 ? 0 : skipBlanks(pos);
}

/** The envelope's end, from the bracket behind its events: `]}` or `],"sent_at":…}`. 0 = it is another one. */
function takeTail(first: usize, end: usize): usize {
  let at = end - 1;
  const least = end - first > longestTail ? end - longestTail : first;
  while (at > least && load<u8>(at) != arrayClosing) at -= 1;
  if (load<u8>(at) != arrayClosing) return 0;
  let pos = skipBlanks(at + 1);
  if (load<u8>(pos) == comma) {
    pos = skipBlanks(pos + 1);
    if (batchSentAt >= 0 || !isSentName(pos)) return 0;
    pos = takeSentAt(pos);
    if (pos == 0) return 0;
  }
  return load<u8>(pos) == closing && skipBlanks(pos + 1) == end ? at : 0;
}

/**
 * Writes the lines of a body's events, one behind another. Returns their number; 0 when the body is not for here, −1 when
 * the target has no room. `scratch` has
 * room for twice the body; `receivedAt` in epoch ms.
 */
export function takeBody(
  at: usize,
  length: i32,
  target: usize,
  targetEnd: usize,
  scratch: usize,
  receivedAtMs: f64,
  mayBackfill: bool,
): i32 {
  const receivedAt = receivedAtMs as i64;
  const end = at + length;
  let pos = skipBlanks(at);
  let eventsEnd = end;
  isSingle = false;
  batchSentAt = -1;
  idsEnd = ids;
  embedded = scratch;
  if (load<u8>(pos) == arrayOpening) {
    eventsEnd = end - 1;
    while (eventsEnd > pos && load<u8>(eventsEnd) != arrayClosing) eventsEnd -= 1;
    if (skipBlanks(eventsEnd + 1) != end) return 0;
    pos += 1;
  } else {
    if (load<u8>(pos) != opening) return 0;
    let inner = skipBlanks(pos + 1);
    if (isSentName(inner)) {
      const behind = takeSentAt(inner);
      if (behind != 0 && load<u8>(behind) == comma) inner = skipBlanks(behind + 1);
      else inner = pos;
    }
    if (isBatchName(inner)) {
      inner = skipBlanks(inner + 7);
      if (load<u8>(inner) != colon) return 0;
      inner = skipBlanks(inner + 1);
      if (load<u8>(inner) != arrayOpening) return 0;
      eventsEnd = takeTail(inner, end);
      if (eventsEnd == 0) return 0;
      pos = inner + 1;
    } else {
      isSingle = true;
      batchSentAt = -1;
    }
  }
  const shared = load<u32>(prefix - 4) + load<u32>(wholePlace - 4) + load<u32>(agentWhole - 4);
  let to = target;
  let count = 0;
  while (true) {
    pos = skipBlanks(pos);
    if (load<u8>(pos) != opening || count == maxEvents) return 0;
    const behind = scanEvent(pos);
    if (behind == 0 || behind - pos > maxEventBytes) return 0;
    if (to + shared + (behind - pos) * 2 + lineOverheadBytes > targetEnd) return -1;
    const next = writeLine(to, receivedAt, mayBackfill, lines + count * 24);
    if (next == 0) return 0;
    to = next;
    store<u32>(lines + count * 24, (to - target) as u32);
    count += 1;
    pos = skipBlanks(behind);
    if (pos == eventsEnd) return count;
    if (isSingle || load<u8>(pos) != comma) return 0;
    pos += 1;
  }
}

export function idsLength(): i32 { return (idsEnd - ids) as i32; }
export function wasSingle(): bool { return isSingle; }

/** Everything that must be looked at before the first byte is written. */
function isFit(): bool {
  const id = slotOf(atEventId);
  const name = slotOf(atEventName);
  const needed = bitOf(id) | bitOf(name);
  if ((there & needed) != needed || (numbers & needed) != 0) return false;
  if (endOf(id) - startOf(id) > 200 || endOf(name) - startOf(name) > 200) return false;
  if (isThere(slotOf(atAppId))) return false;
  if ((given & (bitOf(slotOf(atIp)) | bitOf(slotOf(atUserAgent)))) != 0) return false;
  const texts = there & (bitOf(slotOf(63)) - 1);
  if ((numbers & texts) != 0) return false;
  for (let rest = texts; rest != 0; rest &= rest - 1) {
    const slot = ctz(rest) as i32;
    // As bytes a text is at least as long as it is in characters.
    if (endOf(slot) - startOf(slot) > load<u32>(longest + (slot << 2))) return false;
  }
  for (let index = 1; index < subjectCount - 1; index += 1) {
    const slot = slotOf(atSubjects + index);
    if (isThere(slot) && load<u8>(startOf(slot)) == zero && isBlankId(startOf(slot), endOf(slot))) there &= ~bitOf(slot);
  }
  return true;
}

/** What a phone reports while tracking is off: zeros and hyphens. */
function isBlankId(at: usize, end: usize): bool {
  for (; at < end; at += 1) if (load<u8>(at) != zero && load<u8>(at) != minus) return false;
  return true;
}

/** Writes the line of the event at hand, its minute and hashes; returns the place behind it, 0 when the event is not for here. */
function writeLine(at: usize, receivedAt: i64, mayBackfill: bool, line: usize): usize {
  if (!isFit()) return 0;
  let subject = -1;
  for (let index = 0; index < subjectCount && subject < 0; index += 1) {
    const slot = slotOf(atSubjects + index);
    if (isThere(slot)) subject = slot;
  }
  if (subject < 0) return 0;
  const clientTime = timeOf(slotOf(atOccurredAt));
  const beganAt = timeOf(slotOf(atBeganAt));
  const ownSentAt = timeOf(slotOf(atSentAt));
  if (clientTime < -1 || beganAt < -1 || ownSentAt < -1) return 0;
  const sentAt = ownSentAt < 0 ? batchSentAt : ownSentAt;
  let occurredAt = receivedAt;
  let skew: i64 = 0;
  let flags = 1;
  if (clientTime >= 0) {
    skew = sentAt < 0 ? 0 : receivedAt - sentAt;
    occurredAt = clientTime + skew;
    const age = receivedAt - occurredAt;
    if (-age > futureMs() || age > (mayBackfill ? secretKeyMaxAgeMs() : writeKeyMaxAgeMs()) || occurredAt < 0) return 0;
    flags = (skew == 0 ? 0 : 2) | (age > lateMs() ? 4 : 0) | (age > writeKeyMaxAgeMs() ? 8 : 0);
  }

  // What the collector made, from the opening brace.
  const id = slotOf(atEventId);
  let to = putAgent(putPlace(putText(prefix, at)));
  if (to == 0) return 0;
  to = copy(startOf(id), endOf(id), put(pieceId, to));
  to = copy(startOf(subject), endOf(subject), put(pieceDeviceKey, to));
  to = putNumber(occurredAt, put(pieceOccurred, to));
  if (flags != 0) {
    const piece = flagPieces + (flags << 7);
    to = copy(piece + 16, piece + 16 + load<u32>(piece), to);
  }
  if (sentAt >= 0) to = putNumber(sentAt, put(pieceSent, to));
  if (skew != 0) to = putNumber(skew, put(pieceSkew, to));

  // What the client said.
  const clientAt = to;
  to = putKindAndName(to);
  if (to == 0) return 0;
  for (let rest = there & (bitOf(slotOf(63)) - 1); rest != 0; rest &= rest - 1) {
    const slot = ctz(rest) as i32;
    to = copy(startOf(slot), endOf(slot), put(slot, to));
  }
  to = putFormed(putQuote(to));
  if (to == 0) return 0;
  if (beganAt >= 0) to = putNumber(beganAt, put(pieceBegan, to));
  // An object without members is as good as none.
  if (isThere(slotOf(atProperties)) && out - embedded > 2) to = putQuote(copy(embedded, out, put(pieceProperties, to)));

  // The client's own time is written behind its members for the hash, where the next line will be written over it.
  store<f64>(to, clientTime < 0 ? NaN : (clientTime as f64));
  store<u32>(line, (occurredAt / 60_000) as u32, 4);
  store<u64>(line, hashKey(startOf(id), endOf(id)), 8);
  store<u64>(line, hash64(clientAt, (to - clientAt) as i32 + 8), 16);
  store<u8>(idsEnd, quote as u8);
  idsEnd = copy(startOf(id), endOf(id), idsEnd + 1);
  store<u16>(idsEnd, 0x2c22);
  idsEnd += 2;
  return to;
}

function hashKey(idAt: usize, idEnd: usize): u64 {
  const keyEnd = copy(idAt, idEnd, dedupeKey + load<u32>(dedupeKey - 4));
  return hash64(dedupeKey, (keyEnd - dedupeKey) as i32);
}

/** As `placeMembers`. */
function putPlace(to: usize): usize {
  if (load<u32>(wholePlace - 4) == 0 || isThere(slotOf(atCountry))) return to;
  return putText(isThere(slotOf(atRegion)) || isThere(slotOf(atCity)) ? countryPlace : wholePlace, to);
}

/** As `agentMembers`. */
function putAgent(to: usize): usize {
  if (load<u32>(agentWhole - 4) == 0) return to;
  const platform = slotOf(atPlatform);
  const told = bitOf(platform) | bitOf(slotOf(atOsVersion)) | bitOf(slotOf(atDeviceModel));
  if ((there & told) == 0) return putText(agentWhole, to);
  if (isThere(platform)) {
    const length = (endOf(platform) - startOf(platform)) as i32;
    let isSame = length == load<i32>(agentName - 4);
    for (let index = 0; index < length; index += 1) {
      const byte: i32 = load<u8>(startOf(platform) + index);
      // Other alphabets have cases of their own.
      if (byte >= 0x80) return 0;
      const lower = isLetter(byte) ? byte | 0x20 : byte;
      if (isSame && lower != load<u8>(agentName + index)) isSame = false;
    }
    if (!isSame) return to;
  } else to = putText(agentPlatform, to);
  if (!isThere(slotOf(atOsVersion))) to = putText(agentVersion, to);
  return isThere(slotOf(atDeviceModel)) ? to : putText(agentModel, to);
}

function putKindAndName(at: usize): usize {
  const name = slotOf(atEventName);
  const slot = slotOf(atEventKind);
  let kind = 0;
  if (isThere(slot)) {
    kind = wordAt(kinds, startOf(slot), (endOf(slot) - startOf(slot)) as i32);
    if (kind < 0) return 0;
  } else {
    // 0 = custom, of names that say no other.
    kind = max(0, wordAt(kindsOfNames, startOf(name), (endOf(name) - startOf(name)) as i32));
  }
  return copy(startOf(name), endOf(name), put(pieceName, put(pieceKinds + kind, put(pieceKind, at))));
}

/** As `formedMembers`; 0 where a value is not of its form. */
function putFormed(at: usize): usize {
  let to = at;
  const environment = slotOf(atEnvironment);
  if (isThere(environment)) {
    if (wordAt(environments, startOf(environment), (endOf(environment) - startOf(environment)) as i32) < 0) return 0;
    to = putQuote(copy(startOf(environment), endOf(environment), put(pieceEnvironment, to)));
  }
  const country = slotOf(atCountry);
  if (isThere(country)) {
    to = putUpper(startOf(country), endOf(country), 2, put(pieceCountry, to));
    if (to == 0) return 0;
    to = putQuote(to);
  }
  const amount = slotOf(atAmount);
  return isThere(amount) ? putMoney(startOf(amount), endOf(amount), to) : to;
}

function putMoney(from: usize, end: usize, at: usize): usize {
  if (!isDecimal(from, end)) return 0;
  let to = put(pieceCurrency, copy(from, end, put(pieceAmount, at)));
  const slot = slotOf(atCurrency);
  to = isThere(slot)
    ? putUpper(startOf(slot), endOf(slot), 3, to)
    : putUpper(currency, currency + load<u32>(currency - 4), 3, to);
  return to == 0 ? 0 : putQuote(to);
}

/** Up to 18 digits, and up to 6 decimals. */
function isDecimal(at: usize, end: usize): bool {
  if (load<u8>(at) == minus) at += 1;
  const wholeAt = at;
  while (at < end && isDigit(load<u8>(at))) at += 1;
  if (at == wholeAt || at - wholeAt > 18) return false;
  if (at == end) return true;
  if (load<u8>(at) != point) return false;
  at += 1;
  const decimalsAt = at;
  while (at < end && isDigit(load<u8>(at))) at += 1;
  return at == end && at > decimalsAt && at - decimalsAt <= 6;
}

/* Blocks. */

/** What a block adds to a line: `,"dedupe_hash":"…","payload_hash":"…","block_id":"…","block_index":`, then index, brace and line end. */
const tailBytes: usize = 132;
const dedupeInTail: usize = 16;
const payloadInTail: usize = 50;

/**
 * Writes the lines from `source` into the areas of their partitions, each as the next one of its partition's block. A
 * partition's head (256 bytes) says the index of the next line, and takes the numbers of lines, bytes and changes of the
 * minute (4 bytes each); the tail with its block's id stands behind 32 bytes. Its area holds, each for up to `count` lines, their lengths and
 * minutes (4 bytes each) and both hashes (16 hex digits each), then the lines.
 */
export function placeLines(source: usize, count: i32, partitions: i32, areas: usize, areaBytes: usize): void {
  for (let partition = 0; partition < partitions; partition += 1) {
    const head = heads + (partition << 8);
    store<u32>(head, 0, 4);
    store<u32>(head, 0, 8);
    store<u32>(head, 0, 12);
  }
  let at = source;
  for (let index = 0; index < count; index += 1) {
    const line = lines + index * 24;
    const end = source + load<u32>(line);
    const dedupe = load<u64>(line, 8);
    const payload = load<u64>(line, 16);
    const partition = (dedupe % (partitions as u64)) as usize;
    const head = heads + (partition << 8);
    const lengths = areas + partition * areaBytes;
    const minutes = lengths + (count << 2);
    const dedupes = minutes + (count << 2);
    const payloads = dedupes + (count << 4);
    const taken: u32 = load<u32>(head, 4);
    const filled: u32 = load<u32>(head, 8);
    const body = payloads + (count << 4) + filled;

    let to = copy(at, end, body);
    for (let part: usize = 0; part < 144; part += 16) v128.store(to + part, v128.load(head + 32 + part));
    putHex(dedupe, to + dedupeInTail);
    putHex(payload, to + payloadInTail);
    to = putNumber((load<u32>(head) + taken) as i64, to + tailBytes);
    store<u16>(to, 0x0a7d);
    to += 2;

    putHex(dedupe, dedupes + (taken << 4));
    putHex(payload, payloads + (taken << 4));
    store<u32>(lengths + (taken << 2), (to - body) as u32);
    const minute = load<u32>(line, 4);
    const known = load<u32>(head, 12);
    if (known == 0 || load<u32>(minutes + ((known - 1) << 2)) != minute) {
      store<u32>(minutes + (known << 2), minute);
      store<u32>(head, known + 1, 12);
    }
    store<u32>(head, taken + 1, 4);
    store<u32>(head, filled + ((to - body) as u32), 8);
    at = end;
  }
}
