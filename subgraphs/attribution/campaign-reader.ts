import { defineQuery, timeParam, type Warehouse } from '@tributary/platform/warehouse';
import { type DirectoryApp, trimDecimal } from '@tributary/schema';
import { z } from 'zod';
import { daysBegunIn } from '../src/days.ts';
import type { TimeBounds } from '../src/kit.ts';
import { activeDecisions, isPartners, partnerParam, partnerWall, signedRevenue } from './attribution-sql.ts';
import type { ConversionPath } from './domain/index.ts';

const rangeParams = {
  tenantId: z.string().min(1),
  appId: z.string().min(1),
  fromMs: z.number(),
  toMs: z.number(),
  ...partnerParam,
};

/** Grain: campaign ('' = organic). Ordering key: app. Scan: decisions of the app, cut to the range's months. */
export const installCountsQuery = defineQuery({
  name: 'attribution_install_counts',
  sql: `
    SELECT campaign AS campaignId, toFloat64(countIf(decided = 'install')) AS installs, toFloat64(countIf(decided = 'reinstall')) AS reinstalls
    FROM (${activeDecisions(`installed_at >= ${timeParam('fromMs')} AND installed_at < ${timeParam('toMs')}`)})
    WHERE ${partnerWall()}
    GROUP BY campaign`,
  params: z.object(rangeParams),
  row: z.object({ campaignId: z.string(), installs: z.number(), reinstalls: z.number() }),
});

/**
 * Grain: campaign. Ordering key: app. Scan: revenue rows of the range, and the decisions of their devices. Revenue goes to
 * the campaign of the device's latest new install, whenever that was; a reinstall takes it from nobody, as in live views.
 */
export const revenueQuery = defineQuery({
  name: 'attribution_campaign_revenue',
  sql: `
    WITH paying AS (
      SELECT device_key, sumIf(${signedRevenue}, revenue_currency = {currency:String}) AS revenue
      FROM events
      WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND environment = 'production'
        AND occurred_at >= ${timeParam('fromMs')} AND occurred_at < ${timeParam('toMs')}
        AND event_kind IN ('purchase', 'ad_revenue', 'refund')
      GROUP BY device_key
    )
    SELECT origin.campaign AS campaignId, toString(sum(paying.revenue)) AS revenue
    FROM paying
    INNER JOIN (
      SELECT device, argMax(campaign, installed) AS campaign
      FROM (${activeDecisions(`installed_at >= ${timeParam('lookbackMs')} AND device_key IN (SELECT device_key FROM paying)`)}
        HAVING decided = 'install')
      GROUP BY device
    ) AS origin ON origin.device = paying.device_key
    WHERE ${partnerWall('origin.campaign')}
    GROUP BY origin.campaign`,
  params: z.object({ ...rangeParams, currency: z.string(), lookbackMs: z.number() }),
  row: z.object({ campaignId: z.string(), revenue: z.string() }),
});

/** Grain: campaign. Ordering key: tenant, app, campaign, day. Scan: the app's cost rows. Latest version of each row counts. */
export const spendQuery = defineQuery({
  name: 'attribution_campaign_spend',
  sql: `
    SELECT campaignId, toString(sum(cost)) AS spend
    FROM (
      SELECT campaign_id AS campaignId, day, argMax(cost_amount, version) AS cost
      FROM costs_mirror
      WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND cost_currency = {currency:String}
        AND day >= {fromDay:Date} AND day < {toDay:Date} AND ${partnerWall('campaign_id')}
      GROUP BY campaign_id, day
    )
    GROUP BY campaignId`,
  params: z.object({
    tenantId: z.string().min(1),
    appId: z.string().min(1),
    currency: z.string(),
    fromDay: z.string(),
    toDay: z.string(),
    ...partnerParam,
  }),
  row: z.object({ campaignId: z.string(), spend: z.string() }),
});

/** A path as a partner may see it: others' campaigns are there, since they share the credit, but not by name. */
const maskedPath = `if({partnerId:String} = '', whole_path,
        arrayMap(campaign -> if(${isPartners('campaign')}, campaign, '-'), whole_path))`;

