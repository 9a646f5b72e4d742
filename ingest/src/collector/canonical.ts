import { dedupeKeyOf, deviceIdFields, type ErrorCode, hash64, hex64, newId, sha256Hex } from '@tributary/schema';
import { FieldFault, formedMembers, kindOf, textMembers, textOf } from './client-fields.ts';
import type { Draft, EventVerdict, Origin } from './draft.ts';
import { applyIpPolicy } from './ip.ts';
import { jsonText } from './json-text.ts';
import { propertiesText } from './properties.ts';
import { correctTime, parseTime } from './times.ts';

const refuse = (code: ErrorCode, field: string, message: string, eventId: unknown): EventVerdict => ({
  ok: false,
  refusal: { code, field, message },
  eventId: typeof eventId === 'string' ? eventId.slice(0, 200) : '',
});
const refuseField = (fault: FieldFault, eventId: unknown, code: ErrorCode = 'SCHEMA_VIOLATION'): EventVerdict =>
  refuse(code, fault.field, fault.message, eventId);

/** The batch's sending time, for events that tell none themselves. */
export interface BatchTimes {
  readonly sentAt: unknown;
}

/**
 * One draft → one canonical line, or why not. Pure but for the ids it must make. This is the hot path: texts are joined by
 * hand, and a property test holds every line against `eventSchema`.
 */
export function buildLine(draft: Draft, origin: Origin, batch: BatchTimes): EventVerdict {
  const givenId = textOf(draft['event_id'], 'event_id', 200);
  if (givenId instanceof FieldFault) return refuseField(givenId, null);
  const eventName = draft['event_name'];
  if (typeof eventName !== 'string' || eventName.length === 0 || eventName.length > 200) {
    return refuse('EVENT_NAME_MISSING', 'event_name', 'event_name must be a text of 1 to 200 characters', givenId);
  }
  const claimedApp = draft['app_id'];
  if (claimedApp !== undefined && claimedApp !== null && claimedApp !== origin.app.appId) {
    return refuse('UNKNOWN_APP', 'app_id', 'this key does not write to that app', givenId);
  }
  const deviceKey = deviceKeyOf(draft);
  if (deviceKey instanceof FieldFault)
    return refuseField(deviceKey, givenId, deviceKey.field === '' ? 'SUBJECT_MISSING' : 'SCHEMA_VIOLATION');
  const client = clientMembers(draft, eventName, origin);
  if (client instanceof FieldFault) return refuseField(client, givenId);
  const clientTime = parseTime(draft['occurred_at'], 'occurred_at');
  if (clientTime instanceof FieldFault) return refuseField(clientTime, givenId, 'BAD_TIMESTAMP');
  const sentAt = parseTime(draft['sent_at'] ?? batch.sentAt, 'sent_at');
  if (sentAt instanceof FieldFault) return refuseField(sentAt, givenId, 'BAD_TIMESTAMP');
  const time = correctTime(clientTime, sentAt, origin.receivedAt, origin.key.scopes.includes('ingest:backfill'));
  if (time instanceof FieldFault) return refuseField(time, givenId, 'BAD_TIMESTAMP');

  // What the client said, its sending time apart: equal payloads are equal here whenever they are sent.
  const payload = `${client}@${clientTime ?? ''}`;
  const eventId = givenId ?? generatedId(origin, payload, clientTime);
  const flags = givenId === undefined ? [...time.flags, 'generated_id'] : time.flags;
  return finish({ draft, origin, client, payload, eventId, deviceKey, sentAt, time: { ...time, flags } });
}

interface Parts {
  readonly draft: Draft;
  readonly origin: Origin;
  readonly client: string;
  readonly payload: string;
  readonly eventId: string;
  readonly deviceKey: string;
  readonly sentAt: number | undefined;
  readonly time: { readonly occurredAt: number; readonly skewMs: number; readonly flags: readonly string[] };
}

