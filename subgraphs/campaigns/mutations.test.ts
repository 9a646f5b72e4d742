// Over 400 lines: one table of every mutation serves all of its tests.
import { createTenant } from '@tributary/prisma/accounts';
import type { Relational, RelationalReader } from '@tributary/prisma/client';
import { describeEachStore, type TestStore } from '@tributary/prisma/relational.testing';
import { sha256Hex, unsealText } from '@tributary/schema';
import { testSecret } from '../src/kit.testing.ts';
import { type CampaignsWorld, openCampaignsWorld } from './world.testing.ts';

const rule = { kind: 'THRESHOLD', metric: 'INSTALLS', windowMinutes: 60, direction: 'BELOW', threshold: 10 };

describeEachStore('mutations of the campaigns subgraph', (openStore) => {
  let store: TestStore;
  let world: CampaignsWorld;
  /** Set: the transaction's last step fails. */
  let injected = false;
  let ids: Record<string, string> = {};

  /** As the store, but an audit entry can be made to fail: by then all else of a mutation is written. */
  const fragile = (relational: Relational): Relational => ({
    ...relational,
    transact: (work, options) =>
      relational.transact(
        (tx) =>
          work(
            new Proxy(tx, {
              get: (target, name) =>
                injected && name === 'auditEntry'
                  ? { createMany: () => Promise.reject(new Error('injected')) }
                  : Reflect.get(target, name),
            }) as RelationalReader,
          ),
        options,
      ),
  });

  const made = async (name: string, input: Record<string, unknown>, field: string): Promise<string> => {
    const { data, errors } = await world.mutate(name, input, `${field} { id }`);
    expect([name, errors, data?.it.userErrors]).toEqual([name, [], []]);
    return data.it[field].id;
  };

  beforeAll(async () => {
    store = await openStore();
    world = await openCampaignsWorld(store, fragile);
    const owner = await made('addMember', { email: 'Owner@Example.com', role: 'OWNER' }, 'member');
    const partner = await made('createPartner', { name: 'Northwind', network: 'northwind' }, 'partner');
    const app = await made(
      'createApp',
      { name: 'Game', platform: 'IOS', currency: 'USD', timezone: 'Europe/Berlin' },
      'app',
    );
    const campaign = await made('createCampaign', { appId: app, name: 'One', partnerId: partner }, 'campaign');
    const adGroup = await made('createAdGroup', { campaignId: campaign, name: 'Group' }, 'adGroup');
    const creative = await made('createCreative', { adGroupId: adGroup, name: 'Video' }, 'creative');
    const link = await made(
      'createTrackingLink',
      { appId: app, campaignId: campaign, slug: 'one-link', targetUrl: 'https://example.com' },
      'trackingLink',
    );
    const goal = await made('createGoal', { appId: app, name: 'purchase', eventKind: 'PURCHASE' }, 'goal');
    const apiKey = await made('createApiKey', { label: 'First', scopes: ['READ_REPORTS'] }, 'apiKey');
    const writeKey = await made('createWriteKey', { appId: app, kind: 'WRITE', label: 'SDK' }, 'writeKey');
    const report = await made(
      'createSavedReport',
      { appId: app, name: 'ROAS', definition: { metrics: ['INSTALLS'] } },
      'savedReport',
    );
    const alert = await made('createAlert', { appId: app, name: 'Few', rule, emails: ['a@example.com'] }, 'alert');
    const source = await made(
      'createCostImport',
      {
        name: 'Net',
        url: 'https://example.com/a.csv?token=of-net',
        format: 'CSV',
        mapping: {},
        intervalMinutes: 60,
        headerName: 'Authorization',
        headerValue: 'Bearer secret-of-net',
      },
      'costImport',
    );
    ids = { owner, partner, app, campaign, adGroup, creative, link, goal, apiKey, writeKey, report, alert, source };
  });

  afterAll(async () => {
    await world.dispose();
    await store.dispose();
  });

  /** Every mutation with an input that works. */
  const each = (): readonly (readonly [name: string, input: Record<string, unknown>])[] => [
    ['addMember', { email: 'new@example.com', role: 'ANALYST' }],
    ['setMemberRole', { memberId: ids['owner'], role: 'OWNER' }],
    [
      'createApp',
      { name: 'Other', platform: 'ANDROID', currency: 'EUR', timezone: 'UTC', intake: { hashDeviceIds: true } },
    ],
    ['updateApp', { appId: ids['app'], name: 'Renamed' }],
    [
      'setIntakePolicy',
      { appId: ids['app'], intake: { blockedEvents: ['noise'], webOrigins: ['https://shop.example'] } },
    ],
    ['disableApp', { appId: ids['app'] }],
    ['enableApp', { appId: ids['app'] }],
    ['createPartner', { name: 'Halcyon', network: 'halcyon' }],
    ['updatePartner', { partnerId: ids['partner'], name: 'Northwind Ads' }],
    ['createCampaign', { appId: ids['app'], name: 'Two' }],
    ['updateCampaign', { campaignId: ids['campaign'], name: 'One more', status: 'PAUSED' }],
    ['createAdGroup', { campaignId: ids['campaign'], name: 'Second' }],
    ['createCreative', { adGroupId: ids['adGroup'], name: 'Still' }],
    [
      'createTrackingLink',
      {
        appId: ids['app'],
        targetUrl: 'https://example.com/x',
        targets: [{ platform: 'IOS', url: 'https://ios.example' }],
      },
    ],
    [
      'updateTrackingLink',
      { linkId: ids['link'], deepLinkPath: '/sale', targets: [{ country: 'DE', url: 'https://de.example' }] },
    ],
    ['createGoal', { appId: ids['app'], name: 'level', eventKind: 'CUSTOM', eventName: 'level_up' }],
    ['createApiKey', { label: 'Second', scopes: ['READ_REPORTS'] }],
    [
      'createWriteKey',
      { appId: ids['app'], kind: 'SECRET', label: 'Server', dailyQuota: 1000, rate: { perSecond: 10, burst: 20 } },
    ],
    ['rotateApiKey', { keyId: ids['apiKey'], graceHours: 1 }],
    ['rotateWriteKey', { keyId: ids['writeKey'], graceHours: 1 }],
    ['revokeApiKey', { keyId: ids['apiKey'], confirm: true }],
    ['revokeWriteKey', { keyId: ids['writeKey'], confirm: true }],
    ['recordCosts', { rows: [{ campaignId: ids['campaign'], day: '2026-11-01', amount: '5' }] }],
    ['importCosts', { csv: `campaign_id,day,amount\n${ids['campaign']},2026-11-02,7` }],
    ['allocateCost', { campaignId: ids['campaign'], amount: '10', firstDay: '2026-11-03', lastDay: '2026-11-05' }],
    ['removeCosts', { campaignId: ids['campaign'], firstDay: '2026-11-01', lastDay: '2026-11-05', confirm: true }],
    ['setFxRates', { rates: [{ day: '2026-11-01', from: 'EUR', to: 'USD', rate: '1.1' }] }],
    [
      'createCostImport',
      { name: 'Other', url: 'https://example.com/b', format: 'JSON', mapping: { rows: 'data' }, intervalMinutes: 60 },
    ],
    ['updateCostImport', { importId: ids['source'], intervalMinutes: 120 }],
    ['runCostImport', { importId: ids['source'] }],
    ['createSavedReport', { appId: ids['app'], name: 'CPI', definition: { metrics: ['COST'] } }],
    ['updateSavedReport', { reportId: ids['report'], name: 'ROAS 2' }],
    [
      'createAlert',
      {
        appId: ids['app'],
        name: 'Odd',
        rule: { kind: 'ANOMALY', metric: 'REVENUE', windowMinutes: 60 },
        webhookUrl: 'https://example.com/hook-secret',
      },
    ],
    ['updateAlert', { alertId: ids['alert'], enabled: true, rule: { ...rule, threshold: 5 } }],
    ['rotateAlertSecret', { alertId: ids['alert'] }],
    ...[
      'Partner',
      'Campaign',
      'AdGroup',
      'Creative',
      'TrackingLink',
      'Goal',
      'SavedReport',
      'Alert',
      'CostImport',
    ].flatMap((kind) => {
      const place =
        { AdGroup: 'adGroup', TrackingLink: 'link', SavedReport: 'report', CostImport: 'source' }[kind] ??
        kind.toLowerCase();
      return [
        [`archive${kind}`, { id: ids[place] }],
        [`restore${kind}`, { id: ids[place] }],
      ] as const;
    }),
    ['removeMember', { memberId: '' }],
    ['restoreMember', { memberId: '' }],
  ];

  /** All rows of all tables, but those of keys that may be used anew. */
  const everything = async () => {
    const tables = await world.relational.client.$queryRaw<{ name: string }[]>`
      SELECT table_name::text AS name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1`;
    const rows: unknown[] = [];
    for (const { name } of tables)
      rows.push([name, await world.relational.client.$queryRawUnsafe(`SELECT t::text FROM "${name}" AS t ORDER BY 1`)]);
    return JSON.stringify(rows);
  };

  it('are listed here in full', () => {
    const own = Object.keys(world.subgraph.schema.getMutationType()?.getFields() ?? {}).sort();
    expect([...new Set(each().map(([name]) => name))].sort()).toEqual(own);
  });

  it('change nothing at all when their last step fails', async () => {
    const member = await made('addMember', { email: 'half@example.com', role: 'ANALYST' }, 'member');
    const before = await everything();
    injected = true;
    try {
      for (const [name, input] of each()) {
        const given = 'memberId' in input && input['memberId'] === '' ? { memberId: member } : input;
        const { data, errors } = await world.mutate(name, given, '__typename');
        expect([name, data, errors.length]).toEqual([name, null, 1]);
      }
    } finally {
      injected = false;
    }
    expect(await everything()).toBe(before);
  });

  it('need their scope, and are not a partner’s to ask', async () => {
    const before = await everything();
    for (const [name, input] of each()) {
      for (const caller of [
        { scopes: ['read:personal' as const, 'ingest:write' as const] },
        { partnerId: ids['partner'] ?? '' },
      ]) {
        const { errors } = await world.mutate(name, input, '__typename', caller);
        expect([name, errors]).toEqual([name, [expect.objectContaining({ code: 'FORBIDDEN' })]]);
      }
    }
    expect(await everything()).toBe(before);
  });

  it('reach nothing of another tenant', async () => {
    const { tenantId } = await createTenant(world.relational, { name: 'Theirs' });
    for (const [name, input] of each()) {
      if (!Object.entries(input).some(([field, value]) => /[iI]d$/.test(field) && value !== '')) continue;
      const { data } = await world.mutate(name, input, '__typename', { tenantId });
      expect([name, data?.it.userErrors]).toEqual([name, [expect.objectContaining({ code: 'NOT_FOUND' })]]);
    }
  });

  it('done under one key twice are done once, answered alike, audited once', async () => {
    const member = await made('addMember', { email: 'leaver@example.com', role: 'ANALYST' }, 'member');
    for (const [place, [name, input]] of each().entries()) {
      const given = 'memberId' in input && input['memberId'] === '' ? { memberId: member } : input;
      // What `each` revoked or rotated before can't be again.
      if (/^rotate.*Key$/.test(name)) continue;
      const keyed = { idempotencyKey: `twice-${place}`, ...given };
      const first = await world.mutate(name, keyed, '__typename');
      expect([name, first.errors, first.data?.it.userErrors, first.data?.it.repeated]).toEqual([name, [], [], false]);
      const after = await everything();
      const second = await world.mutate(name, keyed, '__typename');
      expect([name, second.data.it.repeated, second.data.it.userErrors]).toEqual([name, true, []]);
      expect(await everything()).toBe(after);
      const audited = await world.relational.client.idempotencyRecord.count({ where: { key: `twice-${place}` } });
      expect([name, audited]).toEqual([name, 1]);
    }
    // Twins at the same time, too.
    const twin = { idempotencyKey: 'twins', name: 'Twin', network: 'twin' };
    const twins = await Promise.all([
      world.mutate('createPartner', twin, 'partner { id }'),
      world.mutate('createPartner', twin, 'partner { id }'),
    ]);
    expect(new Set(twins.map(({ data }) => data.it.partner.id)).size).toBe(1);
    expect(twins.map(({ data }) => data.it.repeated).sort()).toEqual([false, true]);
  });

  it('refuse a key that was used for another request, until a week has passed', async () => {
    await world.mutate('createPartner', { idempotencyKey: 'one', name: 'A', network: 'net-a' }, '__typename');
    const other = { idempotencyKey: 'one', name: 'B', network: 'net-b' };
    const { data } = await world.mutate('createPartner', other, 'partner { id }');
    expect(data.it).toMatchObject({ partner: null, userErrors: [{ code: 'IDEMPOTENCY_CONFLICT' }] });
    const { clock } = world;
    world.clock = { now: () => clock.now() + 8 * 86_400_000 };
    expect((await world.mutate('createPartner', other, '__typename')).data.it.userErrors).toEqual([]);
    world.clock = clock;
  });

  it('leave an audit entry with actor and diff, and no secret in it', async () => {
    const { data } = await world.mutate(
      'createApiKey',
      { label: 'Audited', scopes: ['READ_REPORTS'] },
      'key apiKey { id }',
    );
    await world.mutate('updateCampaign', { campaignId: ids['campaign'], name: 'Diffed' }, '__typename');
    await world.mutate(
      'updateCostImport',
      { importId: ids['source'], headerValue: 'Bearer second-secret' },
      '__typename',
    );
    const log = await world.ask('{ auditLog(first: 100) { edges { node { actor action subjectId details } } } }');
    const nodes = log.data.auditLog.edges.map(({ node }: { node: unknown }) => node);
    expect(nodes).toContainEqual(
      expect.objectContaining({ actor: 'key_admin', action: 'key.created', subjectId: data.it.apiKey.id }),
    );
    expect(nodes).toContainEqual(
      expect.objectContaining({
        action: 'campaign.updated',
        details: { changes: { name: { from: expect.any(String), to: 'Diffed' } } },
      }),
    );
    const all = JSON.stringify(await world.relational.client.auditEntry.findMany());
    for (const secret of [
      data.it.key,
      sha256Hex(data.it.key),
      'secret-of-net',
      'second-secret',
      'a@example.com',
      'hook-secret',
      'token=of-net',
    ]) {
      expect(all).not.toContain(secret);
    }
    expect(nodes).toContainEqual(
      expect.objectContaining({ details: { changes: { headerSealed: { from: '***', to: '***' } } } }),
    );
    const one = await world.ask(
      '{ auditLog(first: 1, action: "campaign.updated") { edges { node { action } } pageInfo { hasNextPage endCursor } } }',
    );
    expect(one.data.auditLog.edges).toHaveLength(1);
  });

  it('say each fault by its field', async () => {
    const { data } = await world.mutate(
      'createApp',
      { name: ' ', platform: 'IOS', currency: 'usd', timezone: 'Mars/Olympus' },
      'app { id }',
    );
    expect(data.it.app).toBeNull();
    expect(
      data.it.userErrors.map(({ code, field }: { code: string; field: string[] }) => [code, field.join('.')]),
    ).toEqual([
      ['BAD_USER_INPUT', 'input.name'],
      ['BAD_USER_INPUT', 'input.currency'],
      ['BAD_USER_INPUT', 'input.timezone'],
    ]);
    const taken = await world.mutate(
      'createTrackingLink',
      { appId: ids['app'], slug: 'one-link', targetUrl: 'https://x.example' },
      '__typename',
    );
    expect(taken.data.it.userErrors).toMatchObject([{ code: 'CONFLICT', message: 'That slug is taken.' }]);
    const bad = await world.mutate(
      'createTrackingLink',
      { appId: ids['app'], targetUrl: 'javascript:alert(1)' },
      '__typename',
    );
    expect(bad.data.it.userErrors).toMatchObject([{ code: 'BAD_USER_INPUT', field: ['input', 'targetUrl'] }]);
  });

  it('that destroy ask for a confirmation', async () => {
    const key = await made('createApiKey', { label: 'Kept', scopes: ['READ_REPORTS'] }, 'apiKey');
    const refused = await Promise.all([
      world.mutate('revokeApiKey', { keyId: key, confirm: false }, '__typename'),
      world.mutate(
        'removeCosts',
        { campaignId: ids['campaign'], firstDay: '2026-11-01', lastDay: '2026-11-02', confirm: false },
        '__typename',
      ),
    ]);
    for (const { data } of refused)
      expect(data.it.userErrors).toMatchObject([{ code: 'BAD_USER_INPUT', field: ['input', 'confirm'] }]);
  });

  it('keep at least one owner', async () => {
    for (const [name, input] of [
      ['removeMember', { memberId: ids['owner'] }],
      ['setMemberRole', { memberId: ids['owner'], role: 'ANALYST' }],
    ] as const) {
      const { data } = await world.mutate(name, input, '__typename');
      expect(data.it.userErrors).toMatchObject([{ code: 'CONFLICT' }]);
    }
  });

  it('of a key for some apps change these apps and nothing of the organisation', async () => {
    const other = await made('createApp', { name: 'Apart', platform: 'WEB', currency: 'USD', timezone: 'UTC' }, 'app');
    const caller = { appIds: [other] };
    expect(
      (await world.mutate('updateApp', { appId: other, name: 'Mine' }, '__typename', caller)).data.it.userErrors,
    ).toEqual([]);
    const foreign = await world.mutate('updateApp', { appId: ids['app'], name: 'Not mine' }, '__typename', caller);
    expect(foreign.data.it.userErrors).toMatchObject([{ code: 'NOT_FOUND' }]);
    const tenantWide = await world.mutate('createPartner', { name: 'X', network: 'x' }, '__typename', caller);
    expect(tenantWide.errors).toMatchObject([{ code: 'FORBIDDEN' }]);
  });

  it('keep a source’s header sealed, and ask for it again when the source moves', async () => {
    const row = await world.relational.client.costImport.findUniqueOrThrow({ where: { id: ids['source'] ?? '' } });
    expect(row.headerSealed).not.toContain('secret');
    expect(unsealText(row.headerSealed ?? '', testSecret)).toMatch(/^Bearer /);
    const moved = await world.mutate(
      'updateCostImport',
      { importId: ids['source'], url: 'https://evil.example/' },
      '__typename',
    );
    expect(moved.data.it.userErrors).toMatchObject([{ code: 'BAD_USER_INPUT', field: ['input', 'headerValue'] }]);
  });

  it('carry intake, link targets, deep link path and quotas into the directory', async () => {
    await world.mutate(
      'setIntakePolicy',
      {
        appId: ids['app'],
        intake: { hashDeviceIds: true, consentPolicy: 'REQUIRE', sampling: [{ eventName: 'tick', keep: 0.5 }] },
      },
      '__typename',
    );
    await world.mutate(
      'updateTrackingLink',
      {
        linkId: ids['link'],
        deepLinkPath: '/sale',
        targets: [{ platform: 'ANDROID', country: 'FR', url: 'https://fr.example' }],
      },
      '__typename',
    );
    await world.directory.refresh();
    const { apps, links } = world.directory.current();
    expect(apps.find(({ appId }) => appId === ids['app'])?.intake).toMatchObject({
      hashDeviceIds: true,
      consentPolicy: 'require',
      sampling: [{ eventName: 'tick', keep: 0.5 }],
      blockedEvents: [],
    });
    expect(links.find(({ linkId }) => linkId === ids['link'])).toMatchObject({
      deepLinkPath: '/sale',
      targets: [{ platform: 'android', country: 'FR', url: 'https://fr.example' }],
    });
    await world.mutate('updateTrackingLink', { linkId: ids['link'], deepLinkPath: null, targets: null }, '__typename');
    await world.directory.refresh();
    const cleared = world.directory.current().links.find(({ linkId }) => linkId === ids['link']);
    expect([cleared?.deepLinkPath, cleared?.targets]).toEqual([undefined, []]);
  });

  it('put away and taken out again leave and enter the directory', async () => {
    const slugs = async () => {
      await world.directory.refresh();
      return world.directory.current().links.map(({ slug }) => slug);
    };
    expect(await slugs()).toContain('one-link');
    await world.mutate('archiveTrackingLink', { id: ids['link'] }, '__typename');
    expect(await slugs()).not.toContain('one-link');
    const { data } = await world.mutate('restoreTrackingLink', { id: ids['link'] }, 'trackingLink { archivedAt }');
    expect(data.it.trackingLink.archivedAt).toBeNull();
    expect(await slugs()).toContain('one-link');
  });
});
