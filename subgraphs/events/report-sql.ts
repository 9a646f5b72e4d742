import { fraudModel } from '@tributary/models';
import { defineQuery, type QueryDefinition } from '@tributary/platform/warehouse';
import {
  type ReportDimension,
  type ReportMetric,
  reportDimension,
  reportFieldName,
  reportMetric,
} from '@tributary/schema';
import { z } from 'zod';
import { fraudFrom, suspectFrom } from '../predictions/domain/fraud-verdict.ts';
import { daysBegunIn } from '../src/days.ts';
import { type ReportPlan, restColumn } from './domain/report-plan.ts';
import { sliceRange } from './domain/slices.ts';
import { partnerCampaigns } from './events-sql.ts';
import { filterParam, zonesOf } from './report-columns.ts';
import { slotMsOf } from './report-event-facts.ts';
import { factsOf } from './report-facts.ts';

/**
 * A report as one parameterised statement. Grain: the report's dimensions and bucket. Ordering key: app of each table.
 * Scan: projections of `events` where nothing but their keys is asked, else the columns asked of the range's rows; decisions,
 * costs and journeys of the range.
 */

/** An installed device's campaign is looked for this far back, as everywhere. */
const installLookbackMs = 400 * 86_400_000;

export const reportTimeoutMs = 20_000;
export const reportMemoryBytes = 700_000_000;

type Row = Readonly<Record<string, unknown>>;
type Params = Record<string, unknown>;

export interface ReportStatement {
  readonly sql: string;
  readonly params: Params;
}

const isMoney = (metric: ReportMetric) => reportMetric(metric).unit === 'money';

/** The expression of a dimension over facts `f` with the campaign `c` of the mirror, where it was joined. */
function dimensionSql(name: ReportDimension): string {
  const known = "c.campaign_id != ''";
  switch (name) {
    case 'APP':
      return 'f.app';
    case 'CAMPAIGN':
      return `if(${known}, f.campaign, '')`;
    case 'NETWORK':
      return 'toString(c.network)';
    case 'PARTNER':
      return 'c.partner';
    case 'AD_GROUP':
    case 'CREATIVE':
      return `if(${known}, f.d_${name}, '')`;
    default:
      return `f.d_${name}`;
  }
}

/** Filters on what the campaign tells; the others were pushed down to the rows. The partner's wall is the first of them. */
function campaignFilters(plan: ReportPlan): string {
  const filters = plan.filters.flatMap(({ dimension, exclude }, index) =>
    reportDimension(dimension).ofCampaign
      ? [`AND ${dimensionSql(dimension)} ${exclude ? 'NOT IN' : 'IN'} {${filterParam(index)}:Array(String)}`]
      : [],
  );
  const wall = plan.partnerId === null ? '1' : `f.campaign IN ${partnerCampaigns}`;
  return `${wall} ${filters.join(' ')}`;
}

/** Dated rates into the report's currency: as given, else the inverse of the opposite pair. */
const rates = `
      SELECT currency, rate_day, argMax(if(direct, toDecimal256(rate_, 12), divideDecimal(toDecimal256(1, 12), toDecimal256(if(direct, 1, rate_), 12), 12)), direct) AS factor
      FROM (
        SELECT to_currency = {currency:String} AS direct, if(direct, from_currency, to_currency) AS currency,
          fx_rates_mirror.day AS rate_day, argMax(rate, version) AS rate_
        FROM fx_rates_mirror
        WHERE tenant_id = {tenantId:String} AND fx_rates_mirror.day < {ratesTo:Date}
          AND (to_currency = {currency:String} OR from_currency = {currency:String} AND rate > 0)
        GROUP BY direct, currency, rate_day
      )
      GROUP BY currency, rate_day`;

