import { CodedError, type DeadLetter, limits, uuidV7 } from '@tributary/schema';
import { buildLine } from './canonical.ts';
import type { Intake, Origin, PendingLine, RejectedEvent } from './draft.ts';
import type { Decoded } from './formats/native.ts';

/** Dead letters keep what was sent; an event over the limit is kept as far as this. */
const keptPayloadChars = 65_536;

/**
 * A decoded body → lines, dead letters and verdicts. One bad event never fails its batch. Throws TOO_MANY_EVENTS.
 */
export function takeIn(decoded: Decoded, origin: Origin): Intake {
  const { events } = decoded;
  if (events.length > limits.batchEvents)
    throw new CodedError('TOO_MANY_EVENTS', { details: { limit: limits.batchEvents, events: events.length } });
  const lines: PendingLine[] = [];
  const eventIds: string[] = [];
  const rejected: RejectedEvent[] = [];
  const deadLetters: DeadLetter[] = [];
  const batch = { sentAt: decoded.sentAt };
  for (let index = 0; index < events.length; index += 1) {
    const draft = decoded.toDraft(events[index]);
    const verdict =
      draft === null
        ? ({
            ok: false,
            refusal: { code: 'EVENT_NOT_OBJECT', field: '', message: 'an event is a JSON object' },
            eventId: '',
          } as const)
        : buildLine(draft, origin, batch);
    if (verdict.ok) {
      lines.push(verdict.line);
      eventIds.push(verdict.line.eventId);
    } else {
      const { code, field, message } = verdict.refusal;
      rejected.push({ index, id: verdict.eventId === '' ? null : verdict.eventId, code, field, message });
      deadLetters.push({
        tenant_id: origin.app.tenantId,
        app_id: origin.app.appId,
        dead_letter_id: uuidV7(origin.receivedAt),
        stage: 'collector',
        code,
        field,
        message,
        source_format: origin.sourceFormat,
        event_id: verdict.eventId,
        received_at: origin.receivedAt,
        payload: payloadText(events[index]),
      });
    }
  }
  return { lines, deadLetters, eventIds, rejected };
}

function payloadText(element: unknown): string {
  try {
    return (JSON.stringify(element) ?? '').slice(0, keptPayloadChars);
  } catch (error) {
    // Nested so deeply that it can't be written out: the reason stays, the rest can't.
    return JSON.stringify({ unwritable: error instanceof Error ? error.message : 'too deep' });
  }
}
