import type { AttributionModel, DirectoryApp } from '@tributary/schema';
import DataLoader from 'dataloader';
import type { SubgraphContext, TimeBounds } from '../src/kit.ts';
import type { CampaignReader, InstallCounts } from './campaign-reader.ts';
import type { DecisionReader, StoredDecision } from './decision-reader.ts';
import { creditPaths, type PathCredits } from './domain/index.ts';
import type { InstallFacts, InstallReader } from './install-reader.ts';

const idsPerQuery = 100;

/** One query per app for all installs of an operation. */
export function installLoader(context: SubgraphContext, reader: InstallReader, appId: string, nowMs: number) {
  const { tenantId } = context.caller;
  return context.loaders.get(`install:${tenantId}:${appId}`, () => {
    return new DataLoader<string, InstallFacts | null>(
      async (ids) => {
        const found = await reader.readInstalls({
          tenantId,
          appId,
          ids,
          nowMs,
          partnerId: context.caller.partnerId ?? '',
        });
        return ids.map((id) => found.get(id) ?? null);
      },
      { maxBatchSize: idsPerQuery },
    );
  });
}

/** One query per app for the decisions of all installs of an operation, every revision, oldest first. */
export function decisionLoader(context: SubgraphContext, reader: DecisionReader, appId: string, nowMs: number) {
  const { tenantId } = context.caller;
  return context.loaders.get(`decisions:${tenantId}:${appId}`, () => {
    return new DataLoader<string, readonly StoredDecision[]>(
      async (installIds) => {
        const found = await reader.readDecisions({
          tenantId,
          appId,
          installIds,
          nowMs,
          partnerId: context.caller.partnerId ?? '',
        });
        return installIds.map((id) => found.get(id) ?? []);
      },
      { maxBatchSize: idsPerQuery },
    );
  });
}

/** What one app's campaigns share: each figure is asked once for all campaigns of an operation with the same range. */
export interface AppFigures {
  installCounts(): Promise<ReadonlyMap<string, InstallCounts>>;
  revenue(): Promise<ReadonlyMap<string, string>>;
  spend(): Promise<ReadonlyMap<string, string>>;
  credits(model: AttributionModel, lookbackDays: number, goal: string | null): Promise<PathCredits>;
}

export function appFigures(
  context: SubgraphContext,
  reader: CampaignReader,
  app: DirectoryApp,
  range: TimeBounds,
): AppFigures {
  const { tenantId, partnerId } = context.caller;
  const request = { tenantId, app, range, partnerId: partnerId ?? '' };
  const key = `${tenantId}:${app.appId}:${range.fromMs}:${range.toMs}`;
  const once = <T>(name: string, make: () => Promise<T>): Promise<T> => context.loaders.get(`${name}:${key}`, make);
  return {
    installCounts: () => once('install-counts', () => reader.readInstallCounts(request)),
    revenue: () => once('revenue', () => reader.readRevenue(request)),
    spend: () => once('spend', () => reader.readSpend(request)),
    credits: (model, lookbackDays, goal) =>
      once(`credits:${model.kind}:${lookbackDays}:${goal ?? ''}`, async () =>
        creditPaths(
          await once(`paths:${lookbackDays}:${goal ?? ''}`, () => reader.readPaths({ ...request, lookbackDays, goal })),
          model,
        ),
      ),
  };
}
