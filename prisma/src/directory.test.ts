import type { Directory, DirectoryPublisher } from '@tributary/platform/directory';
import type { LiveBus } from '@tributary/platform/live-bus';
import { type DirectorySnapshot, sha256Hex } from '@tributary/schema';
import { createApiKey, createApp, createTenant, createWriteKey, revokeKey, setAppEnabled } from './accounts.ts';
import { createCampaign, createGoal, createPartner, createTrackingLink, recordCosts } from './campaigns.ts';
import { openRelational, type Relational } from './client.ts';
import { createRelationalDirectory, readDirectorySnapshot, startDirectoryPublisher } from './directory.ts';
import { describeEachStore, type TestStore } from './relational.testing.ts';

const clock = { now: () => 1_795_500_000_000 };

/** Polls until it holds, or fails after 5 s with the last failure. */
async function eventually(check: () => void): Promise<void> {
  const giveUpAt = Date.now() + 5_000;
  for (;;) {
    try {
      return check();
    } catch (error) {
      if (Date.now() > giveUpAt) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

function aRecorder() {
  const published: DirectorySnapshot[] = [];
  const announced: number[] = [];
  const publisher: DirectoryPublisher = {
    publish: async (snapshot) => void published.push(snapshot),
    dispose: async () => undefined,
  };
  const liveBus: LiveBus = {
    publish: (_topic, message) => void announced.push((message as { version: number }).version),
    subscribe: async () => () => undefined,
    dispose: async () => undefined,
  };
  return { published, announced, publisher, liveBus };
}

describeEachStore('the directory', (openStore) => {
  let store: TestStore;
  let relational: Relational;
  let tenantId: string;
  let appId: string;

  beforeAll(async () => {
    store = await openStore();
    relational = await store.openMigrated();
    ({ tenantId } = await createTenant(relational, { name: 'Tenant' }));
    ({ appId } = await createApp(relational, {
      tenantId,
      name: 'Game',
      platform: 'android',
      currency: 'EUR',
      timezone: 'Europe/Berlin',
      clickLookbackHours: 48,
    }));
  });

  afterAll(() => store.dispose());

  const read = () => readDirectorySnapshot(relational, clock.now());

  it('shows apps, links, campaigns, goals and keys as the data plane needs them', async () => {
    const { partnerId } = await createPartner(relational, { tenantId, name: 'Northwind', network: 'northwind' });
    const { campaignId } = await createCampaign(relational, { tenantId, appId, partnerId, name: 'One' });
    const expiresAt = new Date('2027-01-01T00:00:00Z');
    const target = { targetUrl: 'https://example.com/?c={click_id}' };
    await createTrackingLink(relational, { tenantId, appId, campaignId, slug: 'with', ...target, expiresAt });
    await createGoal(relational, { tenantId, appId, name: 'Buy', eventKind: 'purchase', eventName: 'order' });
    const secret = await createWriteKey(relational, { tenantId, appId, kind: 'secret', label: 'S' });
    const api = await createApiKey(relational, { tenantId, label: 'A', scopes: ['read:reports'], appIds: null });
    const snapshot = await read();
    expect(snapshot).toMatchObject({
      publishedAt: clock.now(),
      apps: [
        {
          appId,
          tenantId,
          name: 'Game',
          platform: 'android',
          enabled: true,
          timezone: 'Europe/Berlin',
          currency: 'EUR',
          storeUrl: null,
          ipPolicy: 'truncate',
          clickLookbackHours: 48,
          viewLookbackHours: 24,
        },
      ],
      campaigns: [{ campaignId, tenantId, appId, partnerId, name: 'One', network: 'northwind' }],
      links: [
        { slug: 'with', tenantId, appId, campaignId, network: 'northwind', ...target, expiresAt: expiresAt.getTime() },
      ],
      goals: [{ tenantId, appId, name: 'Buy', eventKind: 'purchase', eventName: 'order' }],
    });
    expect(snapshot.keys).toEqual([
      {
        keyId: secret.keyId,
        kind: 'secret',
        hash: sha256Hex(secret.key),
        tenantId,
        appIds: [appId],
        scopes: ['ingest:write', 'ingest:backfill'],
        enabled: true,
      },
      {
        keyId: api.keyId,
        kind: 'api',
        hash: sha256Hex(api.key),
        tenantId,
        appIds: null,
        scopes: ['read:reports'],
        enabled: true,
      },
    ]);
  });

  it('has a greater version after each change, the same without one, and for costs none', async () => {
    const versions = [(await read()).version];
    const { keyId } = await createWriteKey(relational, { tenantId, appId, kind: 'write', label: 'W' });
    versions.push((await read()).version);
    await setAppEnabled(relational, { tenantId, appId, enabled: false });
    versions.push((await read()).version);
    await revokeKey(relational, { tenantId, keyId });
    versions.push((await read()).version);
    expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
    const [campaign] = (await read()).campaigns;
    const costs = [{ campaignId: campaign?.campaignId ?? '', day: '2026-11-01', amount: '1', currency: 'EUR' }];
    await recordCosts(relational, { tenantId, rows: costs });
    expect((await read()).version).toBe(versions.at(-1));
  });

  it('leaves a revoked key out', async () => {
    const { keyId } = await createApiKey(relational, { tenantId, label: 'R', scopes: ['admin'], appIds: [appId] });
    expect((await read()).keys.map((key) => key.keyId)).toContain(keyId);
    await revokeKey(relational, { tenantId, keyId });
    expect((await read()).keys.map((key) => key.keyId)).not.toContain(keyId);
  });

  it('does not count a change that was undone', async () => {
    const before = (await read()).version;
    const wrong = { tenantId, appId: 'app_none', kind: 'write' as const, label: 'x' };
    await expect(createWriteKey(relational, wrong)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect((await read()).version).toBe(before);
  });

  it('is published at the start and after each change of this process, each announced', async () => {
    const { published, announced, publisher, liveBus } = aRecorder();
    const publishing = await startDirectoryPublisher({ relational, publisher, liveBus, clock, pollMs: 3_600_000 });
    try {
      expect(published).toHaveLength(1);
      const { keyId } = await createWriteKey(relational, { tenantId, appId, kind: 'write', label: 'P' });
      await eventually(() => expect(published.at(-1)?.keys.map((key) => key.keyId)).toContain(keyId));
      expect(announced).toEqual(published.map(({ version }) => version));
    } finally {
      await publishing.dispose();
    }
    const count = published.length;
    await setAppEnabled(relational, { tenantId, appId, enabled: true });
    expect(published).toHaveLength(count);
  });

  it('is published again after a failed publication', async () => {
    const { published, publisher, liveBus } = aRecorder();
    let failures = 2;
    const flaky: DirectoryPublisher = {
      ...publisher,
      publish: async (snapshot) => {
        if (published.length > 0 && failures-- > 0) throw new Error('disk full');
        await publisher.publish(snapshot);
      },
    };
    const publishing = await startDirectoryPublisher({ relational, publisher: flaky, liveBus, clock, pollMs: 10 });
    try {
      await setAppEnabled(relational, { tenantId, appId, enabled: false });
      await eventually(() => expect(published.at(-1)?.apps[0]?.enabled).toBe(false));
    } finally {
      await publishing.dispose();
    }
  });

  it('does not start when it cannot be published', async () => {
    const { publisher, liveBus } = aRecorder();
    const broken = { ...publisher, publish: () => Promise.reject(new Error('read-only disk')) };
    await expect(startDirectoryPublisher({ relational, publisher: broken, liveBus, clock })).rejects.toThrow(
      'read-only',
    );
  });

  it('read from the store itself, is there when opened and follows changes', async () => {
    const directory: Directory = await createRelationalDirectory(relational, { pollMs: 3_600_000 });
    try {
      expect(directory.current().apps.map((app) => app.appId)).toEqual([appId]);
      const seen: number[] = [];
      const unsubscribe = directory.onChange((snapshot) => seen.push(snapshot.version));
      await setAppEnabled(relational, { tenantId, appId, enabled: true });
      await directory.refresh();
      expect(directory.current().apps[0]?.enabled).toBe(true);
      expect(seen).toEqual([directory.current().version]);
      unsubscribe();
      await setAppEnabled(relational, { tenantId, appId, enabled: false });
      await directory.refresh();
      expect(seen).toHaveLength(1);
    } finally {
      await directory.dispose();
    }
  });

  it('read from the store itself, finds another process’s change by polling', async () => {
    // A store of its own on a server; PGlite belongs to one process, so there its change is made past the announcement.
    const other = store.config.postgresUrl
      ? await openRelational(store.config)
      : { ...relational, announceCommit() {} };
    const directory = await createRelationalDirectory(relational, { pollMs: 20 });
    try {
      await setAppEnabled(other, { tenantId, appId, enabled: true });
      await eventually(() => expect(directory.current().apps[0]?.enabled).toBe(true));
    } finally {
      await directory.dispose();
      if (store.config.postgresUrl) await other.dispose();
    }
  });

  it('read from a store that went away, keeps the last and says so on refresh', async () => {
    const doomed = store.config.postgresUrl ? await openRelational(store.config) : relational;
    const directory = await createRelationalDirectory(doomed, { pollMs: 10 });
    const last = directory.current();
    await doomed.dispose();
    await expect(directory.refresh()).rejects.toMatchObject({ code: 'RELATIONAL_UNAVAILABLE' });
    expect(directory.current()).toBe(last);
    await directory.dispose();
  });
});