/**
 * Grain: path of campaigns. Ordering key: app, conversion time. Scan: the range's journeys. The highest revision of a
 * conversion counts; touches outside the lookback or without a campaign leave the path.
 */
export const pathsQuery = defineQuery({
  name: 'attribution_conversion_paths',
  sql: `
    SELECT path, toFloat64(count()) AS conversions, toString(sumIf(amount, unit = {currency:String})) AS value
    FROM (
      SELECT ${maskedPath} AS path, converted, amount, unit
      FROM (
      SELECT arrayFilter(
          (campaign, at) -> campaign != '' AND at >= converted - toIntervalDay({lookbackDays:UInt16}) AND at <= converted,
          argMax(touch_campaign_ids, revision), argMax(touch_at, revision)
        ) AS whole_path,
        max(converted_at) AS converted, argMax(value_amount, revision) AS amount, argMax(value_currency, revision) AS unit
      FROM journeys
      WHERE tenant_id = {tenantId:String} AND app_id = {appId:String}
        AND converted_at >= ${timeParam('fromMs')} AND converted_at < ${timeParam('toMs')}
        AND ({goal:String} = '' OR goal = {goal:String})
      GROUP BY conversion_id
      )
      WHERE {partnerId:String} = '' OR arrayExists(campaign -> ${isPartners('campaign')}, whole_path)
    )
    GROUP BY path`,
  params: z.object({ ...rangeParams, currency: z.string(), lookbackDays: z.number(), goal: z.string() }),
  row: z.object({ path: z.array(z.string()), conversions: z.number(), value: z.string() }),
});

export interface InstallCounts {
  readonly installs: number;
  readonly reinstalls: number;
}

export interface CampaignFiguresRequest {
  readonly tenantId: string;
  readonly app: DirectoryApp;
  readonly range: TimeBounds;
  /** '' = no partner's: all rows. */
  readonly partnerId: string;
}

/** All answers are by campaign id; '' stands for organic. Amounts are decimal texts in the app's currency. */
export interface CampaignReader {
  readInstallCounts(request: CampaignFiguresRequest): Promise<ReadonlyMap<string, InstallCounts>>;
  readRevenue(request: CampaignFiguresRequest): Promise<ReadonlyMap<string, string>>;
  /** Days whose midnight in the app's time zone lies in the range, as in the campaigns subgraph. */
  readSpend(request: CampaignFiguresRequest): Promise<ReadonlyMap<string, string>>;
  readPaths(
    request: CampaignFiguresRequest & { readonly lookbackDays: number; readonly goal: string | null },
  ): Promise<readonly ConversionPath[]>;
}

/** An install older than this no longer names the campaign of its device's revenue. */
const installLookbackMs = 400 * 86_400_000;

export function createCampaignReader(warehouse: Warehouse): CampaignReader {
  const scopeOf = ({ tenantId, app, range, partnerId }: CampaignFiguresRequest) => ({
    tenantId,
    appId: app.appId,
    partnerId,
    ...range,
  });
  return {
    async readInstallCounts(request) {
      const rows = await warehouse.query(installCountsQuery, scopeOf(request));
      return new Map(rows.map(({ campaignId, ...counts }) => [campaignId, counts]));
    },
    async readRevenue(request) {
      const rows = await warehouse.query(revenueQuery, {
        ...scopeOf(request),
        currency: request.app.currency,
        lookbackMs: request.range.fromMs - installLookbackMs,
      });
      return new Map(rows.map((row) => [row.campaignId, trimDecimal(row.revenue)]));
    },
    async readSpend({ tenantId, app, range, partnerId }) {
      const days = daysBegunIn(range, app.timezone);
      const rows = await warehouse.query(spendQuery, {
        tenantId,
        appId: app.appId,
        currency: app.currency,
        fromDay: days.from,
        toDay: days.to,
        partnerId,
      });
      return new Map(rows.map((row) => [row.campaignId, trimDecimal(row.spend)]));
    },
    async readPaths(request) {
      const { lookbackDays, goal } = request;
      const rows = await warehouse.query(pathsQuery, {
        ...scopeOf(request),
        currency: request.app.currency,
        lookbackDays,
        goal: goal ?? '',
      });
      return rows.map(({ path, ...sums }) => ({ campaignIds: path, ...sums }));
    },
  };
}
