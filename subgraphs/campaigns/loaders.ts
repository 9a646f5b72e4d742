import DataLoader from 'dataloader';
import type { SubgraphContext } from '../src/kit.ts';
import type {
  AdGroupRow,
  AppRow,
  CampaignRow,
  CatalogueReader,
  CreativeRow,
  GoalRow,
  LinkRow,
  PartnerRow,
  Reach,
} from './catalogue-reader.ts';
import type {
  AlertRow,
  ApiKeyRow,
  CostImportRow,
  JobRow,
  MemberRow,
  OperationsReader,
  SavedReportRow,
  WriteKeyRow,
} from './operations-reader.ts';
import type { SpendQuestion, SpendReader } from './spend-reader.ts';

/** Keeps the bind parameters of one statement far below Postgres's 65,535. */
const maxBatchSize = 1_000;

export function reachOf({ caller }: SubgraphContext): Reach {
  return { tenantId: caller.tenantId, appIds: caller.appIds, partnerId: caller.partnerId ?? null };
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

/** A loader of rows by id. */
export type RowLoader<T> = (context: SubgraphContext) => DataLoader<string, T | null>;
type ListLoader<T> = (context: SubgraphContext) => DataLoader<string, T[]>;

export interface CampaignsLoaders {
  readonly app: RowLoader<AppRow>;
  readonly campaign: RowLoader<CampaignRow>;
  readonly partner: RowLoader<PartnerRow>;
  readonly adGroup: RowLoader<AdGroupRow>;
  readonly creative: RowLoader<CreativeRow>;
  readonly link: RowLoader<LinkRow>;
  readonly goal: RowLoader<GoalRow>;
  readonly member: RowLoader<MemberRow>;
  readonly apiKey: RowLoader<ApiKeyRow>;
  readonly writeKey: RowLoader<WriteKeyRow>;
  readonly savedReport: RowLoader<SavedReportRow>;
  readonly alert: RowLoader<AlertRow>;
  readonly costImport: RowLoader<CostImportRow>;
  readonly job: RowLoader<JobRow>;
  readonly goalsOfApp: ListLoader<GoalRow>;
  readonly linksOfApp: ListLoader<LinkRow>;
  readonly linksOfCampaign: ListLoader<LinkRow>;
  readonly adGroupsOfCampaign: ListLoader<AdGroupRow>;
  readonly creativesOfAdGroup: ListLoader<CreativeRow>;
  spend(context: SubgraphContext): DataLoader<SpendQuestion, string, string>;
}

/** Loaders that live as long as one operation. */
export function createLoaders(
  catalogue: CatalogueReader,
  operations: OperationsReader,
  readSpend: SpendReader,
): CampaignsLoaders {
  const rows =
    <T extends { readonly id: string }>(
      name: string,
      read: (reach: Reach, ids: readonly string[]) => Promise<readonly T[]>,
    ): RowLoader<T> =>
    (context) =>
      loaderOf(context, name, byId(read));
  const lists =
    <T>(
      name: string,
      read: (reach: Reach, ids: readonly string[]) => Promise<readonly T[]>,
      keyOf: (row: T) => string | null,
    ): ListLoader<T> =>
    (context) =>
      loaderOf(context, name, grouped(read, keyOf));
  return {
    app: rows('app', catalogue.readApps),
    campaign: rows('campaign', catalogue.readCampaigns),
    partner: rows('partner', catalogue.readPartners),
    adGroup: rows('ad-group', catalogue.readAdGroupsById),
    creative: rows('creative', catalogue.readCreativesById),
    link: rows('link', catalogue.readLinks),
    goal: rows('goal', catalogue.readGoalsById),
    member: rows('member', operations.readMembers),
    apiKey: rows('api-key', operations.readApiKeys),
    writeKey: rows('write-key', (reach, ids) => operations.readWriteKeys(reach, { ids })),
    savedReport: rows('saved-report', (reach, ids) => operations.readSavedReports(reach, { ids })),
    alert: rows('alert', (reach, ids) => operations.readAlerts(reach, { ids })),
    costImport: rows('cost-import', operations.readCostImports),
    job: rows('job', operations.readJobsById),
    goalsOfApp: lists('goals', catalogue.readGoals, (row) => row.appId),
    linksOfApp: lists('links-of-app', catalogue.readLinksOfApps, (row) => row.appId),
    linksOfCampaign: lists('links-of-campaign', catalogue.readLinksOfCampaigns, (row) => row.campaignId),
    adGroupsOfCampaign: lists('ad-groups', catalogue.readAdGroups, (row) => row.campaignId),
    creativesOfAdGroup: lists('creatives', catalogue.readCreatives, (row) => row.adGroupId),
    spend: (context) =>
      loaderOf(
        context,
        'spend',
        readSpend,
        ({ campaignId, days, currency }) => `${campaignId} ${days.from} ${days.to} ${currency}`,
      ),
  };
}
