import {
  encodeCursor,
  type IdReference,
  operationNow,
  requireApp,
  type SubgraphKit,
  type TypeRef,
} from '../../src/kit.ts';
import type { SubgraphDeps } from '../../src/types.ts';
import type { LiveRow, LiveSnapshot, LiveTotals, LiveWindow } from '../domain/live.ts';
import type { LiveHub } from '../live-hub.ts';

export interface LiveSchemaDeps {
  readonly App: TypeRef<IdReference>;
  readonly Campaign: TypeRef<IdReference>;
  readonly hub: LiveHub;
  readonly read: (
    app: ReturnType<typeof requireApp>,
    window: LiveWindow,
    nowMs: number,
    signal: AbortSignal | undefined,
  ) => Promise<LiveSnapshot>;
}

function addTotals({ builder, Money }: SubgraphKit) {
  return builder.objectRef<LiveTotals>('LiveTotals').implement({
    description: 'What a live window holds in all; production events only.',
    fields: (t) => ({
      events: t.exposeInt('events', { description: 'Events of every kind.' }),
      installs: t.exposeInt('installs', {
        description: 'Install events: reinstalls and those not yet decided count too, so rows may sum to less.',
      }),
      sessions: t.exposeInt('sessions', { description: 'Session events.' }),
      revenue: t.expose('revenue', {
        type: Money,
        description: 'Purchases and ad revenue less refunds, in the currency of the app.',
      }),
      eventsPerSecond: t.exposeFloat('eventsPerSecond', {
        description: 'Mean of the last 10 seconds, by the time of arrival.',
      }),
    }),
  });
}

function addRow({ builder, Money }: SubgraphKit, Campaign: LiveSchemaDeps['Campaign']) {
  return builder.objectRef<LiveRow>('LiveRow').implement({
    description: 'What a live window holds of one campaign. Absolute totals, never differences.',
    fields: (t) => ({
      campaign: t.field({
        type: Campaign,
        nullable: true,
        description: 'null: organic, unattributed, or a campaign that is not in your list.',
        resolve: (row) => (row.campaignId === null ? null : { id: row.campaignId }),
      }),
      installs: t.exposeInt('installs', {
        description:
          'Installs of the window whose decision in force names the campaign; reinstalls are not among them.',
      }),
      sessions: t.exposeInt('sessions', {
        description: 'Sessions of the window on devices whose latest install the campaign brought, whenever that was.',
      }),
      revenue: t.expose('revenue', { type: Money, description: 'Revenue of the window on those devices.' }),
    }),
  });
}

function addSnapshot(kit: SubgraphKit, live: LiveSchemaDeps) {
  const { builder } = kit;
  const Totals = addTotals(kit);
  const Row = addRow(kit, live.Campaign);
  const Window = builder.enumType('LiveWindow', {
    description: 'Which span a live view holds.',
    values: {
      LAST_5_MINUTES: { description: 'The minute that runs and the 4 before it.' },
      LAST_HOUR: { description: 'The minute that runs and the 59 before it.' },
      TODAY: { description: 'Since the day began in the time zone of the app.' },
    } satisfies Record<LiveWindow, { description: string }>,
  });
  const Metrics = builder.objectRef<LiveSnapshot>('LiveMetrics').implement({
    description: 'A live window of an app as it is at `at`.',
    fields: (t) => ({
      app: t.field({ type: live.App, description: 'The app.', resolve: ({ appId }) => ({ id: appId }) }),
      window: t.expose('window', { type: Window, description: 'Which window.' }),
      from: t.expose('from', { type: 'DateTime', description: 'Its begin, a whole minute.' }),
      at: t.expose('at', { type: 'DateTime', description: 'When it was read.' }),
      cursor: t.string({
        description:
          'Opaque; grows with time. Every payload holds the whole window, so the next one is all that a reader needs.',
        resolve: ({ at }) => encodeCursor([at]),
      }),
      totals: t.expose('totals', { type: Totals, description: 'The window in all.' }),
      rows: t.expose('rows', {
        type: [Row],
        description: 'By campaign. A campaign that falls out of the window stays as a row of zeros.',
      }),
    }),
  });
  return { Metrics, Window };
}

/** `Query.liveMetrics` and `Subscription.liveMetrics`. */
export function addLive(kit: SubgraphKit, deps: SubgraphDeps, live: LiveSchemaDeps): void {
  const { builder } = kit;
  const { Metrics, Window } = addSnapshot(kit, live);
  builder.queryField('liveMetrics', (t) =>
    t.field({
      type: Metrics,
      description: 'A live window once.',
      args: {
        appId: t.arg.id({ required: true, description: 'The app.' }),
        window: t.arg({ type: Window, required: true, description: 'Which window.' }),
      },
      resolve: (_root, { appId, window }, context) => {
        const app = requireApp(context, deps.directory, appId);
        return live.read(app, window, operationNow(context, deps.clock), context.signal);
      },
    }),
  );
  builder.subscriptionType({
    description: 'What changes.',
    fields: (t) => ({
      liveMetrics: t.field({
        type: Metrics,
        description:
          'A live window now, and again whenever a number in it changed. A slow reader gets the latest and skips the rest.',
        args: {
          appId: t.arg.id({ required: true, description: 'The app.' }),
          window: t.arg({ type: Window, required: true, defaultValue: 'LAST_HOUR', description: 'Which window.' }),
        },
        subscribe: (_root, { appId, window }, context) =>
          live.hub.subscribe(requireApp(context, deps.directory, appId), window, context.signal),
        resolve: (snapshot) => snapshot as LiveSnapshot,
      }),
    }),
  });
}
