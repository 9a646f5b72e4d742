import { personIdOf, trimDecimal } from '@tributary/schema';
import {
  addConnection,
  connectionArgs,
  connectionOf,
  type IdReference,
  operationNow,
  parsePage,
  parseTimeRange,
  refusePartner,
  requireApp,
  requirePersonal,
  type SubgraphKit,
  type TypeRef,
} from '../../src/kit.ts';
import type { SubgraphDeps } from '../../src/types.ts';
import { type EventReader, type EventRow, eventCursorOf } from '../event-reader.ts';

export interface EventNode extends EventRow {
  readonly appId: string;
}

/** The campaign as a reference, if the tenant's directory knows it; SDKs may send any text. */
export function campaignReference(deps: SubgraphDeps, tenantId: string, campaignId: string | null) {
  if (campaignId === null || campaignId === '') return null;
  const known = deps.directory
    .current()
    .campaigns.some((one) => one.campaignId === campaignId && one.tenantId === tenantId);
  return known ? { id: campaignId } : null;
}

/** Properties are stored as the text that came; it was checked to be a JSON object then. */
function parseProperties(text: string): unknown {
  return text === '' ? {} : (JSON.parse(text) as unknown);
}

interface EventRefs {
  readonly Person: TypeRef<IdReference>;
  readonly Campaign: TypeRef<IdReference>;
}

function addEventType({ builder, Money }: SubgraphKit, deps: SubgraphDeps, refs: EventRefs) {
  const Event = builder.objectRef<EventNode>('Event');
  Event.implement({
    description: 'One stored event.',
    fields: (t) => ({
      id: t.id({
        description: 'App, wire format and event id, `app:format:id`.',
        resolve: (event) => `${event.appId}:${event.sourceFormat}:${event.eventId}`,
      }),
      name: t.exposeString('name', { description: 'As sent.' }),
      kind: t.exposeString('kind', { description: 'Its kind, e.g. `purchase`.' }),
      environment: t.exposeString('environment', {
        description: '`production` or `sandbox`; metrics count production.',
      }),
      occurredAt: t.expose('occurredAt', { type: 'DateTime', description: 'Client time, skew-corrected.' }),
      receivedAt: t.expose('receivedAt', { type: 'DateTime', description: 'When the collector took it.' }),
      person: t.field({
        type: refs.Person,
        tag: 'personal',
        description: 'Whose device sent it. FORBIDDEN for keys of partners.',
        resolve: (event, _args, context) => {
          refusePartner(context);
          return { id: personIdOf(event.appId, event.deviceKey) };
        },
      }),
      campaign: t.field({
        type: refs.Campaign,
        nullable: true,
        description: 'The campaign that the event itself names, if it is one of yours. Not an attribution.',
        resolve: (event, _args, context) => campaignReference(deps, context.caller.tenantId, event.campaignId),
      }),
      country: t.string({
        nullable: true,
        description: 'ISO 3166-1 alpha-2.',
        resolve: (event) => event.country || null,
      }),
      platform: t.string({
        nullable: true,
        description: 'As sent, e.g. `ios`.',
        resolve: (event) => event.platform || null,
      }),
      revenue: t.field({
        type: Money,
        nullable: true,
        description: 'What it carries; a refund carries what was paid back.',
        resolve: ({ currency, amount }) => (currency === '' ? null : { amount: trimDecimal(amount), currency }),
      }),
      properties: t.field({
        type: 'JSON',
        nullable: true,
        tag: 'personal',
        description: 'What the app added. Needs the scope read:personal.',
        resolve: (event, _args, context) => {
          requirePersonal(context);
          return parseProperties(event.properties);
        },
      }),
    }),
  });
  return Event;
}

/** `Event`, its connection and `Query.events`. */
export function addEvent(
  kit: SubgraphKit,
  deps: SubgraphDeps,
  reader: EventReader,
  refs: EventRefs,
): TypeRef<EventNode> {
  const { builder, TimeRange } = kit;
  const Event = addEventType(kit, deps, refs);
  const EventConnection = addConnection(kit, 'Event', Event);
  builder.queryField('events', (t) =>
    t.field({
      type: EventConnection,
      description: 'Events of an app, newest first.',
      args: {
        appId: t.arg.id({ required: true, description: 'The app.' }),
        range: t.arg({ type: TimeRange, required: true, description: 'When, by `occurredAt`.' }),
        name: t.arg.string({ description: 'Only events of this name.' }),
        ...connectionArgs(t.arg),
      },
      resolve: async (_root, { appId, range, name, ...args }, context) => {
        const app = requireApp(context, deps.directory, appId);
        const page = parsePage(args);
        const rows = await reader.readEvents({
          tenantId: app.tenantId,
          appId: app.appId,
          range: parseTimeRange(range, operationNow(context, deps.clock)),
          name: name ?? null,
          page,
          partnerId: context.caller.partnerId ?? '',
        });
        return connectionOf(
          rows.map((row) => ({ ...row, appId: app.appId })),
          page,
          eventCursorOf,
        );
      },
    }),
  );
  return Event;
}
