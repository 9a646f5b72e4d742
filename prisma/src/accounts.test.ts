import { scopes, sha256Hex } from '@tributary/schema';
import {
  createApiKey,
  createApp,
  createMember,
  createTenant,
  createWriteKey,
  initTenant,
  revokeKey,
  setAppEnabled,
} from './accounts.ts';
import {
  createAdGroup,
  createCampaign,
  createCreative,
  createGoal,
  createPartner,
  createTrackingLink,
  recordCosts,
  removeCosts,
} from './campaigns.ts';
import type { Relational } from './client.ts';
import { describeEachStore, type TestStore } from './relational.testing.ts';
import { refreshDemoCosts, seedDemo } from './seed-demo.ts';

const game = { name: 'Game', platform: 'ios', currency: 'USD', timezone: 'Europe/Berlin' } as const;
const notFound = { code: 'NOT_FOUND' };
const badInput = { code: 'BAD_USER_INPUT' };

describeEachStore('accounts', (openStore) => {
  let store: TestStore;
  let relational: Relational;
  let ours: { tenantId: string; appId: string };
  let theirs: { tenantId: string; appId: string };

  beforeAll(async () => {
    store = await openStore();
    relational = await store.openMigrated();
    const make = async (name: string) => {
      const { tenantId } = await createTenant(relational, { name });
      return { tenantId, ...(await createApp(relational, { tenantId, ...game })) };
    };
    ours = await make('Ours');
    theirs = await make('Theirs');
  });

  afterAll(() => store.dispose());

  it('makes a key of at least 160 random bits, says it once and stores its SHA-256 only', async () => {
    const made = [
      await createApiKey(relational, { tenantId: ours.tenantId, label: 'a', scopes: ['read:reports'], appIds: null }),
      await createWriteKey(relational, { ...ours, kind: 'write', label: 'w' }),
      await createWriteKey(relational, { ...ours, kind: 'secret', label: 's' }),
    ];
    expect(made.map(({ key }) => key.replace(/[A-Za-z0-9_-]{32}$/, '…'))).toEqual([
      'trk_live_…',
      'trk_write_…',
      'trk_secret_…',
    ]);
    const rows = [...(await relational.client.apiKey.findMany()), ...(await relational.client.writeKey.findMany())];
    for (const { keyId, key, prefix } of made) {
      const row = rows.find(({ id }) => id === keyId);
      expect(row).toMatchObject({ hash: sha256Hex(key), prefix });
      expect(key.startsWith(prefix)).toBe(true);
      expect(key.length - prefix.length).toBeGreaterThanOrEqual(26);
      expect(JSON.stringify(row)).not.toContain(key);
    }
    expect(JSON.stringify(await relational.client.auditEntry.findMany())).not.toMatch(/trk_\w+_[A-Za-z0-9_-]{20}/);
  });

  it('gives no key for an app of another tenant', async () => {
    const { tenantId } = ours;
    const foreign = { tenantId, label: 'x', scopes: ['read:reports' as const], appIds: [theirs.appId] };
    await expect(createApiKey(relational, foreign)).rejects.toMatchObject(notFound);
    const write = { tenantId, appId: theirs.appId, kind: 'write' as const, label: 'x' };
    await expect(createWriteKey(relational, write)).rejects.toMatchObject(notFound);
  });

  it('revokes a key once and for good, and another tenant’s never', async () => {
    const { keyId } = await createWriteKey(relational, { ...ours, kind: 'write', label: 'gone' });
    await expect(revokeKey(relational, { tenantId: theirs.tenantId, keyId })).rejects.toMatchObject(notFound);
    await revokeKey(relational, { tenantId: ours.tenantId, keyId });
    const { revokedAt } = await relational.client.writeKey.findUniqueOrThrow({ where: { id: keyId } });
    expect(revokedAt).toBeInstanceOf(Date);
    await revokeKey(relational, { tenantId: ours.tenantId, keyId });
    expect((await relational.client.writeKey.findUniqueOrThrow({ where: { id: keyId } })).revokedAt).toEqual(revokedAt);
    expect(await relational.client.auditEntry.count({ where: { subjectId: keyId, action: 'key.revoked' } })).toBe(1);
  });

  it.each([
    ['a currency in lower case', { currency: 'usd' }],
    ['a zone that is none', { timezone: 'Mars/Olympus' }],
    ['a store URL that a browser would run', { storeUrl: 'javascript:alert(1)' }],
    ['an empty name', { name: ' ' }],
    ['a lookback of 0 hours', { clickLookbackHours: 0 }],
  ])('refuses an app with %s', async (_title, wrong) => {
    await expect(createApp(relational, { tenantId: ours.tenantId, ...game, ...wrong })).rejects.toMatchObject(badInput);
  });

  it('refuses a second member of the same address, in whatever case', async () => {
    const member = { tenantId: ours.tenantId, email: 'ana@example.com', role: 'ANALYST' as const };
    await createMember(relational, member);
    await expect(createMember(relational, { ...member, email: 'ANA@example.com' })).rejects.toMatchObject(badInput);
    await createMember(relational, { ...member, tenantId: theirs.tenantId });
    await expect(createMember(relational, { ...member, tenantId: 'ten_none' })).rejects.toMatchObject(notFound);
  });

  it('keeps campaigns, links, goals and costs within their tenant and app', async () => {
    const { tenantId, appId } = ours;
    const { partnerId } = await createPartner(relational, { tenantId, name: 'Northwind', network: 'northwind' });
    await expect(createPartner(relational, { tenantId, name: 'N', network: 'northwind' })).rejects.toMatchObject(
      badInput,
    );
    const { campaignId } = await createCampaign(relational, { tenantId, appId, partnerId, name: 'One' });
    expect(await relational.client.campaign.findUnique({ where: { id: campaignId } })).toMatchObject({
      network: 'northwind',
    });
    const { adGroupId } = await createAdGroup(relational, { tenantId, campaignId, name: 'Group' });
    await createCreative(relational, { tenantId, adGroupId, name: 'Video' });
    const other = await createApp(relational, { tenantId, ...game });
    const target = { targetUrl: 'https://example.com/{click_id}' };
    await createTrackingLink(relational, { tenantId, appId, campaignId, ...target, slug: 'taken-slug' });
    const refused = [
      createCampaign(relational, { tenantId: theirs.tenantId, appId: theirs.appId, partnerId, name: 'x' }),
      createCampaign(relational, { tenantId, appId: theirs.appId, name: 'x' }),
      createAdGroup(relational, { tenantId: theirs.tenantId, campaignId, name: 'x' }),
      createCreative(relational, { tenantId: theirs.tenantId, adGroupId, name: 'x' }),
      createTrackingLink(relational, { tenantId, appId: other.appId, campaignId, ...target }),
      createGoal(relational, { tenantId, appId: theirs.appId, name: 'x', eventKind: 'install' }),
      setAppEnabled(relational, { tenantId, appId: theirs.appId, enabled: false }),
      removeCosts(relational, { tenantId: theirs.tenantId, campaignId, firstDay: '2026-01-01', lastDay: '2026-12-31' }),
    ];
    for (const attempt of refused) await expect(attempt).rejects.toMatchObject(notFound);
    const again = createTrackingLink(relational, { ...theirs, ...target, slug: 'taken-slug' });
    await expect(again).rejects.toMatchObject(badInput);
  });

  it('lets no row of one tenant point at another’s, even past these functions', async () => {
    const stray = { id: 'cmp_stray', tenantId: ours.tenantId, appId: theirs.appId, name: 'stray' };
    await expect(relational.client.campaign.create({ data: stray })).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(await relational.client.campaign.count({ where: { id: 'cmp_stray' } })).toBe(0);
  });

  it('replaces a figure of cost that is given again, exactly, and refuses other currencies', async () => {
    const { tenantId } = ours;
    const { campaignId } = await createCampaign(relational, { ...ours, name: 'Costs' });
    const cost = (day: string, amount: string, currency = 'USD') => ({ campaignId, day, amount, currency });
    await recordCosts(relational, {
      tenantId,
      rows: [cost('2026-11-01', '1'), cost('2026-11-02', '999999999999999999.999999'), cost('2026-11-01', '0.1')],
    });
    await recordCosts(relational, { tenantId, rows: [cost('2026-11-01', '0.3')] });
    const read = async () => {
      const rows = await relational.client.costRow.findMany({ where: { campaignId }, orderBy: { day: 'asc' } });
      return rows.map(({ amount }) => amount.toFixed());
    };
    expect(await read()).toEqual(['0.3', '999999999999999999.999999']);
    await expect(recordCosts(relational, { tenantId, rows: [cost('2026-11-03', '1', 'EUR')] })).rejects.toMatchObject(
      badInput,
    );
    await expect(recordCosts(relational, { tenantId, rows: [cost('2026-11-31', '1')] })).rejects.toMatchObject(
      badInput,
    );
    await expect(recordCosts(relational, { tenantId, rows: [cost('2026-11-03', '1e3')] })).rejects.toMatchObject(
      badInput,
    );
    const foreign = recordCosts(relational, { tenantId: theirs.tenantId, rows: [cost('2026-11-03', '1')] });
    await expect(foreign).rejects.toMatchObject(notFound);
    await removeCosts(relational, { tenantId, campaignId, firstDay: '2026-11-02', lastDay: '2026-11-02' });
    expect(await read()).toEqual(['0.3']);
  });

  it('initialises a tenant with its owner, an app and one key of each kind, or nothing', async () => {
    const tenants = await relational.client.tenant.count();
    const given = { tenantName: 'Größe & Co', ownerEmail: 'Owner@Example.com', app: game };
    await expect(initTenant(relational, { ...given, ownerEmail: 'nobody' })).rejects.toMatchObject(badInput);
    await expect(initTenant(relational, { ...given, app: { ...game, currency: '?' } })).rejects.toMatchObject(badInput);
    expect(await relational.client.tenant.count()).toBe(tenants);
    const made = await initTenant(relational, given);
    const tenant = await relational.client.tenant.findUniqueOrThrow({
      where: { id: made.tenantId },
      include: { members: true, apps: true, writeKeys: true, apiKeys: true, auditEntries: true },
    });
    expect(tenant.slug).toMatch(/^gr-e-co-\w{6}$/);
    expect(tenant.members).toMatchObject([{ email: 'owner@example.com', role: 'OWNER' }]);
    expect(tenant.apps).toMatchObject([{ id: made.appId, clickLookbackHours: 168, ipPolicy: 'truncate' }]);
    const hashes = [...tenant.writeKeys, ...tenant.apiKeys].map(({ hash }) => hash).sort();
    expect(hashes).toEqual([made.writeKey, made.secretKey, made.apiKey].map(sha256Hex).sort());
    expect(tenant.apiKeys[0]?.scopes).toEqual(scopes.filter((scope) => !scope.startsWith('ingest')));
    expect(tenant.auditEntries.map(({ action }) => action).sort()).toEqual([
      'app.created',
      'key.created',
      'key.created',
      'key.created',
      'member.created',
      'tenant.created',
    ]);
  });
});

