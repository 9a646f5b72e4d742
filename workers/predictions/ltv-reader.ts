import type { AgeObservation } from '@tributary/models';
import { defineQuery, timeParam, type Warehouse } from '@tributary/platform/warehouse';
import { z } from 'zod';

const dayMs = 86_400_000;

/** Purchases and ad revenue less refunds, in the app's currency, as a float: predictions are estimates, not accounts. */
const revenueRows = `
      SELECT device_key, toUnixTimestamp64Milli(occurred_at) AS at,
        toFloat64(if(event_kind = 'refund', -revenue_amount, revenue_amount)) AS amount
      FROM events
      WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND environment = 'production'
        AND event_kind IN ('purchase', 'ad_revenue', 'refund') AND revenue_currency = {currency:String}
        AND occurred_at >= ${timeParam('sinceMs')}`;

/** Installs in force (highest revision, verdict install) of one app since a time. */
const installsSince = (where: string) => `
      SELECT install_id, argMax(device_key, revision) AS device, argMax(verdict, revision) AS decided,
        toUnixTimestamp64Milli(argMax(installed_at, revision)) AS installed
      FROM install_attributions
      WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND installed_at >= ${timeParam('sinceMs')} ${where}
      GROUP BY install_id
      HAVING decided = 'install'`;

/** Which installs are scored again. */
const selections = {
  /** Decided in a span of time. */
  decided: `AND decided_at >= ${timeParam('fromMs')} AND decided_at <= ${timeParam('toMs')}`,
  /** Whose device's revenue events were stored in a span of time. */
  revenue: `AND device_key IN (
        SELECT device_key FROM events
        WHERE tenant_id = {tenantId:String} AND app_id = {appId:String}
          AND event_kind IN ('purchase', 'ad_revenue', 'refund')
          AND inserted_at > ${timeParam('fromMs')} AND inserted_at <= ${timeParam('toMs')})`,
  all: '',
} as const;
export type LtvSelection = keyof typeof selections;

const pageQuery = (selection: LtvSelection) =>
  defineQuery({
    name: `predictions_ltv_${selection}`,
    timeoutMs: 120_000,
    // Grain: install. Ordering key: app, install. Scan: decisions of the app since `sinceMs`, revenue rows of the page's devices.
    sql: `
    WITH page AS (${installsSince(`AND install_id > {afterId:String} ${selections[selection]}`)}
      ORDER BY install_id
      LIMIT {limit:UInt32}
    )
    SELECT page.install_id AS installId, toFloat64(any(page.installed)) AS installedAt,
      groupArrayIf((toFloat64(intDiv(paid.at - page.installed, ${dayMs})), paid.amount), paid.device_key != '' AND paid.at >= page.installed) AS payments
    FROM page
    LEFT JOIN (
      SELECT device_key, at, amount
      FROM (${revenueRows} AND device_key IN (SELECT device FROM page))
    ) AS paid ON paid.device_key = page.device
    GROUP BY page.install_id
    ORDER BY installId`,
    params: z.object({
      tenantId: z.string().min(1),
      appId: z.string().min(1),
      currency: z.string(),
      sinceMs: z.number(),
      fromMs: z.number(),
      toMs: z.number(),
      afterId: z.string(),
      limit: z.number(),
    }),
    row: z.object({
      installId: z.string(),
      installedAt: z.number(),
      /** [whole day of age, amount] */
      payments: z.array(z.tuple([z.number(), z.number()])),
    }),
  });

const pageQueries = {
  decided: pageQuery('decided'),
  revenue: pageQuery('revenue'),
  all: pageQuery('all'),
} as const;

export type LtvSubject = z.output<(typeof pageQueries)['all']['row']>;

const curveParams = z.object({
  tenantId: z.string().min(1),
  appId: z.string().min(1),
  currency: z.string(),
  sinceMs: z.number(),
  nowMs: z.number(),
});

/** Grain: day of age. Ordering key: app. Scan: the app's decisions. */
export const agesQuery = defineQuery({
  name: 'predictions_install_ages',
  timeoutMs: 120_000,
  sql: `
    SELECT toFloat64(intDiv({nowMs:Int64} - installed, ${dayMs})) AS day, toFloat64(count()) AS installs
    FROM (${installsSince('')}
    )
    WHERE installed <= {nowMs:Int64}
    GROUP BY day`,
  params: curveParams,
  row: z.object({ day: z.number(), installs: z.number() }),
});

/** Grain: day of age. Ordering key: app. Scan: the app's decisions and revenue rows; only days lived through whole. */
export const ageRevenueQuery = defineQuery({
  name: 'predictions_age_revenue',
  timeoutMs: 120_000,
  sql: `
    SELECT toFloat64(intDiv(paid.at - made.installed, ${dayMs})) AS day, sum(paid.amount) AS revenue
    FROM (${revenueRows}) AS paid
    INNER JOIN (${installsSince('')}) AS made ON made.device = paid.device_key
    WHERE paid.at >= made.installed AND made.installed + (day + 1) * ${dayMs} <= {nowMs:Int64}
    GROUP BY day`,
  params: curveParams,
  row: z.object({ day: z.number(), revenue: z.number() }),
});

export interface LtvScope {
  readonly tenantId: string;
  readonly appId: string;
  readonly currency: string;
  /** Installs and revenue from here on. Epoch ms. */
  readonly sinceMs: number;
}

export interface LtvReader {
  /** Up to `limit` installs in order of id, after `afterId` ('' = from the first). */
  readSubjects(
    scope: LtvScope,
    selection: LtvSelection,
    span: { readonly fromMs: number; readonly toMs: number },
    page: { readonly afterId: string; readonly limit: number },
  ): Promise<readonly LtvSubject[]>;
  /** What the app's installs brought by day of age, and how many installs of the scope there are. */
  readAges(
    scope: LtvScope,
    nowMs: number,
  ): Promise<{ readonly observations: readonly AgeObservation[]; readonly installs: number }>;
}

export function createLtvReader(warehouse: Warehouse): LtvReader {
  return {
    readSubjects: (scope, selection, span, page) =>
      warehouse.query(pageQueries[selection], { ...scope, ...span, ...page }),
    async readAges(scope, nowMs) {
      const [ages, revenue] = await Promise.all([
        warehouse.query(agesQuery, { ...scope, nowMs }),
        warehouse.query(ageRevenueQuery, { ...scope, nowMs }),
      ]);
      return {
        observations: observationsOf(ages, revenue),
        installs: ages.reduce((sum, row) => sum + row.installs, 0),
      };
    },
  };
}

/** An install of age `a` days lived through the days 0 … a−1. */
export function observationsOf(
  ages: readonly { readonly day: number; readonly installs: number }[],
  revenue: readonly { readonly day: number; readonly revenue: number }[],
): readonly AgeObservation[] {
  const oldest = ages.reduce((max, row) => Math.max(max, row.day), 0);
  const installsOfAge = new Map(ages.map((row) => [row.day, row.installs]));
  const revenueOfDay = new Map(revenue.map((row) => [row.day, row.revenue]));
  const observations: AgeObservation[] = [];
  for (let day = oldest - 1, installs = 0; day >= 0; day -= 1) {
    installs += installsOfAge.get(day + 1) ?? 0;
    observations.push({ day, installs, revenue: revenueOfDay.get(day) ?? 0 });
  }
  return observations.reverse();
}
