import { gql, type TypedDocumentNode } from 'urql';
import type { MoneyValue } from '../../lib/format.ts';

export type LiveWindow = 'LAST_5_MINUTES' | 'LAST_HOUR' | 'TODAY';

export interface LiveRow {
  /** null = organic or unattributed */
  readonly campaign: { readonly id: string; readonly name: string } | null;
  readonly installs: number;
  readonly sessions: number;
  readonly revenue: MoneyValue;
}

export interface LiveMetrics {
  readonly window: LiveWindow;
  readonly from: string;
  readonly at: string;
  readonly cursor: string;
  readonly totals: {
    readonly events: number;
    readonly installs: number;
    readonly sessions: number;
    readonly revenue: MoneyValue;
    readonly eventsPerSecond: number;
  };
  readonly rows: readonly LiveRow[];
}

export const liveMetricsSubscription: TypedDocumentNode<
  { liveMetrics: LiveMetrics },
  { appId: string; window: LiveWindow }
> = gql`
  subscription LiveMetrics($appId: ID!, $window: LiveWindow!) {
    liveMetrics(appId: $appId, window: $window) {
      window
      from
      at
      cursor
      totals {
        events
        installs
        sessions
        revenue { amount currency }
        eventsPerSecond
      }
      rows {
        campaign { id name }
        installs
        sessions
        revenue { amount currency }
      }
    }
  }
`;

export type ModelName = 'FIRST_TOUCH' | 'LAST_TOUCH' | 'LINEAR';

export interface CampaignFigures {
  readonly id: string;
  readonly name: string;
  readonly network: string | null;
  readonly spend: MoneyValue;
  readonly installs: number;
  readonly revenue: MoneyValue;
  readonly roas: number | null;
  readonly credit: readonly { readonly model: ModelName; readonly conversions: number; readonly value: MoneyValue }[];
  readonly predictedLtv: { readonly perInstall: MoneyValue | null; readonly scored: number };
  readonly fraud: { readonly rate: number | null; readonly scored: number };
}

export interface CampaignPage {
  readonly campaigns: {
    readonly edges: readonly { readonly node: CampaignFigures }[];
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
  };
}

export const campaignsQuery: TypedDocumentNode<
  CampaignPage,
  { appId: string; days: number; first: number; after: string | null }
> = gql`
  query CampaignFigures($appId: ID!, $days: Int!, $first: Int!, $after: String) {
    campaigns(appId: $appId, first: $first, after: $after) {
      edges {
        node {
          id
          name
          network
          spend(range: { lastDays: $days }) { amount currency }
          installs(range: { lastDays: $days })
          revenue(range: { lastDays: $days }) { amount currency }
          roas(range: { lastDays: $days })
          credit(range: { lastDays: $days }, models: [FIRST_TOUCH, LAST_TOUCH, LINEAR]) { model conversions value { amount currency } }
          predictedLtv(range: { lastDays: $days }, horizonDays: 90) { perInstall { amount currency } scored }
          fraud(range: { lastDays: $days }) { rate scored }
        }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
`;

export interface SeriesPoint {
  readonly at: string;
  readonly value: number;
}

export const seriesQuery: TypedDocumentNode<
  { app: { id: string; installs: SeriesPoint[]; revenue: SeriesPoint[] } | null },
  { appId: string; days: number }
> = gql`
  query Series($appId: ID!, $days: Int!) {
    app(id: $appId) {
      id
      installs: timeseries(range: { lastDays: $days }, metric: INSTALLS, grain: DAY) { at value }
      revenue: timeseries(range: { lastDays: $days }, metric: REVENUE, grain: DAY) { at value }
    }
  }
`;
