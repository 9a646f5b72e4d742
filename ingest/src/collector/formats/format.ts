import { CodedError, type SourceFormat } from '@tributary/schema';
import type { CollectorRequest, CollectorResponse } from '../core.ts';
import type { Draft, Intake } from '../draft.ts';

/** What a decoder sees of a request: its text and where it came. */
export interface DecodeInput {
  /** The body as text; of a GET, empty. */
  readonly text: string;
  readonly path: string;
  /** The query without its question mark, undecoded. */
  readonly query: string;
  /** Lower case, parameters cut; empty when absent. */
  readonly contentType: string;
}

/** What a decoder makes of a body: drafts under canonical names, and the sending time of the whole. */
export interface Decoded {
  /** Elements that are no objects stay what they were; they are refused one by one. */
  readonly events: readonly unknown[];
  readonly sentAt: unknown;
  /** One event, not a batch: the answer says `success` too. */
  readonly single: boolean;
  /** A key that travels in the body or query. */
  readonly key: string | null;
  /** One element → a draft; null when it is none. */
  readonly toDraft: (element: unknown) => Draft | null;
}

/**
 * A body's text → its events. `parse` is JSON.parse, or one that keeps numbers exact: it is called a second time with that
 * one when a number was rounded. Throws BODY_UNPARSABLE or BODY_EMPTY.
 */
export type Decode = (input: DecodeInput, parse?: (text: string) => unknown) => Decoded;

/** A vendor's wire format: how its bodies are read, how its key is found, and what its SDK must be answered. */
export interface WireFormat {
  readonly sourceFormat: SourceFormat;
  readonly methods: readonly ('GET' | 'POST')[];
  /** Bytes of one event as sent. */
  readonly maxEventBytes: number;
  /**
   * Where several formats share a path: whether this request is of this one. Asked in the order of `routes`; absent = yes.
   * `text` is the body.
   */
  readonly claims?: (request: CollectorRequest, text: string) => boolean;
  /** A key in this format's own headers; absent = Authorization as Bearer or Basic. '' = a key was sent that is none. */
  readonly keyOf?: (request: CollectorRequest) => string | null;
  readonly decode: Decode;
  /** What a stored request is answered. Absent = the native answer. */
  readonly answer?: (decoded: Decoded, intake: Intake, request: CollectorRequest) => CollectorResponse;
  /** What a refusal is answered, where the SDK needs another form than a catalogue error. Absent = that. */
  readonly refuse?: (error: CodedError, request: CollectorRequest) => CollectorResponse;
}

export function asObject(value: unknown): Readonly<Record<string, unknown>> | null {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}

/** For senders that can set no header, such as sendBeacon. */
export function keyIn(body: Readonly<Record<string, unknown>>): string | null {
  const key = body['writeKey'] ?? body['write_key'];
  return typeof key === 'string' ? key : null;
}

/** A body that is one JSON object. Throws BODY_UNPARSABLE. */
export function parseObject(
  text: string,
  parse: (text: string) => unknown = JSON.parse,
): Readonly<Record<string, unknown>> {
  let body: unknown;
  try {
    body = parse(text);
  } catch (error) {
    throw new CodedError('BODY_UNPARSABLE', { message: 'The body is not valid JSON.', cause: error });
  }
  const object = asObject(body);
  if (object === null) throw new CodedError('BODY_UNPARSABLE', { message: 'The body is not a JSON object.' });
  return object;
}
