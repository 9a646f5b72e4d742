import type { DeadLetter, DirectoryApp, DirectoryKey, ErrorCode, SourceFormat } from '@tributary/schema';

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
  /** Bytes of one event that this route takes. */
  readonly maxEventBytes: number;
}

/** Why an event was refused; `field` is empty where no single field is at fault. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly field: string;
  readonly message: string;
}

/** A canonical line that lacks only what its block gives it (`block_id`, `block_index`, the closing brace). */
export interface PendingLine {
  readonly tenantId: string;
  readonly appId: string;
  readonly eventId: string;
  /** JSON text up to where `,"block_id"` follows. */
  readonly head: string;
  readonly dedupeHash: bigint;
  readonly dedupeHex: string;
  readonly payloadHex: string;
  /** Epoch ms of occurred_at, floored to the minute. */
  readonly minute: number;
}

export type EventVerdict =
  | { readonly ok: true; readonly line: PendingLine }
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
}
