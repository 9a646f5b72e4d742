import { CodedError, limits } from '@tributary/schema';
import { asObject, type Decode, type Decoded, keyIn, type WireFormat } from './format.ts';

/**
 * The native API: one event, `{"batch":[…],"sent_at":…}`, a JSON array, or NDJSON (a line each). Names are the canonical
 * ones already.
 */
export const decodeNative: Decode = ({ text }, parse = JSON.parse) => {
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

export const nativeFormat: WireFormat = {
  sourceFormat: 'native',
  methods: ['POST'],
  maxEventBytes: limits.eventBytes,
  decode: decodeNative,
};
