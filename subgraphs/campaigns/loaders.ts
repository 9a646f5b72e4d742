import DataLoader from 'dataloader';
import type { SubgraphContext } from '../src/kit.ts';
import type { AppRow, CampaignRow, CatalogueReader, GoalRow, LinkRow, PartnerRow, Reach } from './catalogue-reader.ts';
import type { SpendQuestion, SpendReader } from './spend-reader.ts';

/** Keeps the bind parameters of one statement far below Postgres's 65,535. */
const maxBatchSize = 1_000;

export function reachOf({ caller }: SubgraphContext): Reach {
  return { tenantId: caller.tenantId, appIds: caller.appIds };
}

/** The operation's loader of that name. One statement per batch; tenant and apps are the caller's. */
function loaderOf<K, V, C = K>(
  context: SubgraphContext,
  name: string,
  read: (reach: Reach, keys: readonly K[]) => Promise<readonly V[]>,
  cacheKeyFn?: (key: K) => C,
): DataLoader<K, V, C> {
  const reach = reachOf(context);
  return context.loaders.get(`campaigns:${name}:${reach.tenantId}`, () => {
    const options = cacheKeyFn ? { maxBatchSize, cacheKeyFn } : { maxBatchSize };
    return new DataLoader<K, V, C>(async (keys) => read(reach, keys), options);
  });
}

/** `null` for what isn't there or isn't the caller's. */
function byId<T extends { readonly id: string }>(
  read: (reach: Reach, ids: readonly string[]) => Promise<readonly T[]>,
) {
  return async (reach: Reach, ids: readonly string[]): Promise<(T | null)[]> => {
    const found = new Map((await read(reach, ids)).map((row) => [row.id, row]));
    return ids.map((id) => found.get(id) ?? null);
  };
}

function grouped<T>(
  read: (reach: Reach, ids: readonly string[]) => Promise<readonly T[]>,
  keyOf: (row: T) => string | null,
) {
  return async (reach: Reach, ids: readonly string[]): Promise<T[][]> => {
    const found = Map.groupBy(await read(reach, ids), keyOf);
    return ids.map((id) => found.get(id) ?? []);
  };
}

export interface CampaignsLoaders {
  app(context: SubgraphContext): DataLoader<string, AppRow | null>;
  campaign(context: SubgraphContext): DataLoader<string, CampaignRow | null>;
  partner(context: SubgraphContext): DataLoader<string, PartnerRow | null>;
  goalsOfApp(context: SubgraphContext): DataLoader<string, GoalRow[]>;
  linksOfApp(context: SubgraphContext): DataLoader<string, LinkRow[]>;
  linksOfCampaign(context: SubgraphContext): DataLoader<string, LinkRow[]>;
  spend(context: SubgraphContext): DataLoader<SpendQuestion, string, string>;
}

/** Loaders that live as long as one operation. */
export function createLoaders(catalogue: CatalogueReader, readSpend: SpendReader): CampaignsLoaders {
  const links = grouped(catalogue.readLinksOfApps, (row) => row.appId);
  const campaignLinks = grouped(catalogue.readLinksOfCampaigns, (row) => row.campaignId);
  const goals = grouped(catalogue.readGoals, (row) => row.appId);
  return {
    app: (context) => loaderOf(context, 'app', byId(catalogue.readApps)),
    campaign: (context) => loaderOf(context, 'campaign', byId(catalogue.readCampaigns)),
    partner: (context) => loaderOf(context, 'partner', byId(catalogue.readPartners)),
    goalsOfApp: (context) => loaderOf(context, 'goals', goals),
    linksOfApp: (context) => loaderOf(context, 'links-of-app', links),
    linksOfCampaign: (context) => loaderOf(context, 'links-of-campaign', campaignLinks),
    spend: (context) =>
      loaderOf(
        context,
        'spend',
        readSpend,
        ({ campaignId, days, currency }) => `${campaignId} ${days.from} ${days.to} ${currency}`,
      ),
  };
}
