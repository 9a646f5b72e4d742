import type { Clock } from '@tributary/platform/clock';
import { CodedError } from '@tributary/schema';
import type { SubgraphKit } from '../../src/kit.ts';
import type { AppRow, CampaignRow, CatalogueReader, GoalRow, LinkRow, PartnerRow } from '../catalogue-reader.ts';
import type { CampaignsLoaders } from '../loaders.ts';

export interface SchemaDeps {
  readonly catalogue: CatalogueReader;
  readonly loaders: CampaignsLoaders;
  readonly clock: Clock;
  /** Without a slash at its end; `/c/<slug>` follows. */
  readonly collectorUrl: string;
}

/** The subgraph's types, made before their fields so that they can name each other. */
export function declareTypes({ builder }: SubgraphKit) {
  return {
    App: builder.objectRef<AppRow>('App'),
    Campaign: builder.objectRef<CampaignRow>('Campaign'),
    Partner: builder.objectRef<PartnerRow>('Partner'),
    TrackingLink: builder.objectRef<LinkRow>('TrackingLink'),
    Goal: builder.objectRef<GoalRow>('Goal'),
  };
}

export type CampaignsTypes = ReturnType<typeof declareTypes>;

/** One answer for what is unknown and what is somebody else's. */
export function notFound(noun: string, id: string): CodedError {
  return new CodedError('NOT_FOUND', { message: `There is no ${noun} of that id.`, details: { id } });
}