describeEachStore('the demo', (openStore) => {
  let store: TestStore;
  let relational: Relational;
  let now = Date.parse('2026-11-24T10:00:00Z');
  const options = { clock: { now: () => now }, publicCollectorUrl: 'http://collector.example' };

  beforeAll(async () => {
    store = await openStore();
    relational = await store.openMigrated();
  });

  afterAll(() => store.dispose());

  const countRows = async () => ({
    tenants: await relational.client.tenant.count(),
    apps: await relational.client.app.count(),
    campaigns: await relational.client.campaign.count(),
    links: await relational.client.trackingLink.count(),
    costs: await relational.client.costRow.count(),
    liveKeys:
      (await relational.client.apiKey.count({ where: { revokedAt: null } })) +
      (await relational.client.writeKey.count({ where: { revokedAt: null } })),
  });
  const whole = { tenants: 1, apps: 2, campaigns: 8, links: 8, costs: 240, liveKeys: 5 };

  it('is made whole, and made again only as far as keys go', async () => {
    const first = await seedDemo(relational, options);
    expect(await countRows()).toEqual(whole);
    const second = await seedDemo(relational, options);
    expect(await countRows()).toEqual(whole);
    const keyless = (demo: typeof first) => demo.apps.map(({ writeKey: _w, secretKey: _s, ...rest }) => rest);
    expect(keyless(second)).toEqual(keyless(first));
    expect(second.apiKey).not.toBe(first.apiKey);
    expect(first.apps.map(({ platform, campaigns }) => [platform, campaigns.length])).toEqual([
      ['ios', 4],
      ['android', 4],
    ]);
    const [campaign] = first.apps[0]?.campaigns ?? [];
    expect(campaign?.url).toBe(`http://collector.example/c/${campaign?.slug}`);
  });

  it('gets the costs of the days since, and changes none that is there', async () => {
    const before = await relational.client.costRow.findMany({ orderBy: { id: 'asc' } });
    now += 2 * 86_400_000;
    await refreshDemoCosts(relational, options);
    await refreshDemoCosts(relational, options);
    expect((await countRows()).costs).toBe(256);
    const ids = before.map(({ id }) => id);
    const after = await relational.client.costRow.findMany({ where: { id: { in: ids } }, orderBy: { id: 'asc' } });
    expect(after).toEqual(before);
  });
});
