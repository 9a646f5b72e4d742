import { type ReportDimension, type ReportGrain, type ReportMetric, ratePlans } from '@tributary/schema';
import { pathsQuery } from '@tributary/subgraphs/attribution/queries';
import {
  campaignsQuery,
  countsQuery,
  eventsQuery,
  peopleQuery,
  planReport,
  quarterMs,
  reportQuery,
  seriesQuery,
  sliceRange,
  totalsQuery,
} from '@tributary/subgraphs/events/queries';

/** One of the console's questions: the readers' own text and parameters. */
export interface BenchQuery {
  /** Also the name of its file in `query/`. */
  readonly name: string;
  /** Whether aggregates answer it: then it must not grow with the events. */
  readonly onAggregates: boolean;
  readonly sql: string;
  readonly params: Readonly<Record<string, unknown>>;
}

export const benchTenant = 'ten_bench';
export const benchApp = { appId: 'app_1', timezone: 'Europe/Berlin', currency: 'USD' } as const;
const dayMs = 86_400_000;

/** The ten questions, as asked at `nowMs`, a time right after the last event. */
export function benchQueries(nowMs: number): readonly BenchQuery[] {
  const scope = { tenantId: benchTenant, appId: benchApp.appId, partnerId: '' };
  const { currency, timezone } = benchApp;
  const days = (count: number) => ({ fromMs: nowMs - count * dayMs, toMs: nowMs });
  const sliced = (count: number) => sliceRange(nowMs - count * dayMs, nowMs, quarterMs);
  const minute = Math.floor(nowMs / 60_000) * 60_000 + 60_000;
  const hour = { fromMs: minute - 3_600_000, toMs: minute };
  const apps = { tenantId: benchTenant, partnerId: '', appIds: [benchApp.appId] };
  const report = (
    name: string,
    onAggregates: boolean,
    metrics: ReportMetric[],
    dimensions: ReportDimension[],
    grain: ReportGrain | null = null,
  ) => {
    const plan = planReport(
      {
        ...scope,
        partnerId: null,
        apps: [benchApp],
        metrics,
        dimensions,
        filters: [],
        range: days(30),
        grain,
        orderBy: [],
        currency: null,
        lookbackDays: 30,
      },
      ratePlans.standard,
      nowMs,
    );
    const { definition, params } = reportQuery(plan);
    return { name, onAggregates, sql: definition.sql, params: { ...params, limit: 101, offset: 0 } };
  };
  return [
    { name: 'live-hour-totals', onAggregates: true, sql: totalsQuery.sql, params: { ...scope, currency, ...hour } },
    {
      name: 'live-hour-campaigns',
      onAggregates: false,
      sql: campaignsQuery.sql,
      params: { ...scope, currency, ...hour, lookbackMs: nowMs - 400 * dayMs },
    },
    { name: 'app-counts-30d', onAggregates: true, sql: countsQuery.sql, params: { ...apps, ...sliced(30) } },
    {
      name: 'series-revenue-90d',
      onAggregates: true,
      sql: seriesQuery('DAY', 'revenue').sql,
      params: { ...scope, currency, timezone, kind: '', ...sliced(90) },
    },
    { name: 'people-7d', onAggregates: false, sql: peopleQuery.sql, params: { ...apps, ...days(7) } },
    report('report-country-30d', true, ['EVENTS', 'SESSIONS', 'REVENUE'], ['COUNTRY', 'PLATFORM']),
    report('report-engagements-30d', true, ['CLICKS', 'IMPRESSIONS', 'CTR'], ['CAMPAIGN'], 'DAY'),
    report('report-campaign-roas-30d', false, ['INSTALLS', 'COST', 'CPI', 'REVENUE', 'ROAS'], ['CAMPAIGN']),
    {
      name: 'attribution-paths-30d',
      onAggregates: false,
      sql: pathsQuery.sql,
      params: { ...scope, ...days(30), currency, lookbackDays: 30, goal: '' },
    },
    {
      name: 'events-page-1d',
      onAggregates: false,
      sql: eventsQuery.sql,
      params: { ...scope, ...days(1), name: '', afterMs: -1, afterId: '', afterFormat: '', limit: 51 },
    },
  ];
}

/** A query as its file holds it. */
export const fileTextOf = ({ name, onAggregates, sql }: BenchQuery): string =>
  `-- ${name}: as the readers of the subgraphs ask it${onAggregates ? '; answered from aggregates' : ''}. Written by \`node bench/src/query-files.ts\`.\n${sql
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '')
    .join('\n')}\n`;
