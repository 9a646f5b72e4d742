import type { Clock } from '@tributary/platform/clock';
import type { Directory, DirectoryPublisher } from '@tributary/platform/directory';
import { emptyDirectory } from '@tributary/platform/directory/empty';
import type { LiveBus } from '@tributary/platform/live-bus';
import type { Logger } from '@tributary/platform/logger';
import { type DirectorySnapshot, directorySchema, type MemberRole, partnerScopes, roleScopes } from '@tributary/schema';
import { readCount, watchChanges, withChange } from './changes.ts';
import type { Relational, RelationalReader } from './client.ts';
import { startKeyExpiry } from './key-expiry.ts';

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
  // What is archived takes no clicks and makes no conversions; an archived campaign still names its installs.
  const links = await reader.trackingLink.findMany({
    ...byId,
    where: { archivedAt: null },
    include: { campaign: { select: { network: true } } },
  });
  const campaigns = await reader.campaign.findMany(byId);
  const goals = await reader.goal.findMany({ ...byId, where: { archivedAt: null } });
  const writeKeys = await reader.writeKey.findMany({ ...byId, where: { revokedAt: null } });
  const apiKeys = await reader.apiKey.findMany({
    ...byId,
    where: { revokedAt: null },
    include: { member: { select: { role: true, removedAt: true, partnerId: true } } },
  });
  return {
    version,
    apps: apps.map(({ id, createdAt: _, intake, ...app }) => ({
      appId: id,
      ...app,
      ...(intake === null ? {} : { intake }),
    })),
    links: links.map(({ id, createdAt: _, archivedAt: __, expiresAt, campaign, targets, deepLinkPath, ...link }) => ({
      linkId: id,
      ...link,
      ...(targets === null ? {} : { targets }),
      ...(deepLinkPath === null ? {} : { deepLinkPath }),
      network: campaign?.network ?? null,
      expiresAt: expiresAt?.getTime() ?? null,
    })),
    campaigns: campaigns.map(({ id, createdAt: _, ...campaign }) => ({ campaignId: id, ...campaign })),
    keys: [
      ...writeKeys.map((key) => ({
        ...keyBase(key),
        kind: key.kind,
        appIds: [key.appId],
        scopes: key.kind === 'secret' ? ['ingest:write', 'ingest:backfill'] : ['ingest:write'],
        ...(key.dailyQuota === null ? {} : { dailyQuota: key.dailyQuota }),
      })),
      ...apiKeys
        .filter(({ member }) => !member?.removedAt)
        .map((key) => ({
          ...keyBase(key),
          kind: 'api',
          appIds: key.allApps ? null : key.appIds,
          scopes: scopesOf(key),
          ...(partnerOf(key) === null ? {} : { partnerId: partnerOf(key) }),
          ...(key.trustedOnly ? { trustedOnly: true } : {}),
          ...(key.ratePlan === 'standard' ? {} : { ratePlan: key.ratePlan }),
        })),
    ],
    goals: goals.map(({ id, createdAt: _, archivedAt: __, ...goal }) => ({ goalId: id, ...goal })),
  };
}

function keyBase(key: {
  readonly id: string;
  readonly hash: string;
  readonly tenantId: string;
  readonly ratePerSecond: number | null;
  readonly rateBurst: number | null;
}) {
  const { id, hash, tenantId, ratePerSecond: perSecond, rateBurst: burst } = key;
  const rate = perSecond === null || burst === null ? {} : { rate: { perSecond, burst } };
  return { keyId: id, hash, tenantId, enabled: true, ...rate };
}

/** Whose figures a key sees: the member's partner comes first, since it may have changed since the key was made. */
function partnerOf(key: {
  readonly partnerId: string | null;
  readonly member: { readonly partnerId: string | null } | null;
}): string | null {
  return key.member?.partnerId ?? key.partnerId;
}

/** What a key may do now: never more than its member's role, or a partner, may. */
function scopesOf(key: {
  readonly scopes: readonly string[];
  readonly partnerId: string | null;
  readonly member: { readonly role: MemberRole; readonly partnerId: string | null } | null;
}): string[] {
  const allowed: readonly string[] | null = key.member ? roleScopes[key.member.role] : null;
  return key.scopes.filter(
    (scope) =>
      (allowed === null || allowed.includes(scope)) &&
      (partnerOf(key) === null || (partnerScopes as readonly string[]).includes(scope)),
  );
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
  /** How often keys whose time is over are looked for. Default 5,000. */
  readonly expiryPollMs?: number;
}

/**
 * Keeps the published directory equal to the store: resolves once the present state is published; then follows this
 * process's changes at once, others' within `pollMs`, each announced as `directory.changed`. Keys whose time is over leave it
 * within `expiryPollMs`. A fault later on is logged and tried again.
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
  const { expiryPollMs } = options;
  const expiry = startKeyExpiry({ relational, clock, logger, ...(expiryPollMs ? { pollMs: expiryPollMs } : {}) });
  return {
    check: watch.check,
    async dispose() {
      await expiry.dispose();
      await watch.dispose();
    },
  };
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
