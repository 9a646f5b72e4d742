import { defaultIntakePolicy, type IntakePolicy, intakePolicySchema } from '@tributary/schema';
import { keptBriefly, requireScope, type SubgraphKit } from '../../src/kit.ts';
import type { AppRow } from '../catalogue-reader.ts';
import { reachOf } from '../loaders.ts';
import type { CampaignsEnums } from './enums.ts';
import { type CampaignsTypes, includeArchived, notFound, type SchemaDeps, shown } from './types.ts';

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
      archivedAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'From then on it counts nothing; null = it counts.',
        resolve: ({ archivedAt }) => archivedAt?.getTime() ?? null,
      }),
    }),
  });
}

function addIntakePolicy({ builder }: SubgraphKit, enums: CampaignsEnums) {
  const Sampling = builder.objectRef<IntakePolicy['sampling'][number]>('EventSampling').implement({
    description: 'Which share of an event’s occurrences is kept.',
    fields: (t) => ({
      eventName: t.exposeString('eventName', { description: 'The event.' }),
      keep: t.exposeFloat('keep', { description: '0…1; a device is in or out as a whole.' }),
    }),
  });
  const AndroidApp = builder.objectRef<IntakePolicy['androidApps'][number]>('AndroidAppLink').implement({
    description: 'An Android package that opens tracking links.',
    fields: (t) => ({
      packageName: t.exposeString('packageName', { description: 'E.g. `com.example.shop`.' }),
      sha256Fingerprints: t.exposeStringList('sha256Fingerprints', {
        description: 'Of its signing certificates, `AA:BB:…`.',
      }),
    }),
  });
  return builder.objectRef<IntakePolicy>('IntakePolicy').implement({
    description: 'What an app’s owner lets in, and how it is changed on the way in.',
    fields: (t) => ({
      hashDeviceIds: t.exposeBoolean('hashDeviceIds', { description: 'Device ids are stored as salted hashes.' }),
      consentPolicy: t.expose('consentPolicy', { type: enums.ConsentPolicy, description: 'What consent does.' }),
      webOrigins: t.exposeStringList('webOrigins', { description: 'Origins whose browsers may send; empty = any.' }),
      blockedEvents: t.exposeStringList('blockedEvents', { description: 'Event names that are dropped.' }),
      blockedIps: t.exposeStringList('blockedIps', { description: 'Addresses or CIDR ranges that are refused.' }),
      blockedUserAgents: t.exposeStringList('blockedUserAgents', { description: 'Texts of refused user agents.' }),
      sampling: t.expose('sampling', { type: [Sampling], description: 'Events of which a share is kept.' }),
      iosAppIds: t.exposeStringList('iosAppIds', { description: '`TEAMID.bundle.id` of apps that open links.' }),
      androidApps: t.expose('androidApps', { type: [AndroidApp], description: 'Packages that open links.' }),
    }),
  });
}

const policyOf = ({ intake }: AppRow): IntakePolicy =>
  intake === null ? defaultIntakePolicy : intakePolicySchema.parse(intake);

function addAppType(kit: SubgraphKit, types: CampaignsTypes, enums: CampaignsEnums, { loaders }: SchemaDeps): void {
  const IntakePolicyType = addIntakePolicy(kit, enums);
  types.App.implement({
    description: 'An app that sends events.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'Its id.' }),
      name: t.exposeString('name', { description: 'For people; not unique.' }),
      platform: t.expose('platform', { type: enums.AppPlatform, description: 'What it runs on.' }),
      currency: t.exposeString('currency', { description: 'ISO 4217. Its costs and reports are in it.' }),
      timezone: t.exposeString('timezone', { description: 'IANA name. Its midnight begins the app’s days.' }),
      enabled: t.exposeBoolean('enabled', {
        description: 'A disabled app takes no events; what is stored stays readable.',
      }),
      storeUrl: t.exposeString('storeUrl', { nullable: true, description: 'Where it is installed from.' }),
      ipPolicy: t.expose('ipPolicy', {
        type: enums.IpPolicy,
        tag: 'internal',
        description: 'What is kept of addresses.',
      }),
      clickLookbackHours: t.exposeInt('clickLookbackHours', {
        description: 'How long before an install a click may earn credit, in hours.',
      }),
      viewLookbackHours: t.exposeInt('viewLookbackHours', {
        description: 'How long before an install an impression may earn credit, in hours.',
      }),
      reinstallDays: t.exposeInt('reinstallDays', {
        description: 'An install within so many days of the last one is a reinstall.',
      }),
      retentionDays: t.exposeInt('retentionDays', { description: 'How long its events are kept, in days.' }),
      intake: t.field({
        type: IntakePolicyType,
        tag: 'internal',
        description: 'What it lets in. Needs `admin`.',
        resolve: (row, _args, context) => {
          requireScope(context, 'admin');
          return policyOf(row);
        },
      }),
      goals: t.field({
        type: [types.Goal],
        description: 'What counts as a conversion, by name.',
        args: { includeArchived: t.arg.boolean(includeArchived) },
        resolve: async ({ id }, args, context) =>
          shown(await loaders.goalsOfApp(context).load(id), args.includeArchived),
      }),
      trackingLinks: t.field({
        type: [types.TrackingLink],
        description: 'The links of the app, with and without a campaign, by slug.',
        args: { includeArchived: t.arg.boolean(includeArchived) },
        resolve: async ({ id }, args, context) =>
          shown(await loaders.linksOfApp(context).load(id), args.includeArchived),
      }),
    }),
  });
}

/** `App`, `Goal`, `Query.apps` and `Query.app`. */
export function addApp(kit: SubgraphKit, types: CampaignsTypes, enums: CampaignsEnums, deps: SchemaDeps): void {
  const { builder } = kit;
  const { catalogue, loaders } = deps;
  addGoal(types);
  addAppType(kit, types, enums, deps);
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
      directives: keptBriefly,
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
      directives: keptBriefly,
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
