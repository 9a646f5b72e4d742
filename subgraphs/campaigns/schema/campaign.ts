import { z } from 'zod';
import { daysBegunIn } from '../../src/days.ts';
import {
  addConnection,
  connectionArgs,
  connectionOf,
  decodeCursor,
  encodeCursor,
  operationNow,
  parsePage,
  parseTimeRange,
  requireScope,
  type SubgraphKit,
} from '../../src/kit.ts';
import { reachOf } from '../loaders.ts';
import { type CampaignsTypes, notFound, type SchemaDeps } from './types.ts';

const cursorText = z
  .string()
  .max(1_000)
  .refine((text) => !text.includes('\0'));
const campaignCursor = z.tuple([cursorText, cursorText]);

function addPartner({ builder }: SubgraphKit, types: CampaignsTypes, { loaders }: SchemaDeps): void {
  types.Partner.implement({
    description: 'An ad network or other source of installs.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'Its id.' }),
      name: t.exposeString('name', { description: 'For people.' }),
    }),
  });
  builder.asEntity(types.Partner, {
    key: builder.selection<{ id: string }>('id'),
    resolveReference: ({ id }, context) => {
      requireScope(context, 'read:reports');
      return loaders.partner(context).load(id);
    },
  });
}

function addCampaignType(kit: SubgraphKit, types: CampaignsTypes, { loaders, clock }: SchemaDeps): void {
  const { builder, Money, TimeRange } = kit;
  const CampaignStatus = builder.enumType('CampaignStatus', {
    description:
      'Whether a campaign runs. Kept by hand or by the partner’s integration; costs and installs count in any.',
    values: {
      ACTIVE: { description: 'It runs.' },
      PAUSED: { description: 'It may run again.' },
      ARCHIVED: { description: 'It is over.' },
    } as const,
  });
  types.Campaign.implement({
    description: 'A campaign of one app, at one partner or at none.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'Its id; events and links name it.' }),
      name: t.exposeString('name', { description: 'For people; not unique.' }),
      network: t.exposeString('network', {
        nullable: true,
        description: 'The network name that its clicks carry; the partner’s unless it has one of its own.',
      }),
      app: t.field({
        type: types.App,
        description: 'The app that it is for.',
        resolve: async ({ appId }, _args, context) => {
          const app = await loaders.app(context).load(appId);
          if (!app) throw notFound('app', appId);
          return app;
        },
      }),
      partner: t.field({
        type: types.Partner,
        nullable: true,
        description: 'Who runs it; null = the app’s owner.',
        resolve: ({ partnerId }, _args, context) =>
          partnerId === null ? null : loaders.partner(context).load(partnerId),
      }),
      status: t.expose('status', { type: CampaignStatus, description: 'Whether it runs.' }),
      spend: t.field({
        type: Money,
        description:
          'What it cost in the range, in the app’s currency. Costs come by the day of the app’s time zone: a day counts whole if it begins in the range.',
        args: { range: t.arg({ type: TimeRange, required: true, description: 'When.' }) },
        resolve: async ({ id, appId }, { range }, context) => {
          requireScope(context, 'read:reports');
          const bounds = parseTimeRange(range, operationNow(context, clock));
          const app = await loaders.app(context).load(appId);
          if (!app) throw notFound('app', appId);
          const { currency, timezone } = app;
          const days = context.loaders.get(`campaigns:days:${timezone}:${bounds.fromMs}:${bounds.toMs}`, () =>
            daysBegunIn(bounds, timezone),
          );
          return { amount: await loaders.spend(context).load({ campaignId: id, days, currency }), currency };
        },
      }),
      trackingLinks: t.field({
        type: [types.TrackingLink],
        description: 'Its links, by slug.',
        resolve: ({ id }, _args, context) => loaders.linksOfCampaign(context).load(id),
      }),
    }),
  });
  builder.asEntity(types.Campaign, {
    key: builder.selection<{ id: string }>('id'),
    resolveReference: ({ id }, context) => {
      requireScope(context, 'read:reports');
      return loaders.campaign(context).load(id);
    },
  });
}

/** `Campaign`, `Partner`, `Query.campaigns` and `Query.campaign`. */
export function addCampaign(kit: SubgraphKit, types: CampaignsTypes, deps: SchemaDeps): void {
  const { catalogue, loaders } = deps;
  addPartner(kit, types, deps);
  addCampaignType(kit, types, deps);
  const CampaignConnection = addConnection(kit, 'Campaign', types.Campaign);
  kit.builder.queryFields((t) => ({
    campaigns: t.field({
      type: CampaignConnection,
      description: 'Campaigns of an app, by name.',
      args: { appId: t.arg.id({ required: true, description: 'The app.' }), ...connectionArgs(t.arg) },
      resolve: async (_root, { appId, ...args }, context) => {
        requireScope(context, 'read:reports');
        const page = parsePage(args);
        const after = page.after === null ? null : decodeCursor(page.after, campaignCursor);
        const app = await loaders.app(context).load(appId);
        if (!app) throw notFound('app', appId);
        const rows = await catalogue.readCampaignPage(reachOf(context), app.id, page, after);
        return connectionOf(rows, page, ({ name, id }) => encodeCursor([name, id]));
      },
    }),
    campaign: t.field({
      type: types.Campaign,
      nullable: true,
      description: 'One campaign. NOT_FOUND when there is none of that id that this key may read.',
      args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
      resolve: async (_root, { id }, context) => {
        requireScope(context, 'read:reports');
        const row = await loaders.campaign(context).load(id);
        if (!row) throw notFound('campaign', id);
        return row;
      },
    }),
  }));
}
