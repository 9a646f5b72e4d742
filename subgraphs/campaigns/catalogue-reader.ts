import type { Relational } from '@tributary/prisma/client';
import type { PageRequest } from '../src/kit.ts';

/** Who reads: a tenant, and the apps its key is for (`null` = all). Every question takes it. */
export interface Reach {
  readonly tenantId: string;
  readonly appIds: readonly string[] | null;
}

export type AppRow = Awaited<ReturnType<CatalogueReader['readApps']>>[number];
export type CampaignRow = Awaited<ReturnType<CatalogueReader['readCampaigns']>>[number];
export type PartnerRow = Awaited<ReturnType<CatalogueReader['readPartners']>>[number];
export type LinkRow = Awaited<ReturnType<CatalogueReader['readLinksOfApps']>>[number];
export type GoalRow = Awaited<ReturnType<CatalogueReader['readGoals']>>[number];
export type CatalogueReader = ReturnType<typeof createCatalogueReader>;

/** Sort key of a campaign in its app's list. */
export type CampaignCursor = readonly [name: string, id: string];

const appColumns = {
  id: true,
  name: true,
  platform: true,
  currency: true,
  timezone: true,
  enabled: true,
} as const;

const campaignColumns = { id: true, appId: true, partnerId: true, name: true, network: true, status: true } as const;

const linkColumns = {
  id: true,
  appId: true,
  campaignId: true,
  slug: true,
  targetUrl: true,
  expiresAt: true,
} as const;

/** What no id of ours holds, and Postgres refuses in any text. */
const storable = (text: string) => !text.includes('\0');

const ofApps = ({ appIds }: Reach) => (appIds === null ? {} : { appId: { in: [...appIds] } });

/**
 * Reads apps, campaigns, partners, links and goals of one tenant. Rows of others, or of apps beyond the reach, are as
 * absent as unknown ids. Each function is one statement. Throws RELATIONAL_UNAVAILABLE.
 */
export function createCatalogueReader({ client }: Pick<Relational, 'client'>) {
  return {
    readTenant: ({ tenantId }: Reach) =>
      client.tenant.findUnique({ where: { id: tenantId }, select: { id: true, name: true } }),

    /** Of these ids, or all in reach when none are given; by name. */
    readApps: ({ tenantId, appIds }: Reach, ids?: readonly string[]) =>
      client.app.findMany({
        where: {
          tenantId,
          AND: [
            ...(appIds === null ? [] : [{ id: { in: [...appIds] } }]),
            ...(ids === undefined ? [] : [{ id: { in: ids.filter(storable) } }]),
          ],
        },
        select: appColumns,
        orderBy: [{ name: 'asc' }, { id: 'asc' }],
      }),

    readCampaigns: (reach: Reach, ids: readonly string[]) =>
      client.campaign.findMany({
        where: { tenantId: reach.tenantId, ...ofApps(reach), id: { in: ids.filter(storable) } },
        select: campaignColumns,
      }),

    /** A page of an app's campaigns by name, up to `page.limit`. The app must be in reach. */
    readCampaignPage: (reach: Reach, appId: string, page: PageRequest, after: CampaignCursor | null) =>
      client.campaign.findMany({
        where: {
          tenantId: reach.tenantId,
          appId,
          ...(after === null ? {} : { OR: [{ name: { gt: after[0] } }, { name: after[0], id: { gt: after[1] } }] }),
        },
        select: campaignColumns,
        orderBy: [{ name: 'asc' }, { id: 'asc' }],
        take: page.limit,
      }),

    /** Partners belong to the tenant, not to an app. */
    readPartners: ({ tenantId }: Reach, ids: readonly string[]) =>
      client.partner.findMany({
        where: { tenantId, id: { in: ids.filter(storable) } },
        select: { id: true, name: true },
      }),

    readLinksOfApps: (reach: Reach, appIds: readonly string[]) =>
      client.trackingLink.findMany({
        where: { tenantId: reach.tenantId, appId: { in: [...appIds] } },
        select: linkColumns,
        orderBy: { slug: 'asc' },
      }),

    readLinksOfCampaigns: (reach: Reach, campaignIds: readonly string[]) =>
      client.trackingLink.findMany({
        where: { tenantId: reach.tenantId, ...ofApps(reach), campaignId: { in: [...campaignIds] } },
        select: linkColumns,
        orderBy: { slug: 'asc' },
      }),

    readGoals: ({ tenantId }: Reach, appIds: readonly string[]) =>
      client.goal.findMany({
        where: { tenantId, appId: { in: [...appIds] } },
        select: { id: true, appId: true, name: true, eventKind: true, eventName: true },
        orderBy: { name: 'asc' },
      }),
  };
}
