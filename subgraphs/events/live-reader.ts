import { defineQuery, timeParam, type Warehouse } from '@tributary/platform/warehouse';
import { trimDecimal } from '@tributary/schema';
import { z } from 'zod';
import type { LiveSnapshot, LiveWindow } from './domain/live.ts';
import { windowBounds } from './domain/live.ts';
import { minute, partnerParam, partnerWall, revenueKinds, signedAmount } from './events-sql.ts';
import type { WatchedApp } from './live-hub.ts';

const windowParams = {
  tenantId: z.string().min(1),
  appId: z.string().min(1),
  currency: z.string(),
  fromMs: z.number(),
  toMs: z.number(),
  ...partnerParam,
};

/** Grain: app. Ordering key: app. Scan: projection by_minute over the window. */
export const totalsQuery = defineQuery({
  name: 'events_live_totals',
  sql: `
    SELECT toFloat64(sum(n)) AS events, toFloat64(sumIf(n, event_kind = 'install')) AS installs,
      toFloat64(sumIf(n, event_kind = 'session')) AS sessions,
      toString(sumIf(${signedAmount}, revenue_currency = {currency:String})) AS revenue
    FROM (
      SELECT event_kind, revenue_currency, count() AS n, sum(revenue_amount) AS amount
      FROM events
      WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND environment = 'production'
        AND ${minute} >= toDateTime(intDiv({fromMs:Int64}, 1000), 'UTC') AND ${minute} < toDateTime(intDiv({toMs:Int64}, 1000), 'UTC')
        AND ${partnerWall()}
      GROUP BY event_kind, revenue_currency
    )`,
  params: z.object(windowParams),
  row: z.object({ events: z.number(), installs: z.number(), sessions: z.number(), revenue: z.string() }),
});

/**
 * Grain: app. Ordering key: app. Scan: granules whose inserted_at reaches into the last seconds (minmax index); all
 * environments' rows are stored, production counts.
 */
export const rateQuery = defineQuery({
  name: 'events_live_rate',
  sql: `
    SELECT toFloat64(count()) AS events
    FROM events
    WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND environment = 'production'
      AND inserted_at >= ${timeParam('fromMs')} AND received_at >= ${timeParam('fromMs')} AND received_at < ${timeParam('toMs')}
      AND ${partnerWall()}`,
  params: z.object({
    tenantId: z.string().min(1),
    appId: z.string().min(1),
    fromMs: z.number(),
    toMs: z.number(),
    ...partnerParam,
  }),
  row: z.object({ events: z.number() }),
});

/** The active decision of each install: its highest revision. */
const activeDecisions = (where: string) => `
      SELECT install_id, argMax(device_key, revision) AS device, argMax(campaign_id, revision) AS campaign,
        argMax(verdict, revision) AS decided, argMax(installed_at, revision) AS installed
      FROM install_attributions
      WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND ${where}
      GROUP BY install_id
      HAVING decided = 'install'`;

/**
 * Grain: campaign ('' = organic or undecided). Ordering key: app. Scan: the window's session and revenue rows, and the
 * decisions of their devices by bloom filter. Installs count by decision; sessions and revenue go to the campaign of the
 * device's latest install.
 */
export const campaignsQuery = defineQuery({
  name: 'events_live_campaigns',
  sql: `
    WITH active AS (
      SELECT device_key, countIf(event_kind = 'session') AS sessions,
        sumIf(${signedAmount.replaceAll('amount', 'revenue_amount')}, revenue_currency = {currency:String}) AS revenue
      FROM events
      WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND environment = 'production'
        AND occurred_at >= ${timeParam('fromMs')} AND occurred_at < ${timeParam('toMs')}
        AND (event_kind = 'session' OR event_kind IN ${revenueKinds})
      GROUP BY device_key
    )
    SELECT campaign AS campaignId, toFloat64(sum(installs)) AS installs, toFloat64(sum(sessions)) AS sessions,
      toString(sum(revenue)) AS revenue
    FROM (
      SELECT origin.campaign AS campaign, 0 AS installs, active.sessions AS sessions, active.revenue AS revenue
      FROM active
      LEFT JOIN (
        SELECT device, argMax(campaign, installed) AS campaign
        FROM (${activeDecisions(`installed_at >= ${timeParam('lookbackMs')} AND device_key IN (SELECT device_key FROM active)`)})
        GROUP BY device
      ) AS origin ON origin.device = active.device_key
      UNION ALL
      SELECT campaign, 1 AS installs, 0 AS sessions, toDecimal128(0, 6) AS revenue
      FROM (${activeDecisions(`installed_at >= ${timeParam('fromMs')} AND installed_at < ${timeParam('toMs')}`)})
    )
    WHERE ${partnerWall('campaign')}
    GROUP BY campaign
    ORDER BY campaign`,
  params: z.object({ ...windowParams, lookbackMs: z.number() }),
  row: z.object({ campaignId: z.string(), installs: z.number(), sessions: z.number(), revenue: z.string() }),
});

/** Over how many seconds `eventsPerSecond` is the mean. */
export const rateSeconds = 10;
/** An install older than this no longer names the campaign of its device's sessions. */
const installLookbackMs = 400 * 86_400_000;

export interface LiveReader {
  /** The window as it is now. Rows hold raw campaign ids; null for organic, undecided or none. */
  readSnapshot(request: {
    readonly tenantId: string;
    readonly app: WatchedApp;
    readonly window: LiveWindow;
    readonly nowMs: number;
    readonly signal?: AbortSignal;
  }): Promise<LiveSnapshot>;
}

export function createLiveReader(warehouse: Warehouse): LiveReader {
  return {
    async readSnapshot({ tenantId, app, window, nowMs, signal }) {
      const bounds = windowBounds(window, nowMs, app.timezone);
      const key = { tenantId, appId: app.appId, partnerId: app.partnerId ?? '' };
      const scope = { ...key, currency: app.currency, ...bounds };
      const options = signal ? { signal } : {};
      const [totals, rate, rows] = await Promise.all([
        warehouse.query(totalsQuery, scope, options),
        warehouse.query(rateQuery, { ...key, fromMs: nowMs - rateSeconds * 1_000, toMs: nowMs + 1_000 }, options),
        warehouse.query(campaignsQuery, { ...scope, lookbackMs: nowMs - installLookbackMs }, options),
      ]);
      const money = (amount: string) => ({ amount: trimDecimal(amount), currency: app.currency });
      const total = totals[0] ?? { events: 0, installs: 0, sessions: 0, revenue: '0' };
      return {
        appId: app.appId,
        window,
        from: bounds.fromMs,
        at: nowMs,
        totals: { ...total, revenue: money(total.revenue), eventsPerSecond: (rate[0]?.events ?? 0) / rateSeconds },
        rows: rows.map((row) => ({
          campaignId: row.campaignId === '' ? null : row.campaignId,
          installs: row.installs,
          sessions: row.sessions,
          revenue: money(row.revenue),
        })),
      };
    },
  };
}
