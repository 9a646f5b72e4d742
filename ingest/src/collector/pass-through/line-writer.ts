import type { DirectoryApp } from '@tributary/schema';
import {
  decimalPattern,
  dedupeKeyOf,
  deviceIdFields,
  environments,
  eventKinds,
  hash64Bytes,
  kindByEventName,
} from '@tributary/schema';
import type { LineFrame } from '../canonical.ts';
import { FieldFault, isBlankId, slots, textFields } from '../client-fields.ts';
import type { PendingLine } from '../draft.ts';
import { agentMembers } from '../enrich/derived-members.ts';
import { type FlagBits, flagsMember, noFlags } from '../flags.ts';
import { type Hash, splitHash } from '../hash-bytes.ts';
import { correctTime, type EventTime, parseTime } from '../times.ts';
import { copy, type Piece, pieceOf, put, putNumber, type Words, wordsOf } from './bytes.ts';
import { hashStep, isAt } from './field-names.ts';
import { type EventScanner, writeEmbedded } from './scan-event.ts';

const bytesOf = (text: string): Buffer => Buffer.from(text, 'utf8');

/** The text fields stand in the first slots, in the order in which they are written. */
const textCount = Object.keys(textFields).length;
const longest = Int32Array.from(Object.values(textFields));
const textOpenings = Object.keys(textFields).map((name) => pieceOf(`","${name}":"`));
const flagPieces: Piece[] = [];
const deviceIdSlots = deviceIdFields.map((name) => slots[name]);
/** What stands for the device, the first that is there. */
const subjectSlots = [slots.anonymous_id, ...deviceIdSlots, slots.user_id];
const kinds = eventKinds.map(bytesOf);
const environmentTexts = environments.map(bytesOf);
const idOpening = pieceOf(',"event_id":"');
const deviceKeyOpening = pieceOf('","device_key":"');
const occurredOpening = pieceOf('","occurred_at":');
const sentOpening = pieceOf(',"sent_at":');
const skewOpening = pieceOf(',"clock_skew_ms":');
const kindOpening = pieceOf(',"event_kind":"');
const nameOpening = pieceOf('","event_name":"');
const environmentOpening = pieceOf(',"environment":"');
const countryOpening = pieceOf(',"country":"');
const amountOpening = pieceOf(',"revenue_amount":"');
const currencyOpening = pieceOf('","revenue_currency":"');
const beganOpening = pieceOf(',"install_begin_at":');
const propertiesOpening = pieceOf(',"properties":"');
const quote = 0x22;

/** Beyond its own bytes twice (each may be a quote to escape) and what its body's lines share, a line is never longer by more. */
export const lineOverheadBytes = 3_000;

/** A body's frame as bytes, made once for each body. */
export interface LineContext {
  readonly frame: LineFrame;
  readonly prefix: Buffer;
  readonly wholePlace: Buffer;
  readonly countryPlace: Buffer;
}

const nothing = Buffer.alloc(0);

export function lineContextOf(frame: LineFrame): LineContext {
  const { whole, country } = frame.place;
  return {
    frame,
    prefix: bytesOf(frame.opening + frame.ip + frame.userAgent),
    wholePlace: whole === '' ? nothing : bytesOf(whole),
    countryPlace: country === '' ? nothing : bytesOf(country),
  };
}

export interface LineWriter {
  /** Writes the scanned event's line into `target`; null when the event is not for it. */
  write(scanner: EventScanner, body: Words, context: LineContext, target: Words, at: number): PendingLine | null;
}

interface Times {
  readonly clientTime: number | undefined;
  readonly sentAt: number | undefined;
  readonly beganAt: number | undefined;
  readonly time: EventTime;
}

