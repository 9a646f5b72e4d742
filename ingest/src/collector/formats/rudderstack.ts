import { limits } from '@tributary/schema';
import type { CollectorRequest } from '../request.ts';
import { pairsOf } from './fields.ts';
import { asObject, type Decode, type WireFormat } from './format.ts';
import { decodeSegment } from './segment.ts';

/**
 * RudderStack's SDKs speak Segment's language on Segment's paths. Their mapping is the same; they are told apart so that
 * the name stored with an event, which is part of its dedupe key, is the sender's own.
 */
export const decodeRudderstack: Decode = (input, parse) => {
  const decoded = decodeSegment(input, parse);
  return decoded.key === null ? { ...decoded, key: keyInQuery(input.query) } : decoded;
};

/** The beacon of the browser SDK, which can set no header. */
function keyInQuery(query: string): string | null {
  const key = query === '' ? undefined : pairsOf(query)['writeKey'];
  return typeof key === 'string' ? key : null;
}

/**
 * By what a sender says the same way each time it sends: its labels (a JSON body called a form, a user agent with its name, the
 * header of the browser and mobile SDKs), else `channel` and `originalTimestamp` on its messages, which the SDK sets when an
 * event is queued. A repeat is therefore claimed as the first attempt was, however the messages are put into batches, and
 * so keeps its dedupe key.
 */
function isRudderstack(request: CollectorRequest, text: string): boolean {
  if (request.header('anonymousid') !== undefined) return true;
  if (request.header('content-type')?.startsWith('application/x-www-form-urlencoded')) return true;
  // `analytics-node/…` says nothing: Segment's older SDK, which this one came from, has the same.
  if (/rudder/i.test(request.userAgent ?? '')) return true;
  if (!text.includes('"originalTimestamp"') || !text.includes('"channel"')) return false;
  const message = firstMessage(text);
  return message?.['originalTimestamp'] !== undefined && message['channel'] !== undefined;
}

function firstMessage(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const body = asObject(JSON.parse(text));
    const batch = body?.['batch'];
    return Array.isArray(batch) ? asObject(batch[0]) : body;
  } catch {
    return null;
  }
}

export const rudderstackFormat: WireFormat = {
  sourceFormat: 'rudderstack',
  methods: ['POST'],
  maxEventBytes: limits.eventBytes,
  claims: isRudderstack,
  decode: decodeRudderstack,
};
