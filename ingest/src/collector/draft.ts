import type { DeadLetter, DirectoryApp, DirectoryKey, ErrorCode, SourceFormat } from '@tributary/schema';
import type { Enrichment } from './enrich/enrichment.ts';
import type { FlagBits } from './flags.ts';
import type { Hash } from './hash-bytes.ts';
import type { FilterVerdict } from './policy/event-filter.ts';

/** A client's event under canonical names, as a decoder gives it: values are still what the client sent. */
export type Draft = Readonly<Record<string, unknown>>;

/** Who sends, when and from where: what the collector itself knows of a request. */
export interface Origin {
  readonly key: DirectoryKey;
  readonly app: DirectoryApp;
  readonly sourceFormat: SourceFormat;
  /** Epoch ms. */
  readonly receivedAt: number;
  /** Of the client, behind trusted proxies. */
  readonly remoteAddress: string | null;
  readonly userAgent: string | null;
  /** Bytes of one event as sent that this route takes. */
  readonly maxEventBytes: number;
  readonly enrichment: Enrichment;
  /** What the route itself notes of its events. */
  readonly flags?: FlagBits;
}

/** What is known of a body's bytes and spares looking at each text again. */
export interface TextFacts {
  /** The body holds no backslash: no text in it needs escaping in JSON, and none has a lone surrogate. */
  readonly unescaped: boolean;
  /** `unescaped`, and every byte is ASCII: a text's length is its byte length. */
  readonly ascii: boolean;
}

/** Why an event was refused; `field` is empty where no single field is at fault. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly field: string;
  readonly message: string;
}

/**
 * A canonical line as text, which lacks only what its block gives it. The whole line is `head`, `client`, then both hashes,
 * `block_id`, `block_index` and the closing brace.
 */
export interface BuiltLine {
  readonly tenantId: string;
  readonly appId: string;
  readonly eventId: string;
  /** JSON text of what the collector made, from the opening brace. */
  readonly head: string;
  /** JSON members of what the client said, each with a comma in front, times apart. */
  readonly client: string;
  /** Client time in epoch ms, or NaN: together with `client` it is what the payload hash is taken of. */
  readonly clientTime: number;
  /** `head` and `client` are ASCII. */
  readonly ascii: boolean;
  readonly dedupeHash: Hash;
  /** Epoch ms of occurred_at, floored to the minute. */
  readonly minute: number;
  /** Whether the app's owner wants the event stored; it is answered as accepted either way. */
  readonly fate: FilterVerdict;
}

/** A line that waits for its block: `bytes` from `start` to `end`, shared with other lines of its request. */
export interface PendingLine {
  readonly tenantId: string;
  readonly appId: string;
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  readonly dedupeHash: Hash;
  readonly payloadHash: Hash;
  readonly minute: number;
}

export type EventVerdict =
  | { readonly ok: true; readonly line: BuiltLine }
  | { readonly ok: false; readonly refusal: Refusal; readonly eventId: string };

export interface RejectedEvent {
  readonly index: number;
  readonly id: string | null;
  readonly code: ErrorCode;
  readonly field: string;
  readonly message: string;
}

/** What a body became: lines for the log, dead letters, and the verdicts for the answer. */
export interface Intake {
  readonly lines: readonly PendingLine[];
  readonly deadLetters: readonly DeadLetter[];
  readonly eventIds: readonly string[];
  readonly rejected: readonly RejectedEvent[];
  /** What is answered as accepted: the lines, and what the app's owner has filtered. */
  readonly accepted: number;
  readonly filtered: Filtered;
}

/** Events that were accepted and not stored, since the app's owner wants it so. */
export interface Filtered {
  readonly blocked: number;
  readonly sampledOut: number;
}
