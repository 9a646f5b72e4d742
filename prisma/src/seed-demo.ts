import type { Clock } from '@tributary/platform/clock';
import { hash64, newId } from '@tributary/schema';
import { createApiKey, createWriteKey, revokeKey } from './accounts.ts';
import { recordCosts } from './campaigns.ts';
import { withChange } from './changes.ts';
import type { Relational, RelationalReader } from './client.ts';

export interface DemoCampaign {
  readonly campaignId: string;
  readonly name: string;
  readonly network: string;
  readonly partnerId: string;
  readonly slug: string;
  /** The tracking link on the collector. */
  readonly url: string;
}

export interface DemoApp {
  readonly appId: string;
  readonly name: string;
  readonly platform: 'ios' | 'android';
  readonly currency: string;
  readonly timezone: string;
  readonly writeKey: string;
  readonly secretKey: string;
  readonly campaigns: readonly DemoCampaign[];
}

export interface Demo {
  readonly tenantId: string;
  readonly apiKey: string;
  readonly apps: readonly DemoApp[];
}

const tenantSlug = 'demo';
const keyLabel = 'Demo';
const costDays = 30;
const dayMs = 86_400_000;

const partners = [
  { name: 'Northwind Ads', network: 'northwind' },
  { name: 'Halcyon Media', network: 'halcyon' },
  { name: 'Brightloop', network: 'brightloop' },
  { name: 'Juniper Reach', network: 'juniper' },
] as const;

/** Costs by day are around these (USD), so that some campaigns earn their money back and some do not. */
const campaigns = [
  { name: 'Autumn launch', network: 'northwind', adGroups: ['Lookalikes', 'Broad'], dailyCost: 78, code: 'nw' },
  { name: 'Evergreen video', network: 'halcyon', adGroups: ['Rewarded', 'Interstitial'], dailyCost: 64, code: 'hm' },
  {
    name: 'Playable prospecting',
    network: 'brightloop',
    adGroups: ['Playable A', 'Playable B'],
    dailyCost: 41,
    code: 'bl',
  },
  { name: 'Win back', network: 'juniper', adGroups: ['Lapsed 30 days'], dailyCost: 22, code: 'jr' },
] as const;

const apps = [
  {
    name: 'Harbor Tales',
    platform: 'ios',
    timezone: 'America/New_York',
    code: 'ht',
    storeUrl: 'https://apps.apple.com/app/id0000000001?tributary_click={click_id}',
  },
  {
    name: 'Orbit Miners',
    platform: 'android',
    timezone: 'Europe/Berlin',
    code: 'om',
    storeUrl: 'https://play.google.com/store/apps/details?id=example.orbitminers&referrer=click_id%3D{click_id}',
  },
] as const;

/**
 * The demo: one tenant, an iOS and an Android game, four partners, four campaigns a game with ad groups, creatives, links,
 * goals, and 30 days of costs up to today. Made once; later calls find it, add the days since, and issue new keys, since
 * keys can't be read back: those of the call before are revoked.
 */
export async function seedDemo(
  relational: Relational,
  options: { readonly clock: Clock; readonly publicCollectorUrl: string },
): Promise<Demo> {
  const existing = await relational.client.tenant.findUnique({ where: { slug: tenantSlug } });
  const tenantId = existing?.id ?? (await createDemoRows(relational));
  await refreshDemoCosts(relational, options);
  const keys = await rotateKeys(relational, tenantId);
  const found = await relational.client.app.findMany({
    where: { tenantId },
    orderBy: [{ createdAt: 'asc' }, { name: 'asc' }],
    include: {
      campaigns: { orderBy: { name: 'asc' }, include: { trackingLinks: { take: 1, orderBy: { slug: 'asc' } } } },
    },
  });
  return {
    tenantId,
    apiKey: keys.api,
    apps: found.flatMap((app) => {
      const own = keys.apps.get(app.id);
      if (!own || (app.platform !== 'ios' && app.platform !== 'android')) return [];
      const { id: appId, name, platform, currency, timezone } = app;
      const linked = app.campaigns.flatMap((campaign): DemoCampaign[] => {
        const slug = campaign.trackingLinks[0]?.slug;
        const { id: campaignId, network, partnerId } = campaign;
        if (slug === undefined || network === null || partnerId === null) return [];
        const url = `${options.publicCollectorUrl}/c/${slug}`;
        return [{ campaignId, name: campaign.name, network, partnerId, slug, url }];
      });
      return [{ appId, name, platform, currency, timezone, ...own, campaigns: linked }];
    }),
  };
}

/** All rows but keys and costs, in one transaction: a demo is whole or not there. */
function createDemoRows(relational: Relational): Promise<string> {
  return withChange(relational, ['directory', 'mirrors'], async (tx) => {
    const tenantId = newId('tenant');
    await tx.tenant.create({ data: { id: tenantId, slug: tenantSlug, name: 'Demo Games' } });
    await tx.member.create({
      data: { id: newId('member'), tenantId, email: 'owner@demo.example', role: 'OWNER' },
    });
    const partnerIds = new Map(partners.map((partner) => [partner.network as string, newId('partner')]));
    await tx.partner.createMany({
      data: partners.map((partner) => ({ id: partnerIds.get(partner.network) ?? '', tenantId, ...partner })),
    });
    for (const app of apps) await createDemoApp(tx, tenantId, app, partnerIds);
    return tenantId;
  });
}

