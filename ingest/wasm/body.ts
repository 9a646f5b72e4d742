/** From a body to its events: a single one, a list, or an envelope. */

import { arrayClosing, arrayOpening, closing, colon, comma, opening, quote } from './bytes';
import { writeLine } from './event-line';
import { agentWhole, batchSentAt, embedded, ids, idsEnd, isSingle, lines, prefix, wholePlace } from './memory';
import { endOfNumber, endOfText, scanEvent, skipBlanks } from './scan';
import { timeAt } from './times';

/** Beyond its own bytes twice (each may be a quote to escape) and what its body's lines share, a line is never longer by more. */
const lineOverheadBytes: usize = 3_000;
const maxEvents: i32 = 2_000;
/** Of an envelope behind its events. */
const longestTail: usize = 200;
/** Beyond it, the bounds of single events would have to be looked at. */
const maxEventBytes: usize = 131_072;

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
