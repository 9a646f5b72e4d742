import { requireScope, type SubgraphKit } from '../../src/kit.ts';
import { reachOf } from '../loaders.ts';
import { type CampaignsTypes, notFound, type SchemaDeps } from './types.ts';

function addGoal(types: CampaignsTypes): void {
  types.Goal.implement({
    description: 'What counts as a conversion of an app.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'Its id.' }),
      name: t.exposeString('name', { description: 'For people; unique in the app.' }),
      eventKind: t.exposeString('eventKind', { description: 'Events of this kind count, e.g. `purchase`.' }),
      eventName: t.exposeString('eventName', {
        nullable: true,
        description: 'Only events of this name; null = any of the kind.',
      }),
    }),
  });
}

/** `App`, `Goal`, `Query.apps` and `Query.app`. */
export function addApp({ builder }: SubgraphKit, types: CampaignsTypes, { catalogue, loaders }: SchemaDeps): void {
  const AppPlatform = builder.enumType('AppPlatform', {
    description: 'What an app runs on.',
    values: {
      IOS: { value: 'ios', description: 'iOS and iPadOS.' },
      ANDROID: { value: 'android', description: 'Android.' },
      WEB: { value: 'web', description: 'Browsers.' },
      CROSS_PLATFORM: { value: 'cross_platform', description: 'Several of them under one app.' },
    } as const,
  });
  addGoal(types);
  types.App.implement({
    description: 'An app that sends events.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'Its id.' }),
      name: t.exposeString('name', { description: 'For people; not unique.' }),
      platform: t.expose('platform', { type: AppPlatform, description: 'What it runs on.' }),
      currency: t.exposeString('currency', { description: 'ISO 4217. Its costs and reports are in it.' }),
      timezone: t.exposeString('timezone', { description: 'IANA name. Its midnight begins the app’s days.' }),
      enabled: t.exposeBoolean('enabled', {
        description: 'A disabled app takes no events; what is stored stays readable.',
      }),
      goals: t.field({
        type: [types.Goal],
        description: 'What counts as a conversion, by name.',
        resolve: ({ id }, _args, context) => loaders.goalsOfApp(context).load(id),
      }),
      trackingLinks: t.field({
        type: [types.TrackingLink],
        description: 'All links of the app, with and without a campaign, by slug.',
        resolve: ({ id }, _args, context) => loaders.linksOfApp(context).load(id),
      }),
    }),
  });
  builder.asEntity(types.App, {
    key: builder.selection<{ id: string }>('id'),
    resolveReference: ({ id }, context) => {
      requireScope(context, 'read:reports');
      return loaders.app(context).load(id);
    },
  });
  builder.queryFields((t) => ({
    apps: t.field({
      type: [types.App],
      description: 'The apps that this key may read, by name.',
      resolve: async (_root, _args, context) => {
        requireScope(context, 'read:reports');
        const rows = await catalogue.readApps(reachOf(context));
        for (const row of rows) loaders.app(context).prime(row.id, row);
        return rows;
      },
    }),
    app: t.field({
      type: types.App,
      nullable: true,
      description: 'One app. NOT_FOUND when there is none of that id that this key may read.',
      args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
      resolve: async (_root, { id }, context) => {
        requireScope(context, 'read:reports');
        const row = await loaders.app(context).load(id);
        if (!row) throw notFound('app', id);
        return row;
      },
    }),
  }));
}