/** Writes the same line as `createLineBuilder` does, from where the fields stand in the body. */
export function createLineWriter(): LineWriter {
  const putKindAndName = createKindsAndNames();
  const hashKey = createKeyHash();
  return {
    write(scanner, body, context, target, at) {
      const { frame } = context;
      if (!isFit(scanner, body.bytes, frame)) return null;
      const subject = subjectOf(scanner);
      const times = subject < 0 ? null : timesOf(scanner, body.bytes, frame);
      if (times === null) return null;
      const clientAt = putHead(scanner, body, context, subject, times, target, at);
      const kindEnd = putKindAndName(scanner, body, target, clientAt);
      if (kindEnd < 0) return null;
      const end = putClient(scanner, body, frame, times.beganAt, target, kindEnd);
      if (end < 0) return null;
      const payloadEnd = target.bytes.writeDoubleLE(times.clientTime ?? Number.NaN, end);
      const { occurredAt } = times.time;
      return {
        tenantId: frame.origin.app.tenantId,
        appId: frame.origin.app.appId,
        bytes: target.bytes,
        start: at,
        end,
        dedupeHash: hashKey(frame, scanner, body),
        payloadHash: splitHash(hash64Bytes(viewOf(target.bytes, clientAt, payloadEnd))),
        minute: occurredAt - (occurredAt % 60_000),
      };
    },
  };
}

function timesOf(scanner: EventScanner, bytes: Buffer, frame: LineFrame): Times | null {
  const clientTime = timeOf(scanner, bytes, slots.occurred_at, 'occurred_at');
  const beganAt = timeOf(scanner, bytes, slots.install_begin_at, 'install_begin_at');
  const sentAt = isThere(scanner, slots.sent_at) ? timeOf(scanner, bytes, slots.sent_at, 'sent_at') : frame.sentAt;
  if (clientTime instanceof FieldFault || beganAt instanceof FieldFault || sentAt instanceof FieldFault) return null;
  const time = correctTime(clientTime, sentAt, frame.origin.receivedAt, frame.mayBackfill);
  return time instanceof FieldFault ? null : { clientTime, beganAt, sentAt, time };
}

/** What the collector made, from the opening brace. */
function putHead(
  scanner: EventScanner,
  body: Words,
  context: LineContext,
  subject: number,
  { time, sentAt }: Times,
  target: Words,
  at: number,
): number {
  const { starts, ends } = scanner;
  const { frame } = context;
  let to = at + context.prefix.copy(target.bytes, at);
  to = putPlace(scanner, context, target, to);
  to = putAgent(scanner, body, frame, target, to);
  to = put(idOpening, target, to);
  to = copy(body, starts[slots.event_id]!, ends[slots.event_id]!, target, to);
  to = put(deviceKeyOpening, target, to);
  to = copy(body, starts[subject]!, ends[subject]!, target, to);
  to = putNumber(time.occurredAt, target, put(occurredOpening, target, to));
  const flags = time.flags | (frame.origin.flags ?? noFlags);
  if (flags !== noFlags) to = put(flagPieceOf(flags), target, to);
  if (sentAt !== undefined) to = putNumber(sentAt, target, put(sentOpening, target, to));
  return time.skewMs === 0 ? to : putNumber(time.skewMs, target, put(skewOpening, target, to));
}

/** What the client said, behind kind and name. −1 where a value is not of its form. */
function putClient(
  scanner: EventScanner,
  body: Words,
  frame: LineFrame,
  beganAt: number | undefined,
  target: Words,
  at: number,
): number {
  const { starts, ends } = scanner;
  let to = at;
  for (let slot = 0; slot < textCount; slot += 1) {
    const start = starts[slot]!;
    if (start < 0 || ends[slot]! === start) continue;
    to = copy(body, start, ends[slot]!, target, put(textOpenings[slot]!, target, to));
  }
  to = putFormed(scanner, body, frame, target, close(to, target));
  if (to < 0) return -1;
  if (beganAt !== undefined) to = putNumber(beganAt, target, put(beganOpening, target, to));
  return putProperties(scanner, body.bytes, target, to);
}

/** The hash of dedupe keys; what all keys of an app begin with stays in its scratch memory. */
function createKeyHash() {
  const key = wordsOf(Buffer.allocUnsafe(1_024));
  let prefixOf: DirectoryApp | null = null;
  let idAt = 0;
  return ({ origin: { app, sourceFormat } }: LineFrame, { starts, ends }: EventScanner, body: Words): Hash => {
    if (app !== prefixOf) {
      prefixOf = app;
      idAt = key.bytes.write(dedupeKeyOf(app.appId, sourceFormat, ''), 0);
    }
    const keyEnd = copy(body, starts[slots.event_id]!, ends[slots.event_id]!, key, idAt);
    return splitHash(hash64Bytes(viewOf(key.bytes, 0, keyEnd)));
  };
}