async function createDemoApp(
  tx: RelationalReader,
  tenantId: string,
  app: (typeof apps)[number],
  partnerIds: ReadonlyMap<string, string>,
): Promise<void> {
  const { code, ...settings } = app;
  const appId = newId('app');
  await tx.app.create({ data: { id: appId, tenantId, currency: 'USD', ...settings } });
  const rows = campaigns.map((campaign) => ({ id: newId('campaign'), campaign }));
  await tx.campaign.createMany({
    data: rows.map(({ id, campaign: { name, network } }) => ({
      id,
      tenantId,
      appId,
      partnerId: partnerIds.get(network) ?? null,
      name,
      network,
    })),
  });
  const adGroups = rows.flatMap(({ id, campaign }) =>
    campaign.adGroups.map((name) => ({ id: newId('adgroup'), tenantId, campaignId: id, name })),
  );
  await tx.adGroup.createMany({ data: adGroups });
  await tx.creative.createMany({
    data: adGroups.map((group) => ({
      id: newId('creative'),
      tenantId,
      adGroupId: group.id,
      name: `${group.name} 15 s`,
    })),
  });
  await tx.trackingLink.createMany({
    data: rows.map(({ id, campaign }) => ({
      id: newId('link'),
      tenantId,
      appId,
      campaignId: id,
      slug: `${code}-${campaign.code}-${newId('link').slice(-6)}`,
      targetUrl: app.storeUrl,
    })),
  });
  const goal = (name: string, eventKind: string) => ({ id: newId('goal'), tenantId, appId, name, eventKind });
  await tx.goal.createMany({ data: [goal('install', 'install'), goal('purchase', 'purchase')] });
}

/** The same day of the same campaign always costs the same: 70 % to 130 % of its usual figure, less at weekends. */
function dailyCostOf(appName: string, campaign: (typeof campaigns)[number], day: string): string {
  const share = Number(hash64(`${appName}/${campaign.name}/${day}`) % 601n) / 1_000 + 0.7;
  const weekday = new Date(`${day}T00:00:00Z`).getUTCDay();
  const weekend = weekday === 0 || weekday === 6 ? 0.85 : 1;
  return (campaign.dailyCost * share * weekend).toFixed(2);
}

/** Adds the demo's missing days of cost, up to today. Nothing happens without a demo. Cheap when none is missing. */
export async function refreshDemoCosts(relational: Relational, options: { readonly clock: Clock }): Promise<void> {
  const tenant = await relational.client.tenant.findUnique({ where: { slug: tenantSlug } });
  if (!tenant) return;
  const today = options.clock.now();
  const days = Array.from({ length: costDays }, (_, back) => new Date(today - back * dayMs).toISOString().slice(0, 10));
  const known = await relational.client.campaign.findMany({
    where: { tenantId: tenant.id },
    select: {
      id: true,
      name: true,
      app: { select: { name: true, currency: true } },
      costRows: { select: { day: true }, where: { day: { gte: new Date(days.at(-1) ?? 0) } } },
    },
  });
  const rows = known.flatMap((row) => {
    const campaign = campaigns.find(({ name }) => name === row.name);
    if (!campaign) return [];
    const there = new Set(row.costRows.map(({ day }) => day.toISOString().slice(0, 10)));
    return days
      .filter((day) => !there.has(day))
      .map((day) => ({
        campaignId: row.id,
        day,
        amount: dailyCostOf(row.app.name, campaign, day),
        currency: row.app.currency,
      }));
  });
  await recordCosts(relational, { tenantId: tenant.id, rows });
}

async function rotateKeys(relational: Relational, tenantId: string) {
  const live = { where: { tenantId, label: keyLabel, revokedAt: null }, select: { id: true } };
  const old = [
    ...(await relational.client.writeKey.findMany(live)),
    ...(await relational.client.apiKey.findMany(live)),
  ];
  const appRows = await relational.client.app.findMany({ where: { tenantId }, select: { id: true } });
  const appKeys = new Map<string, { writeKey: string; secretKey: string }>();
  for (const { id: appId } of appRows) {
    const write = await createWriteKey(relational, { tenantId, appId, kind: 'write', label: keyLabel });
    const secret = await createWriteKey(relational, { tenantId, appId, kind: 'secret', label: keyLabel });
    appKeys.set(appId, { writeKey: write.key, secretKey: secret.key });
  }
  const api = await createApiKey(relational, {
    tenantId,
    label: keyLabel,
    scopes: ['read:reports', 'read:personal'],
    appIds: null,
  });
  for (const { id: keyId } of old) await revokeKey(relational, { tenantId, keyId });
  return { api: api.key, apps: appKeys };
}
