import {
  type DirectoryApp,
  dedupeKeyOf,
  type ErrorCode,
  hash64,
  limits,
  newId,
  type SourceFormat,
  sha256Hex,
} from '@tributary/schema';
import {
  deviceKeyOf,
  FieldFault,
  type FieldValues,
  formedMembers,
  kindOf,
  type SortedDraft,
  slots,
  sortDraft,
  textMembers,
  textOf,
} from './client-fields.ts';
import type { Draft, EventVerdict, Origin, TextFacts } from './draft.ts';
import { agentMembers, placeMembers } from './enrich/derived-members.ts';
import { type KnownAgent, type KnownPlace, unknownAgent, unknownPlace } from './enrich/enrichment.ts';
import { type FlagBits, flagBit, flagsMember, noFlags } from './flags.ts';
import { splitHash } from './hash-bytes.ts';
import { applyIpPolicy } from './ip.ts';
import { escaped, jsonText } from './json-text.ts';
import { type AppPolicy, policyOf } from './policy/app-policy.ts';
import { applyPrivacy } from './policy/privacy.ts';
import { inexact, propertiesText } from './properties.ts';
import { correctTime, type EventTime, parseTime } from './times.ts';

/** What holds for all events of a body. */
export interface Batch extends TextFacts {
  /** The batch's sending time, for events that tell none themselves. */
  readonly sentAt: unknown;
}

/** One draft → one canonical line, or why not; `inexact` when the body must be parsed again by `parseExact`. */
export type LineBuilder = (draft: Draft) => EventVerdict | typeof inexact;

/** What all lines of one body share. */
export interface LineFrame {
  readonly origin: Origin;
  readonly batch: Batch;
  readonly sentAt: number | FieldFault | undefined;
  readonly mayBackfill: boolean;
  /** From the opening brace to where the event's own members begin; address and user agent only where no event tells its own. */
  readonly opening: string;
  readonly ip: string;
  readonly userAgent: string;
  readonly ascii: boolean;
  readonly policy: AppPolicy;
  /** Consent or hashing may change what the client sent. */
  readonly isPrivate: boolean;
  /** Of the request: what servers send says nothing of the device, so theirs are unknown. */
  readonly place: KnownPlace;
  readonly agent: KnownAgent;
}

/**
 * Builds the canonical lines of one body. Pure but for the ids it must make. This is the hot path: texts are joined by
 * hand, in as few pieces as can be, and a property test holds every line against `eventSchema`.
 */
export function createLineBuilder(origin: Origin, batch: Batch): LineBuilder {
  const frame = lineFrameOf(origin, batch);
  return (draft) => buildLine(draft, frame);
}

/** What all lines of a body share; made once for each body. */
export function lineFrameOf(origin: Origin, batch: Batch): LineFrame {
  const { app, userAgent, receivedAt, sourceFormat, key, enrichment } = origin;
  const policy = policyOf(app);
  const place = key.kind === 'secret' ? unknownPlace : enrichment.placeOf(origin.remoteAddress);
  const agentFacts = key.kind === 'secret' ? unknownAgent : enrichment.agentOf(userAgent);
  const known = openingOf(app, sourceFormat);
  const opening = `${known.text}${receivedAt}`;
  const agent = userAgent ? `,"user_agent":${jsonText(userAgent.slice(0, 1000))}` : '';
  return {
    origin,
    batch,
    sentAt: parseTime(batch.sentAt, 'sent_at'),
    mayBackfill: key.scopes.includes('ingest:backfill'),
    opening,
    ip: ipMember(applyIpPolicy(origin.remoteAddress, app.ipPolicy)),
    userAgent: agent,
    ascii: batch.ascii && place.ascii && agentFacts.ascii && known.ascii && isAscii(agent),
    policy,
    isPrivate: policy.hashesDeviceIds || policy.needsConsent,
    place,
    agent: agentFacts,
  };
}

interface Opening {
  readonly text: string;
  readonly ascii: boolean;
}

const openings = new WeakMap<DirectoryApp, Map<string, Opening>>();

