import { trimDecimal } from '@tributary/schema';
import {
  asIdEntity,
  type IdReference,
  keptAsParent,
  operationNow,
  parseTimeRange,
  requireApp,
  type SubgraphKit,
  type TimeBounds,
} from '../../src/kit.ts';
import type { SubgraphDeps } from '../../src/types.ts';
import type { SeriesGrain, SeriesMetric, SeriesPoint } from '../domain/series.ts';
import { countsLoader, peopleLoader } from '../loaders.ts';
import type { MetricsReader } from '../metrics-reader.ts';
import type { SeriesReader } from '../series-reader.ts';

interface MetricsSubject {
  readonly appId: string;
  readonly currency: string;
  readonly range: TimeBounds;
}

function addAppMetrics({ builder, Money }: SubgraphKit, metricsReader: MetricsReader) {
  const ref = builder.objectRef<MetricsSubject>('AppMetrics');
  ref.implement({
    description: 'What happened in an app over a time range; production events only.',
    directives: keptAsParent,
    fields: (t) => {
      const count = (kind: 'events' | 'sessions' | 'installs' | 'purchases', description: string) =>
        t.float({
          description,
          resolve: async (subject, _args, context) =>
            (await countsLoader(context, metricsReader, subject.range).load(subject.appId))[kind],
        });
      return {
        events: count('events', 'Stored events of every kind.'),
        sessions: count('sessions', 'Session events.'),
        installs: count('installs', 'Install events; reinstalls included.'),
        purchases: count('purchases', 'Purchase events; refunds not taken off.'),
        people: t.float({
          description: 'Distinct devices with any event but ad clicks and impressions. Exact.',
          resolve: (subject, _args, context) => peopleLoader(context, metricsReader, subject.range).load(subject.appId),
        }),
        revenue: t.field({
          type: Money,
          description:
            'Purchases and ad revenue less refunds, in the currency of the app; other currencies are not in it.',
          resolve: async ({ appId, currency, range }, _args, context) => {
            const { revenue } = await countsLoader(context, metricsReader, range).load(appId);
            return { amount: revenue.get(currency) ?? '0', currency };
          },
        }),
        revenueByCurrency: t.field({
          type: [Money],
          description: 'The same for each currency that occurs, by code.',
          resolve: async ({ appId, range }, _args, context) => {
            const { revenue } = await countsLoader(context, metricsReader, range).load(appId);
            return [...revenue]
              .map(([currency, amount]) => ({ currency, amount: trimDecimal(amount) }))
              .toSorted((a, b) => (a.currency < b.currency ? -1 : 1));
          },
        }),
      };
    },
  });
  return ref;
}

function addSeries({ builder }: SubgraphKit) {
  const SeriesMetricEnum = builder.enumType('SeriesMetric', {
    description: 'What a series counts.',
    values: {
      EVENTS: { description: 'Events of every kind.' },
      SESSIONS: { description: 'Session events.' },
      INSTALLS: { description: 'Install events; reinstalls included.' },
      PURCHASES: { description: 'Purchase events.' },
      REVENUE: { description: 'Purchases and ad revenue less refunds, in the currency of the app.' },
      PEOPLE: { description: 'Distinct devices with any event but ad clicks and impressions; not additive.' },
    } satisfies Record<SeriesMetric, { description: string }>,
  });
  const SeriesGrainEnum = builder.enumType('SeriesGrain', {
    description: 'How long one bucket of a series is.',
    values: {
      MINUTE: { description: 'One minute.' },
      FIFTEEN_MINUTES: { description: 'A quarter of an hour.' },
      HOUR: { description: 'An hour of UTC.' },
      DAY: { description: 'A day in the time zone of the app.' },
    } satisfies Record<SeriesGrain, { description: string }>,
  });
  const Point = builder.objectRef<SeriesPoint>('SeriesPoint').implement({
    description: 'One bucket of a series.',
    directives: keptAsParent,
    fields: (t) => ({
      at: t.expose('at', {
        type: 'DateTime',
        description: 'When the bucket begins; the first may begin before the range, and counts only what is in it.',
      }),
      value: t.exposeFloat('value', {
        description: 'A count, or an amount in the currency of the app. 0 where nothing happened.',
      }),
    }),
  });
  return { SeriesMetricEnum, SeriesGrainEnum, Point };
}

/** `App.metrics` and `App.timeseries`. */
export function addApp(
  kit: SubgraphKit,
  deps: SubgraphDeps,
  readers: { readonly metrics: MetricsReader; readonly series: SeriesReader },
) {
  const { builder, TimeRange } = kit;
  const AppMetrics = addAppMetrics(kit, readers.metrics);
  const { SeriesMetricEnum, SeriesGrainEnum, Point } = addSeries(kit);
  const App = builder.objectRef<IdReference>('App');
  App.implement({
    description: 'An app that sends events.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'Its id.' }),
      metrics: t.field({
        type: AppMetrics,
        description: 'Counts and revenue of a time range.',
        args: { range: t.arg({ type: TimeRange, required: true, description: 'When, by `occurredAt`.' }) },
        resolve: ({ id }, { range }, context) => {
          const { appId, currency } = requireApp(context, deps.directory, id);
          return { appId, currency, range: parseTimeRange(range, operationNow(context, deps.clock)) };
        },
      }),
      timeseries: t.field({
        type: [Point],
        description: 'A metric over time, oldest bucket first, without gaps; at most 3,000 points.',
        args: {
          range: t.arg({ type: TimeRange, required: true, description: 'When, by `occurredAt`.' }),
          metric: t.arg({ type: SeriesMetricEnum, required: true, description: 'What to count.' }),
          grain: t.arg({ type: SeriesGrainEnum, required: true, description: 'How fine.' }),
        },
        resolve: ({ id }, { range, metric, grain }, context) => {
          const { appId, tenantId, timezone, currency } = requireApp(context, deps.directory, id);
          const bounds = parseTimeRange(range, operationNow(context, deps.clock));
          return readers.series.readSeries({
            tenantId,
            appId,
            partnerId: context.caller.partnerId ?? '',
            timezone,
            currency,
            range: bounds,
            metric,
            grain,
          });
        },
      }),
    }),
  });
  asIdEntity(builder, App);
  return App;
}
