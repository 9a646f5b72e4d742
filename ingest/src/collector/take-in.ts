import { CodedError, type DeadLetter, limits, uuidV7 } from '@tributary/schema';
import { createLineBuilder } from './canonical.ts';
import { keyFields } from './client-fields.ts';
import type { Draft, EventVerdict, Intake, Origin, PendingLine, Refusal, RejectedEvent, TextFacts } from './draft.ts';
import { parseExact } from './exact-numbers.ts';
import { asObject, type Decode, type Decoded, type DecodeInput } from './formats/format.ts';
import { createLinePacker, overheadBytes } from './line-packer.ts';
import { policyOf } from './policy/app-policy.ts';
import { maskPayload } from './policy/privacy.ts';
import { inexact } from './properties.ts';

/** Dead letters keep what was sent, so that it can be mended and replayed; of an event over the limit this much. */
const keptPayloadChars = 65_536;

/** A body as text, with what is known of its bytes. */
export interface BodyText extends TextFacts, DecodeInput {
  readonly byteLength: number;
}

/**
 * A decoded body → lines, dead letters and verdicts. One bad event never fails its batch. Throws TOO_MANY_EVENTS.
 */
export function takeIn(decoded: Decoded, body: BodyText, decode: Decode, origin: Origin): Intake {
  return takeInOnce(decoded, body, origin) ?? takeInOnce(decode(body, parseExact), body, origin)!;
}

/** null when a number of the body was rounded by JSON.parse. */
function takeInOnce(decoded: Decoded, body: BodyText, origin: Origin): Intake | null {
  const { events, toDraft } = decoded;
  if (events.length > limits.batchEvents)
    throw new CodedError('TOO_MANY_EVENTS', { details: { limit: limits.batchEvents, events: events.length } });
  const lines: PendingLine[] = [];
  const eventIds: string[] = [];
  const rejected: RejectedEvent[] = [];
  const deadLetters: DeadLetter[] = [];
  let blocked = 0;
  let sampledOut = 0;
  const build = createLineBuilder(origin, {
    sentAt: decoded.sentAt,
    unescaped: body.unescaped && !decoded.recoded,
    ascii: body.ascii && !decoded.recoded,
  });
  const pack = createLinePacker(Math.ceil(body.byteLength * 1.125) + events.length * overheadBytes);
  for (let index = 0; index < events.length; index += 1) {
    const draft = toDraft(events[index]);
    const built = draft === null ? notAnObject : build(draft);
    if (built === inexact) return null;
    const verdict = built.ok ? weighed(built, events[index], body, origin) : built;
    if (verdict.ok) {
      eventIds.push(verdict.line.eventId);
      if (verdict.line.fate === 'kept') lines.push(pack(verdict.line));
      else if (verdict.line.fate === 'blocked') blocked += 1;
      else sampledOut += 1;
      continue;
    }
    const { code, field, message } = verdict.refusal;
    rejected.push({ index, id: verdict.eventId === '' ? null : verdict.eventId, code, field, message });
    deadLetters.push(deadLetterOf(verdict.refusal, verdict.eventId, events[index], draft, origin));
  }
  const accepted = lines.length + blocked + sampledOut;
  return { lines, deadLetters, eventIds, rejected, accepted, filtered: { blocked, sampledOut } };
}

const notAnObject: EventVerdict = {
  ok: false,
  refusal: { code: 'EVENT_NOT_OBJECT', field: '', message: 'an event is a JSON object' },
  eventId: '',
};

/**
 * Refuses an event that was sent over the route's limit. In a body below the limit none can be; else only lines near it
 * are weighed, by writing their event out again: a line is never much shorter than what it was made of.
 */
function weighed(
  verdict: EventVerdict & { readonly ok: true },
  element: unknown,
  body: BodyText,
  { maxEventBytes }: Origin,
): EventVerdict {
  const { head, client, eventId } = verdict.line;
  if (body.byteLength <= maxEventBytes || (head.length + client.length) * 3 <= maxEventBytes) return verdict;
  if (Buffer.byteLength(JSON.stringify(element)) <= maxEventBytes) return verdict;
  const message = `the event is over ${maxEventBytes} bytes`;
  return { ok: false, refusal: { code: 'SIZE_VIOLATION', field: '', message }, eventId };
}

function deadLetterOf(
  refusal: Refusal,
  eventId: string,
  element: unknown,
  draft: Draft | null,
  origin: Origin,
): DeadLetter {
  const { app, enrichment } = origin;
  const payload = maskPayload(payloadText(withoutKeys(element)), draft, policyOf(app), (id) =>
    enrichment.hashDeviceId(app.appId, id),
  );
  return {
    tenant_id: origin.app.tenantId,
    app_id: origin.app.appId,
    dead_letter_id: uuidV7(origin.receivedAt),
    stage: 'collector',
    code: refusal.code,
    field: refusal.field,
    message: refusal.message,
    source_format: origin.sourceFormat,
    event_id: eventId.toWellFormed(),
    received_at: origin.receivedAt,
    payload: payload.length > limits.eventBytes ? payload.slice(0, keptPayloadChars).toWellFormed() : payload,
  };
}

/** Keys are secrets: a dead letter holds none. */
function withoutKeys(element: unknown): unknown {
  const object = asObject(element);
  if (object === null || !keyFields.some((name) => Object.hasOwn(object, name))) return element;
  return Object.fromEntries(
    Object.entries(object).filter(([name]) => !(keyFields as readonly string[]).includes(name)),
  );
}

/** JSON.stringify writes lone surrogates as escapes, so that the payload is well-formed. */
function payloadText(element: unknown): string {
  try {
    return JSON.stringify(element) ?? '';
  } catch (error) {
    // Nested so deeply that it can't be written out: the reason stays, the rest can't.
    return JSON.stringify({ unwritable: error instanceof Error ? error.message : 'too deep' });
  }
}
