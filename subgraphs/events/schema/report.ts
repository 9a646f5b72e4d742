import {
  CodedError,
  type ReportDimension,
  type ReportGrain,
  type ReportMetric,
  ratePlanOf,
  reportLimits,
} from '@tributary/schema';
import {
  type ConnectionPageInfo,
  nobodysId,
  operationNow,
  ownCampaignIds,
  requireApp,
  type SubgraphContext,
  type SubgraphKit,
  type TimeRangeInput,
} from '../../src/kit.ts';
import type { SubgraphDeps } from '../../src/types.ts';
import { planReport, type ReportOrder, type ReportPlan } from '../domain/report-plan.ts';
import { reportRangeOf } from '../domain/report-range.ts';
import { parseReportCursor, type ReportReader, reportCursorOf, reportFingerprint } from '../report-reader.ts';
import { addReportEnums, addReportRow, type ReportEnums, type ReportNode, type ReportRefs } from './report-types.ts';

interface FilterInput {
  dimension: ReportDimension;
  in?: string[] | null | undefined;
  notIn?: string[] | null | undefined;
}
interface OrderInput {
  metric?: ReportMetric | null | undefined;
  dimension?: ReportDimension | null | undefined;
  time?: boolean | null | undefined;
  descending: boolean;
}

/** What is asked of a report, as its arguments say it. */
export interface ReportQuestion {
  readonly appIds: readonly string[];
  readonly metrics: readonly ReportMetric[];
  readonly dimensions: readonly ReportDimension[];
  readonly filters: readonly FilterInput[];
  readonly range: TimeRangeInput;
  readonly grain?: ReportGrain | null | undefined;
  readonly orderBy: readonly OrderInput[];
  readonly currency?: string | null | undefined;
  readonly lookbackDays: number;
}

interface ReportAnswer {
  readonly plan: ReportPlan;
  readonly edges: readonly { readonly cursor: string; readonly node: ReportNode }[];
  readonly pageInfo: ConnectionPageInfo;
}

function refuse(field: string, message: string): never {
  throw new CodedError('BAD_USER_INPUT', { message, details: { field } });
}

function orderOf({ metric, dimension, time, descending }: OrderInput): ReportOrder {
  const by = [metric, dimension, time ? ('TIME' as const) : null].filter((one) => one != null);
  const [only] = by;
  if (by.length !== 1 || only === undefined) refuse('orderBy', 'An order takes one of metric, dimension and time.');
  return { by: only, descending };
}

function filterOf({ dimension, in: values, notIn }: FilterInput) {
  if ((values == null) === (notIn == null)) refuse('filters', 'A filter takes in or notIn.');
  return { dimension, values: values ?? notIn ?? [], exclude: values == null };
}

/** What a partner may filter by: its own campaigns and itself. */
function ownFilter(
  context: SubgraphContext,
  { directory }: Pick<SubgraphDeps, 'directory'>,
  filter: ReturnType<typeof filterOf>,
) {
  const { partnerId } = context.caller;
  if (partnerId == null || filter.exclude) return filter;
  if (filter.dimension === 'CAMPAIGN') return { ...filter, values: ownCampaignIds(context, directory, filter.values) };
  if (filter.dimension !== 'PARTNER') return filter;
  return { ...filter, values: filter.values.map((id) => (id === partnerId ? id : nobodysId)) };
}

/**
 * The checked plan of what is asked, within the caller's apps, partner and rate plan. Throws NOT_FOUND for foreign apps,
 * BAD_USER_INPUT and RANGE_TOO_LARGE.
 */
export function reportPlanOf(
  deps: Pick<SubgraphDeps, 'directory' | 'clock'>,
  context: SubgraphContext,
  question: ReportQuestion,
  range?: ReportPlan['range'],
): ReportPlan {
  const { caller } = context;
  const nowMs = operationNow(context, deps.clock);
  if (question.appIds.length > reportLimits.apps) refuse('appIds', `appIds takes 1…${reportLimits.apps} apps.`);
  const apps = [...new Set(question.appIds)].map((id) => requireApp(context, deps.directory, id));
  return planReport(
    {
      tenantId: caller.tenantId,
      partnerId: caller.partnerId ?? null,
      apps: apps.map(({ appId, timezone, currency }) => ({ appId, timezone, currency })),
      metrics: question.metrics,
      dimensions: question.dimensions,
      filters: question.filters.map((filter) => ownFilter(context, deps, filterOf(filter))),
      range: range ?? reportRangeOf(question.range, nowMs),
      grain: question.grain ?? null,
      orderBy: question.orderBy.map(orderOf),
      currency: question.currency ?? null,
      lookbackDays: question.lookbackDays,
    },
    ratePlanOf(caller.ratePlan),
    nowMs,
  );
}

/** Inputs of a report, for the query and for exports. */
export function addReportInputs({ builder }: SubgraphKit, { Dimension, Metric }: ReportEnums) {
  const Filter = builder.inputRef<FilterInput>('ReportFilter').implement({
    description: 'Only rows whose dimension has one of the values (`in`), or none of them (`notIn`).',
    fields: (t) => ({
      dimension: t.field({ type: Dimension, required: true, description: 'Of which dimension.' }),
      in: t.stringList({
        description: `1…${reportLimits.filterValues} values; ids for entities, empty text for none.`,
      }),
      notIn: t.stringList({ description: `1…${reportLimits.filterValues} values.` }),
    }),
  });
  const Order = builder.inputRef<OrderInput>('ReportOrder').implement({
    description: 'By what rows are sorted: one of metric, dimension and time. Rows without a value come last.',
    fields: (t) => ({
      metric: t.field({ type: Metric, description: 'A metric of the report.' }),
      dimension: t.field({ type: Dimension, description: 'A dimension of the report, by its text or id.' }),
      time: t.boolean({ description: 'True: by time; needs a grain.' }),
      descending: t.boolean({ required: true, defaultValue: true, description: 'Largest first.' }),
    }),
  });
  return { Filter, Order };
}

