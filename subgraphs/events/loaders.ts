import type { DirectoryApp } from '@tributary/schema';
import DataLoader from 'dataloader';
import type { SubgraphContext, TimeBounds } from '../src/kit.ts';
import type { AppCounts, MetricsReader } from './metrics-reader.ts';
import type { PersonFacts, PersonReader } from './person-reader.ts';

/** One query for all apps of an operation that ask for the same range. */
export function countsLoader(context: SubgraphContext, reader: MetricsReader, range: TimeBounds) {
  const { tenantId, partnerId } = context.caller;
  return context.loaders.get(`counts:${tenantId}:${range.fromMs}:${range.toMs}`, () => {
    return new DataLoader<string, AppCounts>(async (appIds) => {
      const found = await reader.readCounts({ tenantId, partnerId: partnerId ?? '' }, appIds, range);
      return appIds.map((appId) => found.get(appId) ?? new Error(`no counts for ${appId}`));
    });
  });
}

export function peopleLoader(context: SubgraphContext, reader: MetricsReader, range: TimeBounds) {
  const { tenantId, partnerId } = context.caller;
  return context.loaders.get(`people:${tenantId}:${range.fromMs}:${range.toMs}`, () => {
    return new DataLoader<string, number>(async (appIds) => {
      const found = await reader.readPeople({ tenantId, partnerId: partnerId ?? '' }, appIds, range);
      return appIds.map((appId) => found.get(appId) ?? 0);
    });
  });
}

/** Device keys travel in the statement's URL: this many stay well below the usual 16 KB of request head. */
const personsPerQuery = 80;

/** One query for all people of one app that an operation asks about. `null` = none of their events is stored. */
export function personLoader(context: SubgraphContext, reader: PersonReader, app: DirectoryApp, nowMs: number) {
  const { tenantId, partnerId } = context.caller;
  return context.loaders.get(`persons:${tenantId}:${app.appId}`, () => {
    return new DataLoader<string, PersonFacts | null>(
      async (deviceKeys) => {
        const found = await reader.readPersons({
          tenantId,
          appId: app.appId,
          partnerId: partnerId ?? '',
          deviceKeys,
          currency: app.currency,
          nowMs,
        });
        return deviceKeys.map((deviceKey) => found.get(deviceKey) ?? null);
      },
      { maxBatchSize: personsPerQuery },
    );
  });
}
