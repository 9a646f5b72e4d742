import { defineQuery, timeParam, type Warehouse } from '@tributary/platform/warehouse';
import { countPeopleSql } from '@tributary/schema/identity-sql';
import { z } from 'zod';
import type { TimeBounds } from '../src/kit.ts';
import { bucketsOf, fillSeries, type SeriesGrain, type SeriesMetric, type SeriesPoint } from './domain/series.ts';
import { sliceRange } from './domain/slices.ts';
import {
  edgeRows,
  engagementKinds,
  minute,
  minuteMs,
  partnerParam,
  partnerWall,
  quarter,
  quarterMs,
  revenueKinds,
  signedAmount,
  sliceParams,
  wholeGrains,
} from './events-sql.ts';

const seriesRow = z.object({ key: z.string(), value: z.number() });
const seriesParams = z.object({
  tenantId: z.string().min(1),
  appId: z.string().min(1),
  kind: z.string(),
  currency: z.string(),
  timezone: z.string(),
  ...sliceParams,
  ...partnerParam,
});

/** The bucket of a grain-aligned time `slot` as the key that domain/series expects. */
const keySql: Readonly<Record<SeriesGrain, string>> = {
  MINUTE: 'toString(toInt64(toUnixTimestamp(slot)) * 1000)',
  FIFTEEN_MINUTES: 'toString(toInt64(toUnixTimestamp(slot)) * 1000)',
  HOUR: 'toString(intDiv(toInt64(toUnixTimestamp(slot)), 3600) * 3600000)',
  DAY: 'toString(toDate(slot, {timezone:String}))',
};

/** A series of counts or revenue at a grain. */
export function seriesQuery(grain: SeriesGrain, of: 'count' | 'revenue') {
  const expression = grain === 'MINUTE' ? minute : quarter;
  const kinds =
    of === 'revenue'
      ? `AND event_kind IN ${revenueKinds} AND revenue_currency = {currency:String}`
      : `AND ({kind:String} = '' OR event_kind = {kind:String})`;
  const slice = (times: string) => `
      SELECT ${expression} AS slot, event_kind, count() AS n, sum(revenue_amount) AS amount
      FROM events
      WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND environment = 'production'
        ${kinds} AND ${times} AND ${partnerWall()}
      GROUP BY slot, event_kind`;
  return defineQuery({
    name: `events_series_${of}_${grain.toLowerCase()}`,
    // Grain: bucket. Ordering key: app. Scan: projection by_minute or by_quarter, rows of the two ends.
    sql: `
    SELECT ${keySql[grain]} AS key, toFloat64(${of === 'count' ? 'sum(n)' : `sum(${signedAmount})`}) AS value
    FROM (${slice(wholeGrains(expression))}
      UNION ALL${slice(edgeRows)}
    )
    GROUP BY key`,
    params: seriesParams,
    row: seriesRow,
  });
}

/** Grain: bucket. Ordering key: app. Scan: rows of the range and the app's links; people can't be summed from a projection. */
function peopleSeriesQuery(grain: SeriesGrain) {
  return defineQuery({
    name: `events_series_people_${grain.toLowerCase()}`,
    sql: `
    SELECT bucket AS key, people AS value FROM (${countPeopleSql(
      `SELECT app_id, device_key, ${keySql[grain].replaceAll('slot', grain === 'MINUTE' ? minute : quarter)} AS bucket
      FROM events
      WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND environment = 'production'
        AND occurred_at >= ${timeParam('fromMs')} AND occurred_at < ${timeParam('toMs')}
        AND event_kind NOT IN ${engagementKinds} AND ${partnerWall()}`,
      ['bucket'],
      { condition: 'tenant_id = {tenantId:String} AND app_id = {appId:String}' },
    )})`,
    params: z.object({
      tenantId: z.string().min(1),
      appId: z.string().min(1),
      timezone: z.string(),
      fromMs: z.number(),
      toMs: z.number(),
      ...partnerParam,
    }),
    row: seriesRow,
  });
}

const kindOf = { EVENTS: '', SESSIONS: 'session', INSTALLS: 'install', PURCHASES: 'purchase', REVENUE: '' } as const;

export interface SeriesRequest {
  readonly tenantId: string;
  readonly appId: string;
  /** '' = no partner's: all rows. */
  readonly partnerId: string;
  readonly range: TimeBounds;
  readonly metric: SeriesMetric;
  readonly grain: SeriesGrain;
  /** The app's: bounds of days, and the currency that REVENUE counts. */
  readonly timezone: string;
  readonly currency: string;
}

export interface SeriesReader {
  /** One point per bucket of the range, zeros included. Throws BAD_USER_INPUT when that is too many. */
  readSeries(request: SeriesRequest): Promise<readonly SeriesPoint[]>;
}

export function createSeriesReader(warehouse: Warehouse): SeriesReader {
  const readValues = (request: SeriesRequest) => {
    const { tenantId, appId, partnerId, range, metric, grain, timezone, currency } = request;
    if (metric === 'PEOPLE') {
      return warehouse.query(peopleSeriesQuery(grain), { tenantId, appId, partnerId, timezone, ...range });
    }
    return warehouse.query(seriesQuery(grain, metric === 'REVENUE' ? 'revenue' : 'count'), {
      tenantId,
      appId,
      partnerId,
      timezone,
      currency,
      kind: kindOf[metric],
      ...sliceRange(range.fromMs, range.toMs, grain === 'MINUTE' ? minuteMs : quarterMs),
    });
  };
  return {
    async readSeries(request) {
      const buckets = bucketsOf(request.range.fromMs, request.range.toMs, request.grain, request.timezone);
      const rows = await readValues(request);
      return fillSeries(buckets, new Map(rows.map((row) => [row.key, row.value])));
    },
  };
}