export type ReportInputs = ReturnType<typeof addReportInputs>;

function addReportType(kit: SubgraphKit, enums: ReportEnums, refs: ReportRefs) {
  const { builder, PageInfo } = kit;
  const Row = addReportRow(kit, enums, refs);
  const Edge = builder.objectRef<ReportAnswer['edges'][number]>('ReportEdge').implement({
    description: 'One row of a page.',
    fields: (t) => ({
      cursor: t.string({
        description: 'Its place; good for this caller and this question only.',
        resolve: (edge) => edge.cursor,
      }),
      node: t.field({ type: Row, description: 'The row.', resolve: (edge) => edge.node }),
    }),
  });
  return builder.objectRef<ReportAnswer>('Report').implement({
    description: 'A page of a report; production events only.',
    fields: (t) => ({
      edges: t.field({ type: [Edge], description: 'Rows in order.', resolve: (answer) => [...answer.edges] }),
      pageInfo: t.field({ type: PageInfo, description: 'Where the page lies.', resolve: (answer) => answer.pageInfo }),
      from: t.field({
        type: 'DateTime',
        description: 'Begin of the range, inclusive.',
        resolve: ({ plan }) => plan.range.fromMs,
      }),
      to: t.field({
        type: 'DateTime',
        description: 'End of the range, exclusive.',
        resolve: ({ plan }) => plan.range.toMs,
      }),
      currency: t.string({
        description: 'Of all money of the report, ISO 4217.',
        resolve: ({ plan }) => plan.currency,
      }),
      grain: t.field({
        type: enums.Grain,
        nullable: true,
        description: 'Its buckets; null = none.',
        resolve: ({ plan }) => plan.grain,
      }),
    }),
  });
}

/** `Query.report`. Returns the enums and inputs, which exports take too. */
export function addReport(kit: SubgraphKit, deps: SubgraphDeps, reader: ReportReader, refs: ReportRefs) {
  const { builder, TimeRange } = kit;
  const enums = addReportEnums(kit);
  const inputs = addReportInputs(kit, enums);
  const Report = addReportType(kit, enums, refs);
  builder.queryField('report', (t) =>
    t.field({
      type: Report,
      description:
        'Any metric by any dimension, sorted and paged in the warehouse. Rows in which every metric is 0 are left out. Bounds of ranges, fields and pages are those of your plan.',
      args: {
        appIds: t.arg.idList({ required: true, description: `Which apps, 1…${reportLimits.apps}.` }),
        metrics: t.arg({ type: [enums.Metric], required: true, description: 'What to count; each once.' }),
        dimensions: t.arg({ type: [enums.Dimension], required: true, defaultValue: [], description: 'By what.' }),
        filters: t.arg({ type: [inputs.Filter], required: true, defaultValue: [], description: 'All must hold.' }),
        range: t.arg({
          type: TimeRange,
          required: true,
          description: 'When. Days of cost count where they begin in it.',
        }),
        grain: t.arg({ type: enums.Grain, description: 'One row per bucket of time; none = the whole range in one.' }),
        orderBy: t.arg({
          type: [inputs.Order],
          required: true,
          defaultValue: [],
          description: 'Default: by time if there is a grain, else by the first metric, largest first.',
        }),
        currency: t.arg.string({
          description: 'ISO 4217; default: that of the apps. Converted by the dated rates of your tenant.',
        }),
        lookbackDays: t.arg.int({
          required: true,
          defaultValue: 30,
          description: 'Touchpoints of this many days before a conversion count, 1…90.',
        }),
        first: t.arg.int({ required: true, defaultValue: 100, description: 'Rows, 1 to the bound of your plan.' }),
        after: t.arg.string({ description: 'Cursor of the last row seen; good for the same caller and question.' }),
      },
      resolve: async (_root, { first, after, ...question }, context) => {
        const { keyId, tenantId, partnerId, ratePlan } = context.caller;
        const fingerprint = reportFingerprint({ keyId }, [tenantId, partnerId ?? null, question]);
        const limit = ratePlanOf(ratePlan).pageRows;
        if (first < 1 || first > limit) refuse('first', `first takes 1…${limit}.`);
        const at = after ? parseReportCursor(after, fingerprint) : null;
        if (after && !at) refuse('after', 'That cursor is of another question or caller.');
        const plan = reportPlanOf(deps, context, question, at?.range);
        const offset = at?.offset ?? 0;
        const { rows, hasNextPage } = await reader.readReport(plan, { first, offset }, context.signal);
        return answerOf(plan, rows, { fingerprint, offset, hasNextPage });
      },
    }),
  );
  return { enums, inputs };
}

function answerOf(
  plan: ReportPlan,
  rows: readonly Omit<ReportNode, 'appId'>[],
  page: { readonly fingerprint: string; readonly offset: number; readonly hasNextPage: boolean },
): ReportAnswer {
  const appId = plan.apps.length === 1 ? (plan.apps[0]?.appId ?? null) : null;
  const edges = rows.map((row, index) => ({
    cursor: reportCursorOf(page.fingerprint, page.offset + index + 1, plan.range),
    node: { ...row, appId },
  }));
  return {
    plan,
    edges,
    pageInfo: {
      hasNextPage: page.hasNextPage,
      hasPreviousPage: page.offset > 0,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  };
}
