import { fraudModel, ltvModel } from '@tributary/models';
import type { Directory } from '@tributary/platform/directory';
import DataLoader from 'dataloader';
import { ownsCampaign, type SubgraphContext, type TimeBounds } from '../src/kit.ts';
import type { CohortReader, FraudCounts } from './cohort-reader.ts';
import { type CohortSums, emptyCohort } from './domain/cohort-ltv.ts';
import type { InstallPrediction, InstallReader } from './install-reader.ts';

/** Ids travel in the statement's URL: this many stay well below the usual 16 KB of request head. */
const idsPerQuery = 80;

/** A campaign and the app it is of, as loaders take them. */
export interface CampaignKey {
  readonly campaignId: string;
  readonly appId: string;
}

const distinct = (values: readonly string[]) => [...new Set(values)];

/**
 * One query per app and model for all installs of an operation; `horizonDays` is 0 for fraud. For a partner a second one tells whose
 * the installs are: those of others have no predictions, whatever the first gave.
 */
export function installLoader(
  context: SubgraphContext,
  { reader, directory }: { readonly reader: InstallReader; readonly directory: Directory },
  key: { readonly appId: string; readonly model: string; readonly horizonDays: number; readonly nowMs: number },
) {
  const { tenantId, partnerId } = context.caller;
  return context.loaders.get(`installs:${tenantId}:${key.appId}:${key.model}:${key.horizonDays}`, () => {
    return new DataLoader<string, InstallPrediction | null>(
      async (installIds) => {
        const [found, campaigns] = await Promise.all([
          reader.readInstalls({ ...key, tenantId, installIds, partnerId: partnerId ?? '' }),
          partnerId == null ? null : reader.readCampaigns({ tenantId, partnerId, appId: key.appId, installIds }),
        ]);
        const isOwn = (id: string) => campaigns === null || ownsCampaign(context, directory, campaigns.get(id) ?? '');
        return installIds.map((id) => (isOwn(id) ? (found.get(id) ?? null) : null));
      },
      { maxBatchSize: idsPerQuery },
    );
  });
}

/** One query for all campaigns of an operation with the same range and horizon. */
export function campaignLtvLoader(
  context: SubgraphContext,
  reader: CohortReader,
  range: TimeBounds,
  horizonDays: number,
) {
  const { tenantId, partnerId } = context.caller;
  return context.loaders.get(`campaign-ltv:${tenantId}:${range.fromMs}:${range.toMs}:${horizonDays}`, () => {
    return new DataLoader<CampaignKey, CohortSums, string>(
      async (keys) => {
        const found = await reader.readCampaignLtv({
          tenantId,
          partnerId: partnerId ?? '',
          range,
          horizonDays,
          model: ltvModel.name,
          appIds: distinct(keys.map((key) => key.appId)),
          campaignIds: keys.map((key) => key.campaignId),
        });
        return keys.map((key) => found.get(key.campaignId) ?? emptyCohort);
      },
      { maxBatchSize: idsPerQuery, cacheKeyFn: (key) => key.campaignId },
    );
  });
}

export function campaignFraudLoader(context: SubgraphContext, reader: CohortReader, range: TimeBounds) {
  const { tenantId, partnerId } = context.caller;
  return context.loaders.get(`campaign-fraud:${tenantId}:${range.fromMs}:${range.toMs}`, () => {
    return new DataLoader<CampaignKey, FraudCounts, string>(
      async (keys) => {
        const found = await reader.readCampaignFraud({
          tenantId,
          partnerId: partnerId ?? '',
          range,
          model: fraudModel.name,
          appIds: distinct(keys.map((key) => key.appId)),
          campaignIds: keys.map((key) => key.campaignId),
        });
        return keys.map((key) => found.get(key.campaignId) ?? { scored: 0, suspect: 0, fraud: 0 });
      },
      { maxBatchSize: idsPerQuery, cacheKeyFn: (key) => key.campaignId },
    );
  });
}

export function appLtvLoader(context: SubgraphContext, reader: CohortReader, range: TimeBounds, horizonDays: number) {
  const { tenantId, partnerId } = context.caller;
  return context.loaders.get(`app-ltv:${tenantId}:${range.fromMs}:${range.toMs}:${horizonDays}`, () => {
    return new DataLoader<string, CohortSums>(
      async (appIds) => {
        const found = await reader.readAppLtv({
          tenantId,
          partnerId: partnerId ?? '',
          range,
          horizonDays,
          model: ltvModel.name,
          appIds,
        });
        return appIds.map((appId) => found.get(appId) ?? emptyCohort);
      },
      { maxBatchSize: idsPerQuery },
    );
  });
}
