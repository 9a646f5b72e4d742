import { defineQuery, type QueryDefinition, type Warehouse } from '@tributary/platform/warehouse';
import type { AlertMetric } from '@tributary/schema';
import type { Window } from '@tributary/subgraphs/campaigns/domain';
import { z } from 'zod';

/** What one look sums. */
export interface MetricQuestion {
  readonly tenantId: string;
  readonly appId: string;
  readonly metric: AlertMetric;
  readonly campaignId: string | null;
  readonly country: string | null;
  /** ISO 4217; other money is not in the sum. */
  readonly currency: string;
  readonly window: Window;
}

export interface MetricReader {
  /** The sum over the window, as a float: it is compared, not booked. */
  readMetric(question: MetricQuestion, signal?: AbortSignal): Promise<number>;
}

const params = z.object({
  tenantId: z.string().min(1),
  appId: z.string().min(1),
  campaignId: z.string(),
  country: z.string(),
  currency: z.string(),
  fromMs: z.number(),
  toMs: z.number(),
});
type Params = z.output<typeof params>;
const row = z.object({ value: z.number() });

const amount = `multiIf(event_kind IN ('purchase', 'ad_revenue'), amount, event_kind = 'refund', -amount, toDecimal128(0, 6))`;

/** What each metric of events sums: of the grouped rows `n`, `amount`, `event_kind`, `revenue_currency`. */
const sums: Readonly<Record<Exclude<AlertMetric, 'SPEND'>, string>> = {
  EVENTS: 'sum(n)',
  INSTALLS: `sumIf(n, event_kind = 'install')`,
  SESSIONS: `sumIf(n, event_kind = 'session')`,
  PURCHASES: `sumIf(n, event_kind = 'purchase')`,
  REVENUE: `sumIf(${amount}, revenue_currency = {currency:String})`,
};

/**
 * Grain: app. Ordering key: app. Scan: projection by_minute over the window; with a country, the window's rows.
 */
function eventsQuery(metric: keyof typeof sums, byCountry: boolean): QueryDefinition<Params, z.output<typeof row>> {
  return defineQuery({
    name: `alerts_${metric.toLowerCase()}${byCountry ? '_by_country' : ''}`,
    sql: `
      SELECT toFloat64(${sums[metric]}) AS value
      FROM (
        SELECT event_kind, revenue_currency, campaign_id, count() AS n, sum(revenue_amount) AS amount
        FROM events
        WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND environment = 'production'
          AND toStartOfMinute(occurred_at) >= toDateTime(intDiv({fromMs:Int64}, 1000), 'UTC')
          AND toStartOfMinute(occurred_at) < toDateTime(intDiv({toMs:Int64}, 1000), 'UTC')
          AND ({campaignId:String} = '' OR campaign_id = {campaignId:String})
          ${byCountry ? 'AND country = {country:String}' : ''}
        GROUP BY event_kind, revenue_currency, campaign_id
      )`,
    params,
    row,
    timeoutMs: 20_000,
  });
}

/** Grain: app. Ordering key: app. Scan: the app's costs of the days. */
const spendQuery = defineQuery({
  name: 'alerts_spend',
  sql: `
    SELECT toFloat64(sum(cost)) AS value
    FROM (
      SELECT argMax(cost_amount, version) AS cost
      FROM costs_mirror
      WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND cost_currency = {currency:String}
        AND day >= toDate(toDateTime(intDiv({fromMs:Int64}, 1000), 'UTC')) AND day < toDate(toDateTime(intDiv({toMs:Int64}, 1000), 'UTC'))
        AND ({campaignId:String} = '' OR campaign_id = {campaignId:String})
      GROUP BY campaign_id, day
    )`,
  params,
  row,
  timeoutMs: 20_000,
});

export function createMetricReader(warehouse: Warehouse): MetricReader {
  return {
    async readMetric({ metric, window, campaignId, country, ...rest }, signal) {
      const query = metric === 'SPEND' ? spendQuery : eventsQuery(metric, country !== null);
      const given = { ...rest, ...window, campaignId: campaignId ?? '', country: country ?? '' };
      const [found] = await warehouse.query(query, given, signal ? { signal } : {});
      return found?.value ?? 0;
    },
  };
}
