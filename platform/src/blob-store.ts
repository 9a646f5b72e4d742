import type { Readable } from 'node:stream';

/**
 * Files that one role writes and another serves: exports.
 *
 * - Atomic: a blob is there whole, under its key, once `publish` resolved, and durable then; before, nobody sees any of it.
 *   A writer that died leaves nothing that can be read; `sweep` removes what it left.
 * - Keys: `[A-Za-z0-9_-]` and dots between, up to 200 characters, made by the product. Others throw BAD_USER_INPUT.
 * - Publishing under a key that is there replaces it whole; who reads the old one reads it to its end.
 * - Disposal: writers that are open are aborted; idempotent.
 */
export interface BlobStore {
  /** Begins a blob. */
  create(key: string): Promise<BlobWriter>;
  /** Size and version of a blob; null when there is none. */
  stat(key: string): Promise<BlobFacts | null>;
  /** Bytes `start` to `end`, both inclusive, of a blob; null when there is none. The range must lie in the blob. */
  open(key: string, range?: { readonly start: number; readonly end: number }): Promise<Readable | null>;
  /** Removes a blob; nothing happens when there is none. */
  delete(key: string): Promise<void>;
  /** Removes blobs published, and unfinished writes touched, before `olderThanMs` (epoch). Resolves with how many. */
  sweep(olderThanMs: number): Promise<number>;
  dispose(): Promise<void>;
}

export interface BlobFacts {
  readonly sizeBytes: number;
  /** Differs for each publishing under a key; quoted it is an ETag. */
  readonly version: string;
  /** Epoch ms. */
  readonly publishedAt: number;
}

export interface BlobWriter {
  /** Resolves when the bytes are taken; waits while the store is behind. */
  write(chunk: Uint8Array): Promise<void>;
  publish(): Promise<BlobFacts>;
  /** Drops what was written. Idempotent; after `publish` it does nothing. */
  abort(): Promise<void>;
}
