/** From the fields of an event to its line. */

import { isDigit, isLetter, minus, point, quote, zero } from './bytes';
import { hash64 } from './hash';
import {
  agentModel,
  agentName,
  agentPlatform,
  agentVersion,
  agentWhole,
  atAmount,
  atAppId,
  atBeganAt,
  atCity,
  atCountry,
  atCurrency,
  atDeviceModel,
  atEnvironment,
  atEventId,
  atEventKind,
  atEventName,
  atIp,
  atOccurredAt,
  atOsVersion,
  atPlatform,
  atProperties,
  atRegion,
  atSentAt,
  atSubjects,
  atUserAgent,
  batchSentAt,
  bitOf,
  countryPlace,
  currency,
  dedupeKey,
  embedded,
  endOf,
  environments,
  flagPieces,
  given,
  idsEnd,
  isThere,
  kinds,
  kindsOfNames,
  longest,
  numbers,
  out,
  pieceAmount,
  pieceBegan,
  pieceCountry,
  pieceCurrency,
  pieceDeviceKey,
  pieceEnvironment,
  pieceId,
  pieceKind,
  pieceKinds,
  pieceName,
  pieceOccurred,
  pieceProperties,
  pieceSent,
  pieceSkew,
  prefix,
  slotOf,
  startOf,
  subjectCount,
  there,
  wholePlace,
} from './memory';
import { futureMs, lateMs, secretKeyMaxAgeMs, timeOf, writeKeyMaxAgeMs } from './times';
import { wordAt } from './words';
import { copy, put, putNumber, putQuote, putText, putUpper } from './write';

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
export function writeLine(at: usize, receivedAt: i64, mayBackfill: bool, line: usize): usize {
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
