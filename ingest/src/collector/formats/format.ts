import { CodedError, type SourceFormat } from '@tributary/schema';
import type { Draft, Intake } from '../draft.ts';
import type { CollectorRequest, CollectorResponse } from '../request.ts';

/** What a decoder sees of a request: its text and where it came. */
export interface DecodeInput {
  /** The body as text; of a GET, empty. */
  readonly text: string;
  readonly path: string;
  /** The query without its question mark, undecoded. */
  readonly query: string;
  /** Lower case, parameters cut; empty when absent. */
  readonly contentType: string;
  /** What some SDKs say in headers only, and where from they say it. */
  readonly sender: Pick<CollectorRequest, 'header' | 'remoteAddress' | 'userAgent' | 'receivedAt'>;
}

/** What a decoder makes of a body: drafts under canonical names, and the sending time of the whole. */
export interface Decoded {
  /** Elements that are no objects stay what they were; they are refused one by one. */
  readonly events: readonly unknown[];
  readonly sentAt: unknown;
  /** One event, not a batch: the answer says `success` too. */
  readonly single: boolean;
  /** A key that travels in the body or query. It is in none of `events`, so that it is stored nowhere. */
  readonly key: string | null;
  /** Texts were unpacked from another form (query, base64, headers): what is known of the body's bytes doesn't hold for them. */
  readonly recoded?: true;
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

/** `Bearer KEY`, or Basic with the key as name (Segment). */
export function keyInAuthorization({ authorization }: Pick<CollectorRequest, 'authorization'>): string | null {
  if (authorization === undefined) return null;
  const space = authorization.indexOf(' ');
  const scheme = authorization.slice(0, Math.max(0, space)).toLowerCase();
  const rest = authorization.slice(space + 1).trim();
  if (scheme === 'bearer') return rest;
  if (scheme !== 'basic') return '';
  const pair = Buffer.from(rest, 'base64').toString('utf8');
  return pair.includes(':') ? pair.slice(0, pair.indexOf(':')) : pair;
}
