import type { Relational } from '@tributary/prisma/client';
import type { PageRequest } from '../src/kit.ts';

/** Who reads: a tenant, the apps its key is for (`null` = all), and the partner whose key it is (`null` = nobody's). */
export interface Reach {
  readonly tenantId: string;
  readonly appIds: readonly string[] | null;
  readonly partnerId: string | null;
}

export type AppRow = Awaited<ReturnType<CatalogueReader['readApps']>>[number];
export type CampaignRow = Awaited<ReturnType<CatalogueReader['readCampaigns']>>[number];
export type PartnerRow = Awaited<ReturnType<CatalogueReader['readPartners']>>[number];
export type LinkRow = Awaited<ReturnType<CatalogueReader['readLinksOfApps']>>[number];
export type GoalRow = Awaited<ReturnType<CatalogueReader['readGoals']>>[number];
export type AdGroupRow = Awaited<ReturnType<CatalogueReader['readAdGroups']>>[number];
export type CreativeRow = Awaited<ReturnType<CatalogueReader['readCreatives']>>[number];
export type CatalogueReader = ReturnType<typeof createCatalogueReader>;

/** Sort key of a campaign in its app's list. */
export type CampaignCursor = readonly [name: string, id: string];

const appColumns = {
  id: true,
  tenantId: true,
  name: true,
  platform: true,
  currency: true,
  timezone: true,
  enabled: true,
  storeUrl: true,
  ipPolicy: true,
  clickLookbackHours: true,
  viewLookbackHours: true,
  reinstallDays: true,
  retentionDays: true,
  intake: true,
} as const;

const campaignColumns = {
  id: true,
  tenantId: true,
  appId: true,
  partnerId: true,
  name: true,
  network: true,
  status: true,
} as const;
const partnerColumns = { id: true, tenantId: true, name: true, network: true, archivedAt: true } as const;

const linkColumns = {
  id: true,
  tenantId: true,
  appId: true,
  campaignId: true,
  slug: true,
  targetUrl: true,
  targets: true,
  deepLinkPath: true,
  expiresAt: true,
  archivedAt: true,
} as const;

/** What no id of ours holds, and Postgres refuses in any text. */
const storable = (text: string) => !text.includes('\0');

/** Conditions on rows with an `appId`. */
const ofApps = ({ appIds }: Reach) => (appIds === null ? {} : { appId: { in: [...appIds] } });

/** Conditions on campaigns: of the reader's apps and, for a partner's key, of the partner. */
const campaignsOf = (reach: Reach) => ({
  tenantId: reach.tenantId,
  ...ofApps(reach),
  ...(reach.partnerId === null ? {} : { partnerId: reach.partnerId }),
});

/** Conditions on what hangs on campaigns: a partner sees only that of its own. */
const linksOf = (reach: Reach) => ({
  tenantId: reach.tenantId,
  ...ofApps(reach),
  ...(reach.partnerId === null ? {} : { campaign: { is: { partnerId: reach.partnerId } } }),
});

/** Conditions on apps. A partner sees those in which it has a campaign. */
const appsOf = ({ tenantId, appIds, partnerId }: Reach) => ({
  tenantId,
  ...(appIds === null ? {} : { id: { in: [...appIds] } }),
  ...(partnerId === null ? {} : { campaigns: { some: { partnerId } } }),
});

/**
 * Reads apps, campaigns, partners, links and goals of one tenant. Rows of others, of apps beyond the reach, or of other
 * partners than the reader are as absent as unknown ids. Each function is one statement. Throws RELATIONAL_UNAVAILABLE.
 */
