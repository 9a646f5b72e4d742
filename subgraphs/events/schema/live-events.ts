import { CodedError, eventKinds } from '@tributary/schema';
import { type IdReference, ownCampaignIds, requireApp, type SubgraphKit, type TypeRef } from '../../src/kit.ts';
import { parseStreamArgs, payloadsOf, type StreamPayload, streamArgs } from '../../src/stream-field.ts';
import type { StreamHub } from '../../src/stream-hub.ts';
import { readHorizon } from '../../src/stream-settled.ts';
import type { SubgraphDeps } from '../../src/types.ts';
import type { EventRow } from '../event-reader.ts';
import { type LiveEventFilter, readLiveEvents } from '../live-events-reader.ts';
import type { EventNode } from './event.ts';

interface FilterInput {
  names?: string[] | null | undefined;
  kinds?: string[] | null | undefined;
  environments?: string[] | null | undefined;
  campaignIds?: string[] | null | undefined;
  countries?: string[] | null | undefined;
  platforms?: string[] | null | undefined;
}

const maxValues = 50;

function filterOf(input: FilterInput | null | undefined): LiveEventFilter {
  const list = (field: keyof FilterInput) => {
    const values = [...new Set(input?.[field] ?? [])].sort();
    if (values.length <= maxValues) return values;
    throw new CodedError('BAD_USER_INPUT', {
      message: `${field} takes at most ${maxValues} values.`,
      details: { field, limit: maxValues },
    });
  };
  return {
    names: list('names'),
    kinds: list('kinds'),
    environments: list('environments'),
    campaignIds: list('campaignIds'),
    countries: list('countries'),
    platforms: list('platforms'),
  };
}

function addTypes({ builder }: SubgraphKit, App: TypeRef<IdReference>, Event: TypeRef<EventNode>) {
  const Filter = builder.inputRef<FilterInput>('LiveEventFilter').implement({
    description: `Which events are shown. Each list takes up to ${maxValues} values, any of which will do; none = all.`,
    fields: (t) => ({
      names: t.stringList({ description: 'Event names, as sent.' }),
      kinds: t.stringList({ description: `Kinds: ${eventKinds.join(', ')}.` }),
      environments: t.stringList({ description: '`production`, `sandbox`. Both are shown when left out.' }),
      campaignIds: t.idList({ description: 'Campaigns that the events themselves name.' }),
      countries: t.stringList({ description: 'ISO 3166-1 alpha-2.' }),
      platforms: t.stringList({ description: 'As sent, e.g. `ios`.' }),
    }),
  });
  const Payload = builder.objectRef<StreamPayload<EventRow>>('LiveEvents').implement({
    description: 'Events in the order in which they were stored, about two seconds after that.',
    fields: (t) => ({
      app: t.field({ type: App, description: 'The app.', resolve: ({ appId }) => ({ id: appId }) }),
      events: t.field({
        type: [Event],
        description: 'Up to 100; empty in the first payload of a stream without `after`.',
        resolve: ({ appId, values }) => values.map((row) => ({ ...row, appId })),
      }),
      cursor: t.exposeString('cursor', { description: 'Pass as `after` to go on from here.' }),
    }),
  });
  return { Filter, Payload };
}

/** `Subscription.liveEvents`, the event debugger. */
export function addLiveEvents(
  kit: SubgraphKit,
  deps: SubgraphDeps,
  live: {
    readonly App: TypeRef<IdReference>;
    readonly Event: TypeRef<EventNode>;
    readonly hub: StreamHub;
    readonly settleMs: number;
  },
): void {
  const { Filter, Payload } = addTypes(kit, live.App, live.Event);
  const { hub, settleMs } = live;
  kit.builder.subscriptionField('liveEvents', (t) =>
    t.field({
      type: Payload,
      description:
        'Every event of an app as it is stored; none is skipped. A reader that falls too far behind gets SUBSCRIBER_TOO_SLOW with its last cursor in `extensions.details.cursor`.',
      args: {
        appId: t.arg.id({ required: true, description: 'The app.' }),
        filter: t.arg({ type: Filter, description: 'Which events.' }),
        ...streamArgs(t.arg),
      },
      subscribe: (_root, { appId, filter, ...args }, context) => {
        const { tenantId } = requireApp(context, deps.directory, appId);
        const options = parseStreamArgs('events', appId, args, deps.clock.now());
        const asked = filterOf(filter);
        const campaignIds = ownCampaignIds(context, deps.directory, asked.campaignIds);
        const partnerId = context.caller.partnerId ?? '';
        const scope = { tenantId, appId, partnerId, filter: { ...asked, campaignIds } };
        const batches = hub.subscribe<EventRow>(
          JSON.stringify(['events', scope]),
          {
            read: (after, limit, signal) => readLiveEvents(deps.warehouse, scope, { after, limit, settleMs, signal }),
            horizon: (signal) => readHorizon(deps.warehouse, settleMs, signal),
            subscribe: (wake) =>
              deps.liveBus.subscribe('metrics.touched', (message) => {
                if (message.tenantId === tenantId && message.appId === appId) wake();
              }),
          },
          { ...options, signal: context.signal },
        );
        return payloadsOf(batches, ({ values, position }) => ({ appId, values, cursor: options.cursorOf(position) }));
      },
      resolve: (payload) => payload as StreamPayload<EventRow>,
    }),
  );
}