function finish({ draft, origin, client, payload, eventId, deviceKey, sentAt, time }: Parts): EventVerdict {
  const { app, receivedAt } = origin;
  const dedupeHash = hash64(dedupeKeyOf(app.appId, origin.sourceFormat, eventId));
  const dedupeHex = hex64(dedupeHash);
  const payloadHex = hex64(hash64(payload));
  const ip = applyIpPolicy(givenIp(draft, origin) ?? origin.remoteAddress, app.ipPolicy);
  const flags = time.flags.length === 0 ? '' : `,"flags":["${time.flags.join('","')}"]`;
  const head =
    `{"tenant_id":"${app.tenantId}","app_id":"${app.appId}","event_id":${jsonText(eventId)},"dedupe_hash":"${dedupeHex}","payload_hash":"${payloadHex}"` +
    `,"source_format":"${origin.sourceFormat}","received_at":${receivedAt},"occurred_at":${time.occurredAt}` +
    `${sentAt === undefined ? '' : `,"sent_at":${sentAt}`}${time.skewMs === 0 ? '' : `,"clock_skew_ms":${time.skewMs}`}${flags}` +
    `,"device_key":${jsonText(deviceKey)}${ip === null ? '' : `,"ip":"${ip}"`}` +
    `${draft['user_agent'] === undefined && origin.userAgent !== null ? `,"user_agent":${jsonText(origin.userAgent.slice(0, 1000))}` : ''}${client}`;
  if (head.length > origin.maxEventBytes)
    return refuse('SIZE_VIOLATION', '', `the event is over ${origin.maxEventBytes} bytes`, eventId);
  return {
    ok: true,
    line: {
      tenantId: app.tenantId,
      appId: app.appId,
      eventId,
      head,
      dedupeHash,
      dedupeHex,
      payloadHex,
      minute: time.occurredAt - (time.occurredAt % 60_000),
    },
  };
}

/** What came from the client, in a fixed order. */
function clientMembers(draft: Draft, eventName: string, origin: Origin): string | FieldFault {
  const kind = kindOf(draft, eventName);
  if (kind instanceof FieldFault) return kind;
  const texts = textMembers(draft);
  if (texts instanceof FieldFault) return texts;
  const formed = formedMembers(draft, origin.app.currency);
  if (formed instanceof FieldFault) return formed;
  const beganAt = parseTime(draft['install_begin_at'], 'install_begin_at');
  if (beganAt instanceof FieldFault) return beganAt;
  const properties = propertiesText(draft);
  if (properties instanceof FieldFault) return properties;
  return `,"event_name":${jsonText(eventName)},"event_kind":"${kind}"${texts}${formed}${beganAt === undefined ? '' : `,"install_begin_at":${beganAt}`}${properties === '' ? '' : `,"properties":${jsonText(properties)}`}`;
}

const subjectFields = ['anonymous_id', ...deviceIdFields, 'user_id'] as const;

/** anonymous_id, else the first device id, else user_id. A fault without field when none is there. */
function deviceKeyOf(draft: Draft): string | FieldFault {
  for (const field of subjectFields) {
    const text = textOf(draft[field], field, field === 'anonymous_id' || field === 'user_id' ? 256 : 64);
    if (text !== undefined) return text;
  }
  return new FieldFault('', 'one of anonymous_id, user_id or a device id (idfv, gaid, idfa, android_id) is required');
}

/** With a client time a repeat is recognised; without one it can't be, and its repeats may count twice (documented). */
function generatedId(origin: Origin, payload: string, clientTime: number | undefined): string {
  return clientTime === undefined
    ? newId('request').replace('req_', 'evt_')
    : `gen_${sha256Hex(`${origin.app.appId}\u001f${payload}`).slice(0, 32)}`;
}

/** An address in the event is believed of servers only (secret keys). */
function givenIp(draft: Draft, origin: Origin): string | null {
  const ip = draft['ip'];
  return origin.key.kind === 'secret' && typeof ip === 'string' ? ip : null;
}
