import { CodedError } from '@tributary/schema';
import { z } from 'zod';
import {
  decodeCursor,
  encodeCursor,
  type IdReference,
  operationNow,
  requireApp,
  type SubgraphKit,
  type TypeRef,
} from '../../src/kit.ts';
import { maxIntervalMs, parseInterval } from '../../src/stream-field.ts';
import { streamHoldMs } from '../../src/stream-position.ts';
import type { SubgraphDeps } from '../../src/types.ts';
import type { LiveRow, LiveSnapshot, LiveTotals, LiveWindow } from '../domain/live.ts';
import type { LiveHub, WatchedApp } from '../live-hub.ts';
import { paceIterator } from '../pace-iterator.ts';

export interface LiveSchemaDeps {
  readonly App: TypeRef<IdReference>;
  readonly Campaign: TypeRef<IdReference>;
  readonly hub: LiveHub;
  readonly read: (
    app: WatchedApp,
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

/** A window's cursor says only when it was read. Throws BAD_USER_INPUT when it is none, CURSOR_EXPIRED when it is too old. */
function checkLiveCursor(cursor: string, nowMs: number): void {
  const [at] = decodeCursor(cursor, z.tuple([z.int().min(0)]));
  if (at < nowMs - streamHoldMs) throw new CodedError('CURSOR_EXPIRED', { details: { field: 'after' } });
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
        const partnerId = context.caller.partnerId ?? '';
        return live.read({ ...app, partnerId }, window, operationNow(context, deps.clock), context.signal);
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
          after: t.arg.string({
            description:
              'Cursor of the last payload seen, held for 24 hours. The first payload is the whole window with or without it.',
          }),
          minIntervalMs: t.arg.int({
            required: true,
            defaultValue: 0,
            description: `Least milliseconds between two payloads, 0…${maxIntervalMs}; the latest is sent, those between are skipped.`,
          }),
        },
        subscribe: (_root, { appId, window, after, minIntervalMs }, context) => {
          const app = requireApp(context, deps.directory, appId);
          if (after) checkLiveCursor(after, deps.clock.now());
          const partnerId = context.caller.partnerId ?? '';
          const snapshots = live.hub.subscribe({ ...app, partnerId }, window, context.signal);
          return paceIterator(snapshots, parseInterval(minIntervalMs));
        },
        resolve: (snapshot) => snapshot as LiveSnapshot,
      }),
    }),
  });
}
