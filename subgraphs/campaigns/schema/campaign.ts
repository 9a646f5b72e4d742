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
  type SubgraphContext,
  type SubgraphKit,
} from '../../src/kit.ts';
import { reachOf } from '../loaders.ts';
import type { CampaignsEnums } from './enums.ts';
import { type CampaignsTypes, includeArchived, notFound, type SchemaDeps, shown } from './types.ts';

const cursorText = z
  .string()
  .max(1_000)
  .refine((text) => !text.includes('\0'));
const campaignCursor = z.tuple([cursorText, cursorText]);

function addPartner({ builder }: SubgraphKit, types: CampaignsTypes, { loaders, catalogue }: SchemaDeps): void {
  types.Partner.implement({
    description: 'An ad network or other source of installs.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'Its id.' }),
      name: t.exposeString('name', { description: 'For people.' }),
      network: t.exposeString('network', { description: 'The network name that its clicks carry; unique.' }),
      archivedAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'No longer worked with since then; null = worked with.',
        resolve: ({ archivedAt }) => archivedAt?.getTime() ?? null,
      }),
    }),
  });
  builder.queryField('partners', (t) =>
    t.field({
      type: [types.Partner],
      description: 'The partners of the organisation, by name; a partner’s key sees its own.',
      args: { includeArchived: t.arg.boolean(includeArchived) },
      resolve: async (_root, args, context) => {
        requireScope(context, 'read:reports');
        return shown(await catalogue.readPartners(reachOf(context)), args.includeArchived);
      },
    }),
  );
  builder.asEntity(types.Partner, {
    key: builder.selection<{ id: string }>('id'),
    resolveReference: ({ id }, context) => {
      requireScope(context, 'read:reports');
      return loaders.partner(context).load(id);
    },
  });
}

function addAdGroup(types: CampaignsTypes, { loaders }: SchemaDeps): void {
  types.AdGroup.implement({
    description: 'A part of a campaign.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'Its id; events name it.' }),
      name: t.exposeString('name', { description: 'For people; not unique.' }),
      creatives: t.field({
        type: [types.Creative],
        description: 'Its creatives, by name.',
        args: { includeArchived: t.arg.boolean(includeArchived) },
        resolve: async ({ id }, args, context) =>
          shown(await loaders.creativesOfAdGroup(context).load(id), args.includeArchived),
      }),
      archivedAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'Put away since then; null = in use.',
        resolve: ({ archivedAt }) => archivedAt?.getTime() ?? null,
      }),
    }),
  });
  types.Creative.implement({
    description: 'An ad as it is shown.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'Its id; events name it.' }),
      name: t.exposeString('name', { description: 'For people; not unique.' }),
      archivedAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'Put away since then; null = in use.',
        resolve: ({ archivedAt }) => archivedAt?.getTime() ?? null,
      }),
    }),
  });
}

/**
 * Currency and time zone of an app. From the directory, which is in memory: campaigns asked for together then have their spend
 * read in one statement, however their apps came here. An app too new for the directory is read.
 */
async function moneyOf(
  { directory, loaders }: SchemaDeps,
  context: SubgraphContext,
  appId: string,
): Promise<{ readonly currency: string; readonly timezone: string }> {
  const { tenantId } = context.caller;
  const known = directory.current().apps.find((app) => app.appId === appId && app.tenantId === tenantId);
  const app = known ?? (await loaders.app(context).load(appId));
  if (!app) throw notFound('app', appId);
  return app;
}

function addCampaignType(kit: SubgraphKit, types: CampaignsTypes, enums: CampaignsEnums, deps: SchemaDeps): void {
  const { builder, Money, TimeRange } = kit;
  const { loaders, clock } = deps;
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
      status: t.expose('status', { type: enums.CampaignStatus, description: 'Whether it runs.' }),
      spend: t.field({
        type: Money,
        description:
          'What it cost in the range, in the app’s currency. Costs come by the day of the app’s time zone: a day counts whole if it begins in the range.',
        args: { range: t.arg({ type: TimeRange, required: true, description: 'When.' }) },
        resolve: async ({ id, appId }, { range }, context) => {
          requireScope(context, 'read:reports');
          const bounds = parseTimeRange(range, operationNow(context, clock));
          const { currency, timezone } = await moneyOf(deps, context, appId);
          const days = context.loaders.get(`campaigns:days:${timezone}:${bounds.fromMs}:${bounds.toMs}`, () =>
            daysBegunIn(bounds, timezone),
          );
          return { amount: await loaders.spend(context).load({ campaignId: id, days, currency }), currency };
        },
      }),
      trackingLinks: t.field({
        type: [types.TrackingLink],
        description: 'Its links, by slug.',
        args: { includeArchived: t.arg.boolean(includeArchived) },
        resolve: async ({ id }, args, context) =>
          shown(await loaders.linksOfCampaign(context).load(id), args.includeArchived),
      }),
      adGroups: t.field({
        type: [types.AdGroup],
        description: 'Its ad groups, by name.',
        args: { includeArchived: t.arg.boolean(includeArchived) },
        resolve: async ({ id }, args, context) =>
          shown(await loaders.adGroupsOfCampaign(context).load(id), args.includeArchived),
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

/** `Campaign`, `AdGroup`, `Creative`, `Partner`, `Query.campaigns` and `Query.campaign`. */
export function addCampaign(kit: SubgraphKit, types: CampaignsTypes, enums: CampaignsEnums, deps: SchemaDeps): void {
  const { catalogue, loaders } = deps;
  addPartner(kit, types, deps);
  addAdGroup(types, deps);
  addCampaignType(kit, types, enums, deps);
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