function flagPieceOf(flags: FlagBits): Piece {
  const known = flagPieces[flags];
  if (known !== undefined) return known;
  const piece = pieceOf(flagsMember(flags));
  flagPieces[flags] = piece;
  return piece;
}

/** A plain view: Buffer's own subarray takes longer than the hash. */
const viewOf = (bytes: Buffer, start: number, end: number): Uint8Array =>
  new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start);
const isEmpty = ({ starts, ends }: EventScanner, slot: number): boolean => starts[slot] === ends[slot];
const isThere = (scanner: EventScanner, slot: number): boolean => scanner.starts[slot]! >= 0 && !isEmpty(scanner, slot);

/** Everything that must be looked at before the first byte is written. */
function isFit(scanner: EventScanner, bytes: Buffer, { origin }: LineFrame): boolean {
  const { starts, ends, isNumber } = scanner;
  if (
    !isThere(scanner, slots.event_id) ||
    isNumber[slots.event_id] ||
    ends[slots.event_id]! - starts[slots.event_id]! > 200
  )
    return false;
  if (!isThere(scanner, slots.event_name) || isNumber[slots.event_name]) return false;
  if (ends[slots.event_name]! - starts[slots.event_name]! > 200) return false;
  if (isThere(scanner, slots.app_id)) return false;
  if (starts[slots.ip]! >= 0 || starts[slots.user_agent]! >= 0) return false;
  for (let slot = 0; slot < textCount; slot += 1) {
    const start = starts[slot]!;
    // As bytes a text is at least as long as it is in characters.
    if (start >= 0 && (isNumber[slot] === 1 || ends[slot]! - start > longest[slot]!)) return false;
  }
  for (const slot of deviceIdSlots) {
    if (!isThere(scanner, slot) || bytes[starts[slot]!] !== 0x30) continue;
    if (isBlankId(bytes.toString('latin1', starts[slot], ends[slot]))) ends[slot] = starts[slot]!;
  }
  return origin.sourceFormat === 'native';
}

function subjectOf(scanner: EventScanner): number {
  for (const slot of subjectSlots) if (isThere(scanner, slot)) return slot;
  return -1;
}

function timeOf(scanner: EventScanner, bytes: Buffer, slot: number, field: string): number | FieldFault | undefined {
  if (!isThere(scanner, slot)) return undefined;
  const start = scanner.starts[slot]!;
  const end = scanner.ends[slot]!;
  if (scanner.isNumber[slot]) {
    let value = 0;
    for (let at = start; at < end; at += 1) {
      const digit = bytes[at]! - 0x30;
      // A sign or a point.
      if (digit < 0) return parseTime(Number(bytes.toString('latin1', start, end)), field);
      value = value * 10 + digit;
    }
    return parseTime(value, field);
  }
  return parseTime(bytes.toString('utf8', start, end), field);
}

/** As `placeMembers`. */
function putPlace(scanner: EventScanner, context: LineContext, target: Words, at: number): number {
  if (context.wholePlace.length === 0 || isThere(scanner, slots.country)) return at;
  const isPart = isThere(scanner, slots.region) || isThere(scanner, slots.city);
  return at + (isPart ? context.countryPlace : context.wholePlace).copy(target.bytes, at);
}

function putAgent(scanner: EventScanner, { bytes }: Words, { agent }: LineFrame, target: Words, at: number): number {
  if (agent.whole === '') return at;
  const values: unknown[] = [];
  for (const slot of [slots.platform, slots.os_version, slots.device_model])
    if (isThere(scanner, slot)) values[slot] = bytes.toString('utf8', scanner.starts[slot], scanner.ends[slot]);
  return at + target.bytes.write(agentMembers(values, agent), at);
}

/** As `formedMembers`; −1 where a value is not of its form. */
function putFormed(scanner: EventScanner, body: Words, frame: LineFrame, target: Words, at: number): number {
  const { starts, ends } = scanner;
  let to = at;
  if (isThere(scanner, slots.environment)) {
    const start = starts[slots.environment]!;
    const end = ends[slots.environment]!;
    if (!environmentTexts.some((text) => isAt(text, body.bytes, start, end))) return -1;
    to = close(copy(body, start, end, target, put(environmentOpening, target, to)), target);
  }
  if (isThere(scanner, slots.country)) {
    to = put(countryOpening, target, to);
    to = putUpper(body.bytes, starts[slots.country]!, ends[slots.country]!, 2, target, to);
    if (to < 0) return -1;
    to = close(to, target);
  }
  return isThere(scanner, slots.revenue_amount) ? putMoney(scanner, body, frame, target, to) : to;
}

