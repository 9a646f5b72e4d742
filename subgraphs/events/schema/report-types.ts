import {
  type ReportDimension,
  type ReportGrain,
  type ReportMetric,
  reportDimension,
  reportDimensionNames,
  reportFieldName,
  reportGrains,
  reportMetric,
  reportMetricNames,
} from '@tributary/schema';
import type { IdReference, SubgraphKit, TypeRef } from '../../src/kit.ts';
import type { ReportAmount, ReportRow } from '../report-reader.ts';

export interface ReportNode extends ReportRow {
  /** Set when the report is of one app only, which then is each row's. */
  readonly appId: string | null;
}

export interface ReportRefs {
  readonly App: TypeRef<IdReference>;
  readonly Campaign: TypeRef<IdReference>;
  readonly Partner: TypeRef<IdReference>;
}

const units = { count: 'A count.', money: 'Money, in the currency of the report.', ratio: 'A ratio.' } as const;

type EnumValues<T extends string> = Record<T, { description: string }>;

/** The enums of the catalogue. */
export function addReportEnums({ builder }: SubgraphKit) {
  const Metric = builder.enumType('ReportMetric', {
    description: 'What a report counts.',
    values: Object.fromEntries(
      reportMetricNames.map((name) => [
        name,
        { description: `${reportMetric(name).description} ${units[reportMetric(name).unit]}` },
      ]),
    ) as EnumValues<ReportMetric>,
  });
  const Dimension = builder.enumType('ReportDimension', {
    description: 'By what a report counts. Not every metric is known by every dimension: BAD_USER_INPUT says which.',
    values: Object.fromEntries(
      reportDimensionNames.map((name) => [name, { description: reportDimension(name).description }]),
    ) as EnumValues<ReportDimension>,
  });
  const Grain = builder.enumType('ReportGrain', {
    description: 'How long one bucket of time is.',
    values: Object.fromEntries(
      Object.entries(reportGrains).map(([name, description]) => [name, { description }]),
    ) as EnumValues<ReportGrain>,
  });
  return { Metric, Dimension, Grain };
}

export type ReportEnums = ReturnType<typeof addReportEnums>;

const textDimensions = reportDimensionNames.filter((name) => !['APP', 'CAMPAIGN', 'PARTNER'].includes(name));

/** `ReportRow`: one field per dimension and metric of the catalogue. */
export function addReportRow({ builder, Money }: SubgraphKit, enums: ReportEnums, refs: ReportRefs) {
  const Unconverted = builder
    .objectRef<ReportAmount & { readonly metric: ReportMetric }>('ReportUnconverted')
    .implement({
      description: 'An amount of a row in a currency for which no rate is known. It is not in the metric.',
      fields: (t) => ({
        metric: t.expose('metric', { type: enums.Metric, description: 'Of which metric.' }),
        amount: t.field({ type: Money, description: 'In its own currency.', resolve: (rest) => rest }),
      }),
    });
  const reference = (node: ReportNode, name: ReportDimension) => {
    const id = node.dimensions[name];
    return id ? { id } : null;
  };
  return builder.objectRef<ReportNode>('ReportRow').implement({
    description: 'One row of a report. A field that was not asked for is null.',
    fields: (t) => ({
      time: t.exposeString('time', {
        nullable: true,
        description:
          'Begin of the bucket: `YYYY-MM-DD` in the time zone of the app for DAY, WEEK and MONTH, else ISO 8601 in UTC. Null without a grain.',
      }),
      app: t.field({
        type: refs.App,
        nullable: true,
        description: 'The app, if the report is by APP or of one app.',
        resolve: (node) => reference(node, 'APP') ?? (node.appId === null ? null : { id: node.appId }),
      }),
      campaign: t.field({
        type: refs.Campaign,
        nullable: true,
        description: reportDimension('CAMPAIGN').description,
        resolve: (node) => reference(node, 'CAMPAIGN'),
      }),
      partner: t.field({
        type: refs.Partner,
        nullable: true,
        description: reportDimension('PARTNER').description,
        resolve: (node) => reference(node, 'PARTNER'),
      }),
      ...Object.fromEntries(
        textDimensions.map((name) => [
          reportFieldName(name),
          t.string({
            nullable: true,
            description: reportDimension(name).description,
            resolve: (node) => node.dimensions[name] || null,
          }),
        ]),
      ),
      ...Object.fromEntries(
        reportMetricNames.map((name) => {
          const { description, unit } = reportMetric(name);
          const told = `${description} ${units[unit]}`;
          const field =
            unit === 'money'
              ? t.field({
                  type: Money,
                  nullable: true,
                  description: told,
                  resolve: (node) => (node.values[name] as ReportAmount | null | undefined) ?? null,
                })
              : t.float({
                  nullable: true,
                  description: told,
                  resolve: (node) => (node.values[name] as number | null | undefined) ?? null,
                });
          return [reportFieldName(name), field];
        }),
      ),
      unconverted: t.field({
        type: [Unconverted],
        description: 'Amounts that no dated rate converts into the currency of the report, by metric and currency.',
        resolve: (node) => [...node.rest],
      }),
    }),
  });
}
