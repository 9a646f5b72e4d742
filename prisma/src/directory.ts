import type { Clock } from '@tributary/platform/clock';
import type { Directory, DirectoryPublisher } from '@tributary/platform/directory';
import { emptyDirectory } from '@tributary/platform/directory/empty';
import type { LiveBus } from '@tributary/platform/live-bus';
import type { Logger } from '@tributary/platform/logger';
import { type DirectorySnapshot, directorySchema } from '@tributary/schema';
import { readCount, watchChanges, withChange } from './changes.ts';
import type { Relational, RelationalReader } from './client.ts';

/** Changes what the directory shows: in one transaction with its version, and published at once by this process. */
export function withDirectoryChange<T>(
  relational: Relational,
  work: (transaction: RelationalReader) => Promise<T>,
): Promise<T> {
  return withChange(relational, ['directory'], work);
}

/**
 * The directory as of now: one state of the store, parsed. Revoked keys are left out, so that a reader who forgets to
 * look at `enabled` lets nobody in. `publishedAt` is given; equal version = equal rest.
 */
export async function readDirectorySnapshot(relational: Relational, publishedAt: number): Promise<DirectorySnapshot> {
  const read = await relational.transact(readAll, { snapshot: true });
  return directorySchema.parse({ ...read, publishedAt });
}

async function readAll(reader: RelationalReader) {
  // The count first: under `snapshot` the first statement fixes the state that all the others see.
  const version = await readCount(reader, 'directory');
  const byId = { orderBy: { id: 'asc' } } as const;
  const apps = await reader.app.findMany(byId);
  const links = await reader.trackingLink.findMany({ ...byId, include: { campaign: { select: { network: true } } } });
  const campaigns = await reader.campaign.findMany(byId);
  const goals = await reader.goal.findMany(byId);
  const writeKeys = await reader.writeKey.findMany({ ...byId, where: { revokedAt: null } });
  const apiKeys = await reader.apiKey.findMany({ ...byId, where: { revokedAt: null } });
  return {
    version,
    apps: apps.map(({ id, createdAt: _, ...app }) => ({ appId: id, ...app })),
    links: links.map(({ id, createdAt: _, expiresAt, campaign, ...link }) => ({
      linkId: id,
      ...link,
      network: campaign?.network ?? null,
      expiresAt: expiresAt?.getTime() ?? null,
    })),
    campaigns: campaigns.map(({ id, createdAt: _, ...campaign }) => ({ campaignId: id, ...campaign })),
    keys: [
      ...writeKeys.map(({ id, kind, hash, tenantId, appId }) => ({
        keyId: id,
        kind,
        hash,
        tenantId,
        appIds: [appId],
        scopes: kind === 'secret' ? ['ingest:write', 'ingest:backfill'] : ['ingest:write'],
        enabled: true,
      })),
      ...apiKeys.map(({ id, hash, tenantId, allApps, appIds, scopes }) => ({
        keyId: id,
        kind: 'api',
        hash,
        tenantId,
        appIds: allApps ? null : appIds,
        scopes,
        enabled: true,
      })),
    ],
    goals: goals.map(({ id, createdAt: _, ...goal }) => ({ goalId: id, ...goal })),
  };
}

export interface DirectoryPublishing {
  /** Publishes a change that was committed before this call, if there is one. */
  check(): Promise<void>;
  /** Stops; the publisher itself is not disposed. Idempotent. */
  dispose(): Promise<void>;
}

export interface DirectoryPublisherOptions {
  readonly relational: Relational;
  readonly publisher: DirectoryPublisher;
  readonly liveBus: LiveBus;
  readonly clock: Clock;
  readonly logger?: Logger;
  /** How soon another process's change is published. Default 500. */
  readonly pollMs?: number;
}

/**
 * Keeps the published directory equal to the store: resolves once the present state is published; then follows this
 * process's changes at once, others' within `pollMs`, each announced as `directory.changed`. A fault later on is logged
 * and tried again.
 */
export async function startDirectoryPublisher(options: DirectoryPublisherOptions): Promise<DirectoryPublishing> {
  const { relational, publisher, liveBus, clock, logger } = options;
  const watch = watchChanges({
    relational,
    topic: 'directory',
    pollMs: options.pollMs ?? 500,
    onChange: async () => {
      const snapshot = await readDirectorySnapshot(relational, clock.now());
      await publisher.publish(snapshot);
      liveBus.publish('directory.changed', { version: snapshot.version });
    },
    onFault: (err) => logger?.error({ err }, 'the directory could not be published; trying again'),
  });
  await watch.check().catch(async (error: unknown) => {
    await watch.dispose();
    throw error;
  });
  return watch;
}

/**
 * The Directory of the server form, read from the relational store itself. Resolves after the first read; throws
 * RELATIONAL_UNAVAILABLE when that fails. Later faults keep the last snapshot and are logged. The store is not disposed.
 */
export async function createRelationalDirectory(
  relational: Relational,
  options: { readonly pollMs: number; readonly clock?: Clock; readonly logger?: Logger },
): Promise<Directory> {
  const listeners = new Set<(snapshot: DirectorySnapshot) => void>();
  let snapshot = emptyDirectory;
  const watch = watchChanges({
    relational,
    topic: 'directory',
    pollMs: options.pollMs,
    onChange: async () => {
      const next = await readDirectorySnapshot(relational, options.clock?.now() ?? Date.now());
      if (next.version === snapshot.version) return;
      snapshot = next;
      for (const listener of listeners) listener(snapshot);
    },
    onFault: (err) => options.logger?.error({ err }, 'the directory could not be read; the last one stands'),
  });
  await watch.check().catch(async (error: unknown) => {
    await watch.dispose();
    throw error;
  });
  return {
    current: () => snapshot,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    refresh: () => watch.check(),
    async dispose() {
      listeners.clear();
      await watch.dispose();
    },
  };
}
