import {
  baseMetricsOf,
  CodedError,
  type RatePlan,
  type ReportDimension,
  type ReportGrain,
  type ReportMetric,
  type ReportSource,
  reportDimension,
  reportFieldName,
  reportLimits,
  reportMetric,
} from '@tributary/schema';
import { daysOf } from './calendar.ts';

/** A report as asked for, its apps found and its times known. */
export interface ReportRequest {
  readonly tenantId: string;
  /** Set: only rows of this partner's campaigns. */
  readonly partnerId: string | null;
  readonly apps: readonly ReportApp[];
  readonly metrics: readonly ReportMetric[];
  readonly dimensions: readonly ReportDimension[];
  readonly filters: readonly ReportFilter[];
  /** UTC epoch ms; `fromMs` inclusive, `toMs` exclusive. */
  readonly range: { readonly fromMs: number; readonly toMs: number };
  readonly grain: ReportGrain | null;
  readonly orderBy: readonly ReportOrder[];
  /** null = that of the apps. */
  readonly currency: string | null;
  /** Touchpoints of this many days before a conversion count. */
  readonly lookbackDays: number;
}

export interface ReportApp {
  readonly appId: string;
  readonly timezone: string;
  readonly currency: string;
}

export interface ReportFilter {
  readonly dimension: ReportDimension;
  readonly values: readonly string[];
  /** True: rows with none of the values. */
  readonly exclude: boolean;
}

export interface ReportOrder {
  /** A metric or dimension of the report, or its time. */
  readonly by: ReportMetric | ReportDimension | 'TIME';
  readonly descending: boolean;
}

/** What the SQL is made of. */
export interface ReportPlan extends ReportRequest {
  readonly currency: string;
  /** Base metrics that rows must hold, in the order of the catalogue's need. */
  readonly bases: readonly ReportMetric[];
  /** Sources that are read, in a fixed order. */
  readonly sources: readonly ReportSource[];
  /** Dimensions of the columns: those shown, and those filtered by after attribution. */
  readonly columns: readonly ReportDimension[];
  /** Whether rows need their campaign. */
  readonly byCampaign: boolean;
}

const dayMs = 86_400_000;
const grainMs = { MINUTE: 60_000, HOUR: 3_600_000 } as const;
const sourceOrder: readonly ReportSource[] = [
  'activity',
  'people',
  'engagements',
  'installs',
  'cost',
  'conversions',
  'fraud',
];

function refuse(field: string, message: string, details: Record<string, unknown> = {}): never {
  throw new CodedError('BAD_USER_INPUT', { message, details: { field, ...details } });
}
function beyond(field: string, message: string, limit: number): never {
  throw new CodedError('RANGE_TOO_LARGE', { message, details: { field, limit } });
}

/**
 * Checks a report against the catalogue and the caller's plan, and says what has to be read. Throws BAD_USER_INPUT for
 * what can't be asked, RANGE_TOO_LARGE for what is beyond the plan.
 */
export function planReport(request: ReportRequest, ratePlan: RatePlan, nowMs: number): ReportPlan {
  checkLists(request, ratePlan);
  checkTimes(request, ratePlan, nowMs);
  const bases = distinct(request.metrics.flatMap(baseMetricsOf));
  const wanted = new Set(bases.map((metric) => reportMetric(metric).source));
  const sources = sourceOrder.filter((source) => wanted.has(source));
  const used = distinct([...request.dimensions, ...request.filters.map((filter) => filter.dimension)]);
  for (const dimension of used) checkKnown(dimension, sources, bases);
  if (sources.includes('cost') && (request.grain === 'MINUTE' || request.grain === 'HOUR')) {
    refuse('grain', 'Cost comes by the day: ask for it by DAY, WEEK or MONTH.');
  }
  const ofCampaign = used.filter((dimension) => reportDimension(dimension).ofCampaign);
  return {
    ...request,
    currency: currencyOf(request),
    bases,
    sources,
    columns: distinct([...request.dimensions, ...ofCampaign]),
    // Organic and attributed installs are told apart by the decision itself; a partner sees rows by their campaign.
    byCampaign: ofCampaign.length > 0 || request.partnerId !== null,
  };
}

const distinct = <T>(values: readonly T[]): readonly T[] => [...new Set(values)];