/** What lines begin with, up to their time of receipt. */
function openingOf(app: DirectoryApp, sourceFormat: SourceFormat): Opening {
  const ofApp = openings.get(app) ?? new Map<string, Opening>();
  const known = ofApp.get(sourceFormat);
  if (known !== undefined) return known;
  const text = `{"tenant_id":${jsonText(app.tenantId)},"app_id":${jsonText(app.appId)},"source_format":"${sourceFormat}","received_at":`;
  const opening = { text, ascii: isAscii(text) };
  openings.set(app, ofApp.set(sourceFormat, opening));
  return opening;
}

function buildLine(draft: Draft, frame: LineFrame): EventVerdict | typeof inexact {
  const sorted = sortDraft(draft);
  const { values } = sorted;
  const { origin } = frame;
  if (sorted.isRounded) return inexact;
  const rawId = values[slots.event_id];
  const givenId = rawId === undefined ? undefined : textOf(rawId, 'event_id', 200);
  if (givenId instanceof FieldFault) return refuseField(givenId, undefined);
  const eventName = values[slots.event_name];
  if (typeof eventName !== 'string' || eventName.length > 200)
    return refuse('EVENT_NAME_MISSING', 'event_name', 'event_name must be a text of 1 to 200 characters', givenId);
  const claimedApp = values[slots.app_id];
  if (claimedApp !== undefined && claimedApp !== origin.app.appId)
    return refuse('UNKNOWN_APP', 'app_id', 'this key does not write to that app', givenId);
  const subject = deviceKeyOf(values);
  if (subject instanceof FieldFault) return refuseField(subject, givenId);
  const privacy = frame.isPrivate ? privacyOf(values, frame) : noFlags;
  const client = clientMembers(draft, sorted, eventName, frame);
  if (client === inexact) return inexact;
  if (client instanceof FieldFault) return refuseField(client, givenId);
  const clientTime = parseTime(values[slots.occurred_at], 'occurred_at');
  if (clientTime instanceof FieldFault) return refuseField(clientTime, givenId);
  const ownSentAt = values[slots.sent_at];
  const sentAt = ownSentAt === undefined ? frame.sentAt : parseTime(ownSentAt, 'sent_at');
  if (sentAt instanceof FieldFault) return refuseField(sentAt, givenId);
  const time = correctTime(clientTime, sentAt, origin.receivedAt, frame.mayBackfill);
  if (time instanceof FieldFault) return refuseField(time, givenId);
  const deviceKey = privacy === noFlags ? subject : deviceKeyOf(values);
  return finish(frame, sorted, { client, clientTime, givenId, eventName, deviceKey, sentAt, time, privacy });
}

interface Parts {
  readonly client: string;
  readonly clientTime: number | undefined;
  readonly givenId: string | undefined;
  readonly eventName: string;
  /** A fault where denied consent has left the event without any id: then it stands for itself. */
  readonly deviceKey: string | FieldFault;
  readonly sentAt: number | undefined;
  readonly time: EventTime;
  readonly privacy: FlagBits;
}

function privacyOf(values: unknown[], { origin, policy }: LineFrame): FlagBits {
  return applyPrivacy(values, policy, (id) => origin.enrichment.hashDeviceId(origin.app.appId, id));
}

function finish(frame: LineFrame, { values }: SortedDraft, parts: Parts): EventVerdict {
  const { origin, batch, policy } = frame;
  const { app, sourceFormat } = origin;
  const { client, clientTime, givenId, eventName, sentAt, time, privacy } = parts;
  const eventId = givenId ?? generatedId(origin, client, clientTime);
  const deviceKey = parts.deviceKey instanceof FieldFault ? eventId : parts.deviceKey;
  const flags =
    time.flags | privacy | (origin.flags ?? noFlags) | (givenId === undefined ? flagBit('generated_id') : noFlags);
  const inText = batch.unescaped ? asIs : escaped;
  const isDenied = (privacy & flagBit('consent_denied')) !== 0;
  const place = placeOf(values, frame);
  const agent = agentOf(values, frame);
  const ascii = frame.ascii && place.ascii && agent.ascii;
  let head = `${frame.opening}${isDenied ? '' : senderMembers(values, frame)}${placeMembers(values, place, isDenied)}${agentMembers(values, agent)},"event_id":"${inText(eventId)}","device_key":"${inText(deviceKey)}","occurred_at":${time.occurredAt}${flagsMember(flags)}`;
  if (sentAt !== undefined) head += `,"sent_at":${sentAt}`;
  if (time.skewMs !== 0) head += `,"clock_skew_ms":${time.skewMs}`;
  // The line itself is bounded too, since brokers bound their records; what was sent is weighed by takeIn.
  if (isOver(head, client, ascii, limits.eventBytes))
    return refuse('SIZE_VIOLATION', '', `the event is over ${limits.eventBytes} bytes as stored`, eventId);
  return {
    ok: true,
    line: {
      tenantId: app.tenantId,
      appId: app.appId,
      eventId,
      head,
      client,
      clientTime: clientTime ?? Number.NaN,
      ascii,
      dedupeHash: splitHash(
        hash64(dedupeKeyOf(app.appId, sourceFormat, batch.unescaped ? eventId : eventId.toWellFormed())),
      ),
      minute: time.occurredAt - (time.occurredAt % 60_000),
      fate: policy.filter === null ? 'kept' : policy.filter(eventName, deviceKey),
    },
  };
}

