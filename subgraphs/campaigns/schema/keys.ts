import type { SubgraphKit } from '../../src/kit.ts';
import { reachOf } from '../loaders.ts';
import type { ApiKeyRow, WriteKeyRow } from '../operations-reader.ts';
import type { CampaignsEnums } from './enums.ts';
import { type CampaignsTypes, requireAdmin, requireTenantAdmin, type SchemaDeps } from './types.ts';

interface KeyRate {
  readonly perSecond: number;
  readonly burst: number;
}

type KeyRow = ApiKeyRow | WriteKeyRow;

const rateOf = ({ ratePerSecond, rateBurst }: KeyRow): KeyRate | null =>
  ratePerSecond === null || rateBurst === null ? null : { perSecond: ratePerSecond, burst: rateBurst };

/** Fields that both kinds of key have. A function for each: Pothos types them by their parent. */
const times = {
  createdAt: { description: 'Made then.', of: (row: KeyRow) => row.createdAt.getTime() },
  revokedAt: {
    description: 'Void since then; null = not revoked.',
    of: (row: KeyRow) => row.revokedAt?.getTime() ?? null,
  },
  expiresAt: { description: 'Void from then on; null = never.', of: (row: KeyRow) => row.expiresAt?.getTime() ?? null },
  graceUntil: {
    description: 'It was rotated and is still taken until then; null = it was not.',
    of: (row: KeyRow) => row.graceUntil?.getTime() ?? null,
  },
} as const;

function addApiKey(types: CampaignsTypes, enums: CampaignsEnums, { loaders }: SchemaDeps, Rate: RateRef): void {
  types.ApiKey.implement({
    tag: 'internal',
    description: 'A key to this API. Its text is shown once, when it is made.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'Its id.' }),
      label: t.exposeString('label', { description: 'For people.' }),
      prefix: t.exposeString('prefix', { description: 'First characters of its text, to tell keys apart.' }),
      scopes: t.field({
        type: [enums.Scope],
        description: 'What it was made for; its member’s role may allow less.',
        resolve: ({ scopes }) => scopes as never,
      }),
      apps: t.field({
        type: [types.App],
        nullable: true,
        description: 'The apps that it is for; null = every app, later ones too.',
        resolve: async ({ allApps, appIds }, _args, context) => {
          if (allApps) return null;
          const rows = await Promise.all(appIds.map((id) => loaders.app(context).load(id)));
          return rows.filter((row) => row !== null);
        },
      }),
      member: t.field({
        type: types.Member,
        nullable: true,
        description: 'Whose role bounds it; null = nobody’s.',
        resolve: ({ memberId }, _args, context) => (memberId === null ? null : loaders.member(context).load(memberId)),
      }),
      partner: t.field({
        type: types.Partner,
        nullable: true,
        description: 'The partner whose figures it sees; null = it is the organisation’s own.',
        resolve: ({ partnerId }, _args, context) =>
          partnerId === null ? null : loaders.partner(context).load(partnerId),
      }),
      trustedOnly: t.exposeBoolean('trustedOnly', { description: 'Only trusted documents may be run with it.' }),
      ratePlan: t.field({
        type: enums.RatePlan,
        description: 'Which bounds its queries have.',
        resolve: ({ ratePlan }) => (ratePlan === 'large' ? 'large' : 'standard'),
      }),
      rate: t.field({ type: Rate, nullable: true, description: 'Cost points; null = the plan’s.', resolve: rateOf }),
      createdAt: t.field({ type: 'DateTime', description: times.createdAt.description, resolve: times.createdAt.of }),
      revokedAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: times.revokedAt.description,
        resolve: times.revokedAt.of,
      }),
      expiresAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: times.expiresAt.description,
        resolve: times.expiresAt.of,
      }),
      graceUntil: t.field({
        type: 'DateTime',
        nullable: true,
        description: times.graceUntil.description,
        resolve: times.graceUntil.of,
      }),
      rotatedFromId: t.exposeID('rotatedFromId', { nullable: true, description: 'The key that it replaced.' }),
    }),
  });
}