function putMoney(
  { starts, ends, isNumber }: EventScanner,
  body: Words,
  { origin }: LineFrame,
  target: Words,
  at: number,
): number {
  const start = starts[slots.revenue_amount]!;
  const end = ends[slots.revenue_amount]!;
  if (end - start > 40 || !decimalPattern.test(body.bytes.toString('latin1', start, end))) return -1;
  const to = put(currencyOpening, target, copy(body, start, end, target, put(amountOpening, target, at)));
  const currencyAt = starts[slots.revenue_currency]!;
  const currencyEnd = ends[slots.revenue_currency]!;
  if (isNumber[slots.revenue_currency] === 1) return -1;
  const closeAt =
    currencyAt >= 0 && currencyEnd > currencyAt
      ? putUpper(body.bytes, currencyAt, currencyEnd, 3, target, to)
      : putUpper(bytesOf(origin.app.currency), 0, origin.app.currency.length, 3, target, to);
  return closeAt < 0 ? -1 : close(closeAt, target);
}

function putProperties(scanner: EventScanner, bytes: Buffer, target: Words, at: number): number {
  const start = scanner.starts[slots.properties]!;
  if (start < 0) return at;
  const textAt = put(propertiesOpening, target, at);
  const to = writeEmbedded(bytes, start, scanner.ends[slots.properties]!, scanner.hasBlanks(), target.bytes, textAt);
  // An object without members is as good as none.
  return to === textAt + 2 ? at : close(to, target);
}

interface KnownName {
  readonly name: Buffer;
  /** Kind and name as members, but for the quote at the end. */
  readonly members: Piece;
}

const knownNames = 4_096;
const mostCustom = 'custom';

/** Kind and name of an event. Names are few: both stand ready as one piece, found by a hash of the name. */
function createKindsAndNames() {
  const known: (KnownName | undefined)[] = new Array<KnownName | undefined>(knownNames).fill(undefined);
  const membersOf = (bytes: Buffer, start: number, end: number): Piece => {
    let hash = 0;
    for (let at = start; at < end; at += 1) hash = hashStep(hash, bytes[at]!);
    const place = (hash ^ (hash >>> 12)) & (knownNames - 1);
    const found = known[place];
    if (found !== undefined && isAt(found.name, bytes, start, end)) return found.members;
    const name = bytes.toString('utf8', start, end);
    const kind = Object.hasOwn(kindByEventName, name) ? kindByEventName[name]! : mostCustom;
    const members = pieceOf(`,"event_kind":"${kind}","event_name":"${name}`);
    known[place] = { name: Buffer.from(name), members };
    return members;
  };
  return ({ starts, ends, isNumber }: EventScanner, body: Words, target: Words, at: number): number => {
    const nameAt = starts[slots.event_name]!;
    const nameEnd = ends[slots.event_name]!;
    const start = starts[slots.event_kind]!;
    const end = ends[slots.event_kind]!;
    if (start < 0 || start === end) return put(membersOf(body.bytes, nameAt, nameEnd), target, at);
    if (isNumber[slots.event_kind] === 1 || !kinds.some((kind) => isAt(kind, body.bytes, start, end))) return -1;
    const kindEnd = copy(body, start, end, target, put(kindOpening, target, at));
    return copy(body, nameAt, nameEnd, target, put(nameOpening, target, kindEnd));
  };
}

function close(at: number, target: Words): number {
  target.bytes[at] = quote;
  return at + 1;
}

/** `count` letters in upper case; −1 where it is anything else. */
function putUpper(bytes: Buffer, start: number, end: number, count: number, target: Words, at: number): number {
  if (end - start !== count) return -1;
  for (let index = 0; index < count; index += 1) {
    const lower = bytes[start + index]! | 0x20;
    if (lower < 0x61 || lower > 0x7a) return -1;
    target.bytes[at + index] = lower - 0x20;
  }
  return at + count;
}
