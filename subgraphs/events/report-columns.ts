import { timeParam } from '@tributary/platform/warehouse';
import { type ReportDimension, type ReportMetric, reportDimension, reportMetric } from '@tributary/schema';
import type { ReportPlan } from './domain/report-plan.ts';

/**
 * The rows of a report, one SELECT per source, all of the same columns: app, bucket, dimensions, currency, day, measures.
 * A source fills its own and leaves the others empty, so that one UNION ALL holds them and one GROUP BY sums them.
 */

/** Columns of the tables that tell a dimension; those of the campaign's mirror are joined later. */
export const eventColumns: Partial<Readonly<Record<ReportDimension, string>>> = {
  AD_GROUP: 'adgroup_id',
  CREATIVE: 'creative_id',
  COUNTRY: 'country',
  PLATFORM: 'platform',
  APP_VERSION: 'app_version',
  OS_VERSION: 'os_version',
  DEVICE_MODEL: 'device_model',
  EVENT_NAME: 'event_name',
  EVENT_KIND: 'event_kind',
};
/** Told by the event of the install, not by its decision. */
export const installEventDimensions = ['APP_VERSION', 'OS_VERSION', 'DEVICE_MODEL'] as const;
/** Told by the engagement that won. */
export const winnerDimensions = ['AD_GROUP', 'CREATIVE'] as const;

/** Dimensions that come as a column of the rows. */
export function rowDimensions(plan: ReportPlan): readonly ReportDimension[] {
  return plan.columns.filter((one) => !['APP', 'CAMPAIGN', 'NETWORK', 'PARTNER'].includes(one));
}

/** Name of a filter's parameter. */
export const filterParam = (index: number): string => `filter${index}`;

/** Whether rows carry amounts, and thus their currency and day. */
export const money = (plan: ReportPlan) => plan.bases.some((metric) => reportMetric(metric).unit === 'money');

/** An expression that differs by the time zone of the row's app. */
function byZone(plan: ReportPlan, app: string, of: (zone: string) => string): string {
  const zones = zonesOf(plan);
  if (zones.length === 1) return of('{zone0:String}');
  const cases = zones
    .slice(1)
    .map((_, index) => `${app} IN {zoneApps${index + 1}:Array(String)}, ${of(`{zone${index + 1}:String}`)}`);
  return `multiIf(${cases.join(', ')}, ${of('{zone0:String}')})`;
}

/** Time zones of the report's apps, each once. */
export function zonesOf(plan: ReportPlan): readonly string[] {
  return [...new Set(plan.apps.map((one) => one.timezone))];
}

/** The date of a time in the time zone of its app. */
export const dateOf = (plan: ReportPlan, app: string, slot: string) =>
  byZone(plan, app, (zone) => `toDate(${slot}, ${zone})`);

/** The day whose rate converts a row; none where nothing is converted, or all rows would be grouped by day. */
export const rateDayOf = (plan: ReportPlan, slot: string) =>
  `if(revenue_currency IN ('', {currency:String}), toDate('1970-01-01'), ${dateOf(plan, 'app_id', slot)})`;

/** The bucket of a time, as the report shows it. */
export function bucketOf(plan: ReportPlan, app: string, slot: string): string {
  const instant = (text: string) => `formatDateTime(${text}, '%Y-%m-%dT%H:%i:00Z', 'UTC')`;
  switch (plan.grain) {
    case null:
      return "''";
    case 'MINUTE':
      return instant(`toStartOfMinute(${slot})`);
    case 'HOUR':
      return byZone(plan, app, (zone) => instant(`toStartOfHour(toTimeZone(${slot}, ${zone}))`));
    default:
      return dayBucketOf(plan, dateOf(plan, app, slot));
  }
}

/** The bucket of a date. */
export function dayBucketOf({ grain }: ReportPlan, day: string): string {
  if (grain === null) return "''";
  return grain === 'WEEK'
    ? `toString(toMonday(${day}))`
    : grain === 'MONTH'
      ? `toString(toStartOfMonth(${day}))`
      : `toString(${day})`;
}

/** Filters that a source's own columns answer; the rest waits for the campaign. */
export function pushed(plan: ReportPlan, columnOf: (dimension: ReportDimension) => string | undefined): string {
  return plan.filters
    .flatMap(({ dimension, exclude }, index) => {
      // What an unknown campaign's rows say of ad groups is left out later, so filters on them wait too.
      if (reportDimension(dimension).ofCampaign) return [];
      const column = dimension === 'APP' ? 'app_id' : columnOf(dimension);
      return column ? [`AND ${column} ${exclude ? 'NOT IN' : 'IN'} {${filterParam(index)}:Array(String)}`] : [];
    })
    .join(' ');
}

/** The columns of one source in the common order. */
export function columnsOf(
  plan: ReportPlan,
  own: {
    readonly app?: string;
    readonly bucket: string;
    readonly campaign?: string;
    readonly dimension?: (name: ReportDimension) => string | undefined;
    readonly currency?: string;
    readonly day?: string;
    readonly measures: Partial<Readonly<Record<ReportMetric, string>>>;
  },
): string {
  const empty = (metric: ReportMetric) =>
    metric === 'PEOPLE'
      ? "arrayReduce('uniqExactState', CAST([], 'Array(UInt128)'))"
      : reportMetric(metric).unit === 'money'
        ? 'toDecimal128(0, 6)'
        : metric.startsWith('CONVERSIONS')
          ? 'toFloat64(0)'
          : 'toUInt64(0)';
  return [
    `toString(${own.app ?? 'app_id'}) AS app`,
    `${own.bucket} AS bucket`,
    ...(plan.byCampaign ? [`toString(${own.campaign ?? "''"}) AS campaign`] : []),
    ...rowDimensions(plan).map((name) => `toString(${own.dimension?.(name) ?? "''"}) AS d_${name}`),
    ...(money(plan) ? [`toString(${own.currency ?? "''"}) AS cur`, `${own.day ?? "toDate('1970-01-01')"} AS day`] : []),
    ...plan.bases.map((metric) => `${own.measures[metric] ?? empty(metric)} AS m_${metric}`),
  ].join(', ');
}

/** Keys of a grouped source: everything but the measures. */
export function keysOf(plan: ReportPlan): string {
  return [
    'app',
    'bucket',
    ...(plan.byCampaign ? ['campaign'] : []),
    ...rowDimensions(plan).map((name) => `d_${name}`),
    ...(money(plan) ? ['cur', 'day'] : []),
  ].join(', ');
}

/** Rows of events that count. */
export const eventScope = `tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)} AND environment = 'production'`;
/** Times of the range, by the row. */
export const rowRange = `occurred_at >= ${timeParam('fromMs')} AND occurred_at < ${timeParam('toMs')}`;
