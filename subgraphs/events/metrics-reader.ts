import { defineQuery, timeParam, type Warehouse } from '@tributary/platform/warehouse';
import { trimDecimal } from '@tributary/schema';
import { countPeopleSql } from '@tributary/schema/identity-sql';
import { z } from 'zod';
import type { TimeBounds } from '../src/kit.ts';
import { addDecimals } from './domain/live.ts';
import { sliceRange } from './domain/slices.ts';
import {
  edgeRows,
  engagementKinds,
  partnerParam,
  partnerWall,
  quarter,
  quarterMs,
  revenueKindNames,
  signedAmount,
  sliceParams,
  wholeGrains,
} from './events-sql.ts';

const appIds = z.array(z.string()).min(1).max(200);

/**
 * Grain: (app, kind, currency). Ordering key: app. Scan: projection by_quarter for whole quarters, rows of at most
 * two quarters at the ends.
 */
export const countsQuery = defineQuery({
  name: 'events_counts',
  sql: `
    SELECT app_id AS appId, event_kind AS kind, revenue_currency AS currency,
      toFloat64(sum(n)) AS events, toString(sum(${signedAmount})) AS revenue
    FROM (
      SELECT app_id, event_kind, revenue_currency, count() AS n, sum(revenue_amount) AS amount
      FROM events
      WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)} AND environment = 'production'
        AND ${wholeGrains(quarter)} AND ${partnerWall()}
      GROUP BY app_id, event_kind, revenue_currency
      UNION ALL
      SELECT app_id, event_kind, revenue_currency, count() AS n, sum(revenue_amount) AS amount
      FROM events
      WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)} AND environment = 'production'
        AND ${edgeRows} AND ${partnerWall()}
      GROUP BY app_id, event_kind, revenue_currency
    )
    GROUP BY app_id, event_kind, revenue_currency
    ORDER BY app_id, event_kind, revenue_currency`,
  params: z.object({ tenantId: z.string().min(1), appIds, ...sliceParams, ...partnerParam }),
  row: z.object({
    appId: z.string(),
    kind: z.string(),
    currency: z.string(),
    events: z.number(),
    revenue: z.string(),
  }),
});

/** Grain: app. Ordering key: app. Scan: rows of the range, three columns, and the links of the apps; people can't be summed from a projection. */
export const peopleQuery = defineQuery({
  name: 'events_people',
  sql: `
    SELECT app_id AS appId, people FROM (${countPeopleSql(
      `SELECT app_id, device_key
      FROM events
      WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)} AND environment = 'production'
        AND occurred_at >= ${timeParam('fromMs')} AND occurred_at < ${timeParam('toMs')}
        AND event_kind NOT IN ${engagementKinds} AND ${partnerWall()}`,
      ['app_id'],
    )})`,
  params: z.object({ tenantId: z.string().min(1), appIds, fromMs: z.number(), toMs: z.number(), ...partnerParam }),
  row: z.object({ appId: z.string(), people: z.number() }),
});

export interface AppCounts {
  readonly events: number;
  readonly sessions: number;
  readonly installs: number;
  readonly purchases: number;
  /** Currency → signed amount; only currencies that occur. */
  readonly revenue: ReadonlyMap<string, string>;
}

export interface MetricsScope {
  readonly tenantId: string;
  /** '' = no partner's: all rows. Else only events that name its campaigns. */
  readonly partnerId: string;
}

export interface MetricsReader {
  /** Counts and revenue per app; an app without events has zeros. */
  readCounts(
    scope: MetricsScope,
    appIds: readonly string[],
    range: TimeBounds,
  ): Promise<ReadonlyMap<string, AppCounts>>;
  /** Distinct devices with anything but ad engagements in the range, per app. */
  readPeople(scope: MetricsScope, appIds: readonly string[], range: TimeBounds): Promise<ReadonlyMap<string, number>>;
}

export function createMetricsReader(warehouse: Warehouse): MetricsReader {
  return {
    async readCounts(scope, appIds, range) {
      const rows = await warehouse.query(countsQuery, {
        ...scope,
        appIds: [...appIds],
        ...sliceRange(range.fromMs, range.toMs, quarterMs),
      });
      return new Map(appIds.map((appId) => [appId, countsOf(rows.filter((row) => row.appId === appId))]));
    },
    async readPeople(scope, appIds, range) {
      const rows = await warehouse.query(peopleQuery, { ...scope, appIds: [...appIds], ...range });
      return new Map(rows.map((row) => [row.appId, row.people]));
    },
  };
}

type CountsRow = z.output<typeof countsQuery.row>;

function countsOf(rows: readonly CountsRow[]): AppCounts {
  const events = (kind: string) => rows.filter((row) => row.kind === kind).reduce((sum, row) => sum + row.events, 0);
  const revenue = new Map<string, string>();
  for (const row of rows) {
    if (row.currency === '' || !revenueKindNames.has(row.kind)) continue;
    revenue.set(row.currency, addDecimals(revenue.get(row.currency) ?? '0', trimDecimal(row.revenue)));
  }
  return {
    events: rows.reduce((sum, row) => sum + row.events, 0),
    sessions: events('session'),
    installs: events('install'),
    purchases: events('purchase'),
    revenue,
  };
}