/** What came from the client, in a fixed order, its times apart. */
function clientMembers(
  draft: Draft,
  sorted: SortedDraft,
  eventName: string,
  { origin, batch }: LineFrame,
): string | FieldFault | typeof inexact {
  const { values } = sorted;
  const kind = kindOf(values, eventName);
  if (kind instanceof FieldFault) return kind;
  const texts = textMembers(values, batch.unescaped);
  if (texts instanceof FieldFault) return texts;
  const formed = formedMembers(values, origin.app.currency);
  if (formed instanceof FieldFault) return formed;
  const beganAt = parseTime(values[slots.install_begin_at], 'install_begin_at');
  if (beganAt instanceof FieldFault) return beganAt;
  const properties = propertiesText(draft, sorted, batch.unescaped);
  if (typeof properties !== 'string') return properties;
  // textMembers begins with the quote that ends the name.
  let members = `,"event_kind":"${kind}","event_name":"${batch.unescaped ? eventName : escaped(eventName)}${texts}"${formed}`;
  if (beganAt !== undefined) members += `,"install_begin_at":${beganAt}`;
  if (properties !== '') members += `,"properties":"${properties}"`;
  return members;
}

/** With a client time a repeat is recognised; without one it can't be, and its repeats may count twice (documented). */
function generatedId(origin: Origin, client: string, clientTime: number | undefined): string {
  return clientTime === undefined
    ? newId('request').replace('req_', 'evt_')
    : `gen_${sha256Hex(`${origin.app.appId}\u001f${client}@${clientTime}`).slice(0, 32)}`;
}

/** An address in the event is believed of servers only (secret keys). */
function toldIp(values: FieldValues, { origin }: LineFrame): string | undefined {
  const given = values[slots.ip];
  return origin.key.kind === 'secret' && typeof given === 'string' ? given : undefined;
}

/** Address and user agent as the app wants them. */
function senderMembers(values: FieldValues, frame: LineFrame): string {
  const told = toldIp(values, frame);
  const ip = told === undefined ? frame.ip : ipMember(applyIpPolicy(told, frame.origin.app.ipPolicy));
  return values[slots.user_agent] === undefined ? ip + frame.userAgent : ip;
}

function placeOf(values: FieldValues, frame: LineFrame): KnownPlace {
  const told = values[slots.ip] === undefined ? undefined : toldIp(values, frame);
  return told === undefined ? frame.place : frame.origin.enrichment.placeOf(told);
}

function agentOf(values: FieldValues, frame: LineFrame): KnownAgent {
  const own = values[slots.user_agent];
  return typeof own === 'string' ? frame.origin.enrichment.agentOf(own) : frame.agent;
}

const ipMember = (ip: string | null): string => (ip === null ? '' : `,"ip":"${ip}"`);
const asIs = (text: string): string => text;
// biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII
const isAscii = (text: string): boolean => /^[\x00-\x7f]*$/.test(text);

function isOver(head: string, client: string, ascii: boolean, limit: number): boolean {
  const chars = head.length + client.length;
  if (ascii || chars > limit) return chars > limit;
  return chars * 3 > limit && Buffer.byteLength(head) + Buffer.byteLength(client) > limit;
}

function refuse(code: ErrorCode, field: string, message: string, eventId: string | undefined): EventVerdict {
  return { ok: false, refusal: { code, field, message }, eventId: eventId ?? '' };
}

function refuseField({ code, field, message }: FieldFault, eventId: string | undefined): EventVerdict {
  return refuse(code, field, message, eventId);
}
