import type { DirectorySnapshot } from '@tributary/schema';

/**
 * Read side of the directory (schema/src/directory.ts). Embedded: an LMDB snapshot in the data directory that processes
 * share. Server: read from Postgres by the prisma folder, with the same promises.
 *
 * - `current()` never waits and never throws: the last snapshot seen (an empty one of version 0 before the first).
 * - Freshness: a published change is seen within 2 s.
 */
export interface Directory {
  current(): DirectorySnapshot;
  /** Called after `current()` changed. Returns an unsubscriber. */
  onChange(listener: (snapshot: DirectorySnapshot) => void): () => void;
  /** Reads now, without waiting for the next poll. */
  refresh(): Promise<void>;
  dispose(): Promise<void>;
}

/** Write side; one process, the owner of the relational store. */
export interface DirectoryPublisher {
  /** Durable when resolved. */
  publish(snapshot: DirectorySnapshot): Promise<void>;
  dispose(): Promise<void>;
}