function measureSql(metric: ReportMetric): string {
  if (metric === 'PEOPLE') return `uniqExactMerge(f.m_PEOPLE) AS v_PEOPLE`;
  if (!isMoney(metric)) return `sum(f.m_${metric}) AS v_${metric}`;
  const amount = `f.m_${metric}`;
  return `sum(multiIf(f.cur IN ('', {currency:String}), toDecimal256(${amount}, 6),
          r.factor > 0, multiplyDecimal(toDecimal256(${amount}, 6), r.factor, 6), toDecimal256(0, 6))) AS v_${metric},
        sumMap(if(f.cur IN ('', {currency:String}) OR r.factor > 0 OR ${amount} = 0, CAST(map(), 'Map(String, Decimal(38, 6))'), map(f.cur, ${amount}))) AS rest_${metric}`;
}

/** A derived metric over summed ones; null without a divisor, or where an amount lacks its rate. */
function quotientSql(metric: ReportMetric): string {
  const parts = reportMetric(metric).quotient;
  if (!parts) return `v_${metric}`;
  const [of, by] = [parts.of as ReportMetric, parts.by as ReportMetric];
  const unknown = [of, by]
    .filter(isMoney)
    .map((name) => `notEmpty(mapKeys(rest_${name})) OR`)
    .join(' ');
  const value =
    reportMetric(metric).unit === 'money'
      ? `divideDecimal(v_${of} * ${parts.times ?? 1}, toDecimal256(v_${by}, 6), 6)`
      : `toFloat64(v_${of}) / toFloat64(v_${by})`;
  return `if(${unknown} v_${by} = 0, NULL, ${value})`;
}

function joined(plan: ReportPlan): string {
  const facts = plan.sources.map((source) => factsOf(plan, source)).join('\n      UNION ALL');
  const withMoney = plan.bases.some(isMoney);
  const campaigns = `
      SELECT app_id, campaign_id, argMax(network, version) AS network, argMax(partner_id, version) AS partner
      FROM campaigns_mirror WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)}
      GROUP BY app_id, campaign_id`;
  return `(${facts}
    ) AS f
    ${plan.byCampaign ? `LEFT JOIN (${campaigns}) AS c ON c.app_id = f.app AND c.campaign_id = f.campaign` : ''}
    ${withMoney ? `ASOF LEFT JOIN (${rates}) AS r ON r.currency = f.cur AND f.day >= r.rate_day` : ''}`;
}

/** Money as text, counts and ratios as floats; null stays null. */
const shown = (metric: ReportMetric) =>
  isMoney(metric) ? `toString(${quotientSql(metric)})` : `toFloat64(${quotientSql(metric)})`;

function orderSql(plan: ReportPlan): string {
  const column = (by: string) =>
    by === 'TIME' ? 'bucket' : by in columnNames(plan) ? `g_${by}` : quotientSql(by as ReportMetric);
  const asked = plan.orderBy.map(({ by, descending }) => `${column(by)} ${descending ? 'DESC' : 'ASC'} NULLS LAST`);
  const usual =
    plan.grain !== null
      ? ['bucket ASC']
      : plan.metrics.slice(0, 1).map((metric) => `${quotientSql(metric)} DESC NULLS LAST`);
  // The dimensions last make the order total, so that pages neither repeat nor miss a row.
  const rest = [...(plan.grain === null ? [] : ['bucket']), ...plan.dimensions.map((name) => `g_${name}`)];
  return [...(asked.length > 0 ? asked : usual), ...rest].join(', ');
}

/** A source's rows may hold nothing of what is asked (a reinstall adds no install): such groups are not shown. */
function somethingThere({ bases }: ReportPlan): string {
  return bases
    .map((base) => `v_${base} != 0${isMoney(base) ? ` OR notEmpty(mapKeys(rest_${base}))` : ''}`)
    .join(' OR ');
}

const columnNames = (plan: ReportPlan) => Object.fromEntries(plan.dimensions.map((name) => [name, true]));