function addWriteKey(types: CampaignsTypes, enums: CampaignsEnums, { loaders }: SchemaDeps, Rate: RateRef): void {
  types.WriteKey.implement({
    tag: 'internal',
    description: 'A key that writes events to one app. Its text is shown once, when it is made.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'Its id.' }),
      app: t.field({
        type: types.App,
        nullable: true,
        description: 'The app that it writes to.',
        resolve: ({ appId }, _args, context) => loaders.app(context).load(appId),
      }),
      kind: t.expose('kind', { type: enums.WriteKeyKind, description: 'Where it is kept.' }),
      label: t.exposeString('label', { description: 'For people.' }),
      prefix: t.exposeString('prefix', { description: 'First characters of its text, to tell keys apart.' }),
      rate: t.field({ type: Rate, nullable: true, description: 'Events; null = the default.', resolve: rateOf }),
      dailyQuota: t.exposeInt('dailyQuota', { nullable: true, description: 'Events a UTC day; null = no quota.' }),
      createdAt: t.field({ type: 'DateTime', description: times.createdAt.description, resolve: times.createdAt.of }),
      revokedAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: times.revokedAt.description,
        resolve: times.revokedAt.of,
      }),
      expiresAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: times.expiresAt.description,
        resolve: times.expiresAt.of,
      }),
      graceUntil: t.field({
        type: 'DateTime',
        nullable: true,
        description: times.graceUntil.description,
        resolve: times.graceUntil.of,
      }),
      rotatedFromId: t.exposeID('rotatedFromId', { nullable: true, description: 'The key that it replaced.' }),
    }),
  });
}

const makeRate = ({ builder }: SubgraphKit) =>
  builder.objectRef<KeyRate>('KeyRate').implement({
    tag: 'internal',
    description: 'A token bucket over all processes.',
    fields: (t) => ({
      perSecond: t.exposeFloat('perSecond', { description: 'Refilled a second.' }),
      burst: t.exposeFloat('burst', { description: 'Held when full.' }),
    }),
  });
type RateRef = ReturnType<typeof makeRate>;

/** `ApiKey`, `WriteKey`, `Query.apiKeys` and `Query.writeKeys`. */
export function addKeys(kit: SubgraphKit, types: CampaignsTypes, enums: CampaignsEnums, deps: SchemaDeps): void {
  const { operations } = deps;
  const Rate = makeRate(kit);
  addApiKey(types, enums, deps, Rate);
  addWriteKey(types, enums, deps, Rate);
  const includeRevoked = {
    required: true,
    defaultValue: false,
    description: 'Whether revoked ones are among them.',
  } as const;
  kit.builder.queryFields((t) => ({
    apiKeys: t.field({
      type: [types.ApiKey],
      tag: 'internal',
      description: 'Keys to this API, newest first; never their texts. Needs `admin`.',
      args: { includeRevoked: t.arg.boolean(includeRevoked) },
      resolve: async (_root, args, context) => {
        requireTenantAdmin(context);
        const rows = await operations.readApiKeys(reachOf(context));
        return rows.filter((row) => args.includeRevoked || row.revokedAt === null);
      },
    }),
    writeKeys: t.field({
      type: [types.WriteKey],
      tag: 'internal',
      description: 'Keys that write events, newest first; never their texts. Needs `admin`.',
      args: {
        appId: t.arg.id({ description: 'Only of this app.' }),
        includeRevoked: t.arg.boolean(includeRevoked),
      },
      resolve: async (_root, { appId, ...args }, context) => {
        requireAdmin(context);
        const filter = appId == null ? {} : { appId: appId.replaceAll('\0', '') };
        const rows = await operations.readWriteKeys(reachOf(context), filter);
        return rows.filter((row) => args.includeRevoked || row.revokedAt === null);
      },
    }),
  }));
}
