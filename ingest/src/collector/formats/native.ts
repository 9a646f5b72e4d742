import { CodedError } from '@tributary/schema';
import type { Draft } from '../draft.ts';

/** What a decoder makes of a body: drafts under canonical names, and the sending time of the whole. */
export interface Decoded {
  /** Elements that are no objects stay what they were; they are refused one by one. */
  readonly events: readonly unknown[];
  readonly sentAt: unknown;
  /** One event, not a batch: the answer says `success` too. */
  readonly single: boolean;
  /** A key that travels in the body. */
  readonly key: string | null;
  /** One element → a draft; null when it is none. */
  readonly toDraft: (element: unknown) => Draft | null;
}

/** A body's text → its events. `parse` is JSON.parse, or one that keeps numbers exact. Throws BODY_UNPARSABLE or BODY_EMPTY. */
export type Decode = (text: string, path: string, parse?: (text: string) => unknown) => Decoded;

export function asObject(value: unknown): Readonly<Record<string, unknown>> | null {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}

/**
 * The native API: one event, `{"batch":[…],"sent_at":…}`, a JSON array, or NDJSON (a line each). Names are the canonical
 * ones already.
 */
export const decodeNative: Decode = (text, _path, parse = JSON.parse) => {
  const whole = parsed(text, parse);
  if (whole === undefined) return batchOf(parseLines(text, parse), undefined);
  if (Array.isArray(whole)) return batchOf(whole, undefined);
  const object = asObject(whole);
  if (object === null)
    throw new CodedError('BODY_UNPARSABLE', { message: 'The body is neither an event, a batch nor NDJSON.' });
  if (Array.isArray(object['batch']) && object['event_name'] === undefined)
    return { ...batchOf(object['batch'], object['sent_at']), key: keyIn(object) };
  return { events: [object], sentAt: undefined, single: true, key: keyIn(object), toDraft: asObject };
};

/** For senders that can set no header, such as sendBeacon. */
export function keyIn(body: Readonly<Record<string, unknown>>): string | null {
  const key = body['writeKey'] ?? body['write_key'];
  return typeof key === 'string' ? key : null;
}

function batchOf(events: readonly unknown[], sentAt: unknown): Decoded {
  if (events.length === 0) throw new CodedError('BODY_EMPTY');
  return { events, sentAt, single: false, key: null, toDraft: asObject };
}

function parsed(text: string, parse: (text: string) => unknown): unknown {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Not one JSON value: lines, each a value of its own. A broken line (the last one of a cut upload, say) stays a text and is
 * refused alone; a body of which no line is JSON is no NDJSON.
 */
function parseLines(text: string, parse: (text: string) => unknown): unknown[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  if (lines.length === 0) throw new CodedError('BODY_EMPTY');
  const values = lines.map((line) => parsed(line, parse));
  if (values.every((value) => value === undefined))
    throw new CodedError('BODY_UNPARSABLE', { message: 'The body is not valid JSON.' });
  return values.map((value, index) => value ?? lines[index]);
}