/** The rows of a report in order, without bounds: what pages and exports share. A file tells its currency in each row. */
export function reportSql(plan: ReportPlan, options: { readonly withCurrency?: boolean } = {}): ReportStatement {
  const groups = [...(plan.grain === null ? [] : ['bucket']), ...plan.dimensions.map((name) => `g_${name}`)];
  const sql = `
    SELECT ${[
      ...(plan.grain === null ? [] : ['bucket AS time']),
      ...plan.dimensions.map((name) => `g_${name} AS ${reportFieldName(name)}`),
      ...plan.metrics.map((metric) => `${shown(metric)} AS ${reportFieldName(metric)}`),
      ...plan.metrics
        .filter((metric) => isMoney(metric) && !reportMetric(metric).quotient)
        .map((metric) => `rest_${metric} AS ${restColumn(metric)}`),
      ...(options.withCurrency ? ['{currency:String} AS currency'] : []),
    ].join(', ')}
    FROM (
      SELECT ${[
        ...(plan.grain === null ? [] : ['f.bucket AS bucket']),
        ...plan.dimensions.map((name) => `${dimensionSql(name)} AS g_${name}`),
        ...plan.bases.map(measureSql),
      ].join(', ')}
      FROM ${joined(plan)}
      WHERE ${campaignFilters(plan)}
      ${groups.length > 0 ? `GROUP BY ${groups.join(', ')} HAVING ${somethingThere(plan)}` : ''}
    )
    ORDER BY ${orderSql(plan)}`;
  return { sql, params: paramsOf(plan) };
}

function paramsOf(plan: ReportPlan): Params {
  const zones = zonesOf(plan);
  const { fromMs, toMs } = plan.range;
  return {
    tenantId: plan.tenantId,
    partnerId: plan.partnerId ?? '',
    appIds: plan.apps.map((app) => app.appId),
    fromMs,
    toMs,
    lookbackMs: fromMs - installLookbackMs,
    lookbackDays: plan.lookbackDays,
    currency: plan.currency,
    ratesTo: new Date(toMs + 2 * 86_400_000).toISOString().slice(0, 10),
    fraudModel: fraudModel.name,
    suspectFrom,
    fraudFrom,
    ...sliceRange(fromMs, toMs, slotMsOf(plan)),
    ...Object.fromEntries(plan.filters.map((filter, index) => [filterParam(index), [...filter.values]])),
    ...Object.fromEntries(
      zones.flatMap((zone, index) => {
        const days = daysBegunIn(plan.range, zone);
        return [
          [`zone${index}`, zone],
          [`zoneApps${index}`, plan.apps.filter((app) => app.timezone === zone).map((app) => app.appId)],
          [`fromDay${index}`, days.from],
          [`toDay${index}`, days.to],
        ];
      }),
    ),
  };
}

/** One row as the statement gives it: texts of dimensions, floats, decimal texts, amounts without a rate by currency. */
export function reportRowSchema(plan: ReportPlan): z.ZodType<Row> {
  const field = (metric: ReportMetric) => (isMoney(metric) ? z.string().nullable() : z.number().nullable());
  return z.object({
    ...(plan.grain === null ? {} : { time: z.string() }),
    ...Object.fromEntries(plan.dimensions.map((name) => [reportFieldName(name), z.string()])),
    ...Object.fromEntries(plan.metrics.map((metric) => [reportFieldName(metric), field(metric)])),
    ...Object.fromEntries(
      plan.metrics
        .filter((metric) => isMoney(metric) && !reportMetric(metric).quotient)
        .map((metric) => [restColumn(metric), z.record(z.string(), z.string())]),
    ),
  });
}

/** A page of a report as a named query. */
export function reportQuery(plan: ReportPlan): {
  readonly definition: QueryDefinition<Params, Row>;
  readonly params: Params;
} {
  const { sql, params } = reportSql(plan);
  const definition = defineQuery<Params, Row>({
    name: 'events_report',
    // Devices stay the side of the join that is kept in memory; the engine would take the events where they are fewer.
    sql: `${sql}\n    LIMIT {limit:UInt32} OFFSET {offset:UInt64}\n    SETTINGS query_plan_join_swap_table = 'false'`,
    params: z.record(z.string(), z.unknown()),
    row: reportRowSchema(plan),
    timeoutMs: reportTimeoutMs,
    maxMemoryBytes: reportMemoryBytes,
  });
  return { definition, params };
}