export function createCatalogueReader({ client }: Pick<Relational, 'client'>) {
  return {
    readTenant: ({ tenantId }: Reach) =>
      client.tenant.findUnique({ where: { id: tenantId }, select: { id: true, name: true } }),

    /** Of these ids, or all in reach when none are given; by name. */
    readApps: (reach: Reach, ids?: readonly string[]) =>
      client.app.findMany({
        where: { AND: [appsOf(reach), ...(ids === undefined ? [] : [{ id: { in: ids.filter(storable) } }])] },
        select: appColumns,
        orderBy: [{ name: 'asc' }, { id: 'asc' }],
      }),

    readCampaigns: (reach: Reach, ids: readonly string[]) =>
      client.campaign.findMany({
        where: { ...campaignsOf(reach), id: { in: ids.filter(storable) } },
        select: campaignColumns,
      }),

    /** A page of an app's campaigns by name, up to `page.limit`. The app must be in reach. */
    readCampaignPage: (reach: Reach, appId: string, page: PageRequest, after: CampaignCursor | null) =>
      client.campaign.findMany({
        where: {
          AND: [campaignsOf(reach), { appId }],
          ...(after === null ? {} : { OR: [{ name: { gt: after[0] } }, { name: after[0], id: { gt: after[1] } }] }),
        },
        select: campaignColumns,
        orderBy: [{ name: 'asc' }, { id: 'asc' }],
        take: page.limit,
      }),

    /** Of these ids, or all in reach; by name. Partners belong to the tenant, not to an app; a partner sees itself. */
    readPartners: ({ tenantId, partnerId }: Reach, ids?: readonly string[]) =>
      client.partner.findMany({
        where: {
          tenantId,
          AND: [
            ...(partnerId === null ? [] : [{ id: partnerId }]),
            ...(ids === undefined ? [] : [{ id: { in: ids.filter(storable) } }]),
          ],
        },
        select: partnerColumns,
        orderBy: [{ name: 'asc' }, { id: 'asc' }],
      }),

    readAdGroups: (reach: Reach, campaignIds: readonly string[]) =>
      client.adGroup.findMany({
        where: { tenantId: reach.tenantId, campaign: { is: campaignsOf(reach) }, campaignId: { in: [...campaignIds] } },
        select: { id: true, tenantId: true, campaignId: true, name: true, archivedAt: true },
        orderBy: [{ name: 'asc' }, { id: 'asc' }],
      }),

    readAdGroupsById: (reach: Reach, ids: readonly string[]) =>
      client.adGroup.findMany({
        where: { tenantId: reach.tenantId, campaign: { is: campaignsOf(reach) }, id: { in: ids.filter(storable) } },
        select: { id: true, tenantId: true, campaignId: true, name: true, archivedAt: true },
      }),

    readCreatives: (reach: Reach, adGroupIds: readonly string[]) =>
      client.creative.findMany({
        where: {
          tenantId: reach.tenantId,
          adGroup: { is: { campaign: { is: campaignsOf(reach) } } },
          adGroupId: { in: [...adGroupIds] },
        },
        select: { id: true, tenantId: true, adGroupId: true, name: true, archivedAt: true },
        orderBy: [{ name: 'asc' }, { id: 'asc' }],
      }),

    readCreativesById: (reach: Reach, ids: readonly string[]) =>
      client.creative.findMany({
        where: {
          tenantId: reach.tenantId,
          adGroup: { is: { campaign: { is: campaignsOf(reach) } } },
          id: { in: ids.filter(storable) },
        },
        select: { id: true, tenantId: true, adGroupId: true, name: true, archivedAt: true },
      }),

    readLinksOfApps: (reach: Reach, appIds: readonly string[]) =>
      client.trackingLink.findMany({
        where: { AND: [linksOf(reach), { appId: { in: [...appIds] } }] },
        select: linkColumns,
        orderBy: { slug: 'asc' },
      }),

    readLinksOfCampaigns: (reach: Reach, campaignIds: readonly string[]) =>
      client.trackingLink.findMany({
        where: { ...linksOf(reach), campaignId: { in: [...campaignIds] } },
        select: linkColumns,
        orderBy: { slug: 'asc' },
      }),

    readLinks: (reach: Reach, ids: readonly string[]) =>
      client.trackingLink.findMany({
        where: { ...linksOf(reach), id: { in: ids.filter(storable) } },
        select: linkColumns,
      }),

    readGoals: (reach: Reach, appIds: readonly string[]) =>
      client.goal.findMany({
        where: { tenantId: reach.tenantId, AND: [{ appId: { in: [...appIds] } }, { app: { is: appsOf(reach) } }] },
        select: {
          id: true,
          tenantId: true,
          appId: true,
          name: true,
          eventKind: true,
          eventName: true,
          archivedAt: true,
        },
        orderBy: { name: 'asc' },
      }),

    readGoalsById: (reach: Reach, ids: readonly string[]) =>
      client.goal.findMany({
        where: { tenantId: reach.tenantId, app: { is: appsOf(reach) }, id: { in: ids.filter(storable) } },
        select: {
          id: true,
          tenantId: true,
          appId: true,
          name: true,
          eventKind: true,
          eventName: true,
          archivedAt: true,
        },
      }),
  };
}