function checkLists(
  { apps, metrics, dimensions, filters, orderBy, lookbackDays, grain }: ReportRequest,
  plan: RatePlan,
) {
  if (apps.length < 1 || apps.length > reportLimits.apps) refuse('appIds', `appIds takes 1…${reportLimits.apps} apps.`);
  if (metrics.length < 1 || metrics.length > reportLimits.metrics) {
    refuse('metrics', `metrics takes 1…${reportLimits.metrics}.`);
  }
  if (new Set(metrics).size < metrics.length) refuse('metrics', 'A metric is named once.');
  if (new Set(dimensions).size < dimensions.length) refuse('dimensions', 'A dimension is named once.');
  const fields = metrics.length * Math.max(1, dimensions.length);
  if (fields > plan.reportFields) {
    refuse('metrics', `Metrics × dimensions are ${fields}; your plan allows ${plan.reportFields}.`, {
      limit: plan.reportFields,
    });
  }
  if (filters.length > reportLimits.filters) refuse('filters', `filters takes at most ${reportLimits.filters}.`);
  for (const { values, dimension } of filters) {
    if (values.length >= 1 && values.length <= reportLimits.filterValues) continue;
    refuse(
      'filters',
      `A filter takes 1…${reportLimits.filterValues} values; that of ${dimension} has ${values.length}.`,
      {
        limit: reportLimits.filterValues,
      },
    );
  }
  if (orderBy.length > reportLimits.orderBy) refuse('orderBy', `orderBy takes at most ${reportLimits.orderBy}.`);
  const sortable = new Set<string>([...metrics, ...dimensions, ...(grain === null ? [] : ['TIME'])]);
  for (const { by } of orderBy) {
    if (!sortable.has(by)) refuse('orderBy', `The report is ordered by ${by}, which it doesn't show.`);
  }
  if (!Number.isInteger(lookbackDays) || lookbackDays < 1 || lookbackDays > 90) {
    refuse('lookbackDays', 'lookbackDays takes 1…90.');
  }
}

function checkTimes({ range, grain, apps }: ReportRequest, plan: RatePlan, nowMs: number): void {
  if (range.toMs <= range.fromMs) refuse('range', 'A range must end after it begins.');
  if (range.toMs - range.fromMs > plan.rangeDays * dayMs) {
    beyond('range', `The range spans more than ${plan.rangeDays} days, the bound of your plan.`, plan.rangeDays);
  }
  // A day of slack: a range that began at midnight is not refused at noon.
  if (range.fromMs < nowMs - (plan.lookBackDays + 1) * dayMs) {
    beyond(
      'range',
      `The range begins more than ${plan.lookBackDays} days ago, the bound of your plan.`,
      plan.lookBackDays,
    );
  }
  if (grain === null) return;
  const points =
    grain === 'MINUTE' || grain === 'HOUR'
      ? Math.ceil((range.toMs - range.fromMs) / grainMs[grain])
      : daysOf(range.fromMs, range.toMs, apps[0]?.timezone ?? 'UTC').length;
  if (points > plan.seriesPoints) {
    beyond('grain', `That grain makes ${points} points; your plan allows ${plan.seriesPoints}.`, plan.seriesPoints);
  }
}

function checkKnown(
  dimension: ReportDimension,
  sources: readonly ReportSource[],
  bases: readonly ReportMetric[],
): void {
  const known = reportDimension(dimension).sources;
  const stranger = sources.find((source) => !known.includes(source));
  if (stranger === undefined) return;
  const metrics = bases.filter((metric) => reportMetric(metric).source === stranger);
  refuse('dimensions', `${metrics.join(', ')} can't be told by ${dimension}.`, { dimension, metrics });
}

function currencyOf({ currency, apps }: ReportRequest): string {
  if (currency !== null) {
    if (!/^[A-Z]{3}$/.test(currency)) refuse('currency', 'currency takes an ISO 4217 code.');
    return currency;
  }
  const [first, ...others] = distinct(apps.map((app) => app.currency));
  if (others.length > 0) refuse('currency', 'These apps have different currencies: say in which to report.');
  return first ?? 'USD';
}

/** The column in which a metric's amounts of currencies without a rate come. */
export const restColumn = (metric: ReportMetric): string => `${reportFieldName(metric)}Rest`;
