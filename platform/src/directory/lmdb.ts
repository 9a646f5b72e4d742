import { type DirectorySnapshot, directorySchema } from '@tributary/schema';
import { open, type RootDatabase } from 'lmdb';
import type { Directory, DirectoryPublisher } from '../directory.ts';
import type { Logger } from '../logger.ts';
import { emptyDirectory } from './empty.ts';

export interface LmdbDirectoryOptions {
  /** Directory of the environment; made when absent. */
  readonly dir: string;
  /** How often readers look for a new version. Default 500. */
  readonly pollMs?: number;
  readonly logger?: Logger;
}

/** `revision` counts publications, so that readers see a change without reading, let alone parsing, the snapshot. */
const revisionKey = 'revision';
const snapshotKey = 'snapshot';

/**
 * Write side of the embedded directory. `publish` rejects a snapshot that does not fit directorySchema.
 *
 * @example
 * const publisher = await openLmdbDirectoryPublisher({ dir: '.data/directory' });
 * await publisher.publish(snapshot);
 */
export async function openLmdbDirectoryPublisher({ dir }: LmdbDirectoryOptions): Promise<DirectoryPublisher> {
  const store = openStore(dir);
  let disposing: Promise<void> | null = null;
  return {
    async publish(snapshot) {
      const text = JSON.stringify(directorySchema.parse(snapshot));
      await store.transaction(() => {
        store.putSync(snapshotKey, text);
        store.putSync(revisionKey, String(revisionOf(store) + 1));
      });
    },
    dispose: () => (disposing ??= store.close()),
  };
}

/**
 * Read side of the embedded directory. The snapshot that is there when it opens is `current()` from the start. A
 * snapshot that cannot be parsed is logged and the last good one kept.
 */
export async function openLmdbDirectory({ dir, pollMs = 500, logger }: LmdbDirectoryOptions): Promise<Directory> {
  const store = openStore(dir);
  const listeners = new Set<(snapshot: DirectorySnapshot) => void>();
  let current = emptyDirectory;
  let seenRevision = 0;
  let disposing: Promise<void> | null = null;

  function look(): void {
    store.resetReadTxn();
    const revision = revisionOf(store);
    if (revision === seenRevision) return;
    const text = store.get(snapshotKey);
    seenRevision = revision;
    if (text === undefined) return;
    current = directorySchema.parse(JSON.parse(text));
    for (const listener of [...listeners]) listener(current);
  }

  function poll(): void {
    try {
      look();
    } catch (error) {
      logger?.error(
        { err: error, revision: seenRevision },
        'The published directory cannot be read; keeping the last.',
      );
    }
  }

  poll();
  // The process ends when its work does, not when this timer does.
  const timer = setInterval(poll, pollMs).unref();
  return {
    current: () => current,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async refresh() {
      look();
    },
    dispose() {
      clearInterval(timer);
      listeners.clear();
      disposing ??= store.close();
      return disposing;
    },
  };
}

function openStore(dir: string): RootDatabase<string, string> {
  // The reasons for the last two are in event-log/store.ts.
  return open<string, string>({
    path: dir,
    noSubdir: false,
    encoding: 'string',
    eventTurnBatching: false,
    overlappingSync: false,
  });
}

function revisionOf(store: RootDatabase<string, string>): number {
  return Number(store.get(revisionKey) ?? 0);
}
