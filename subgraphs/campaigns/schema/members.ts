import { z } from 'zod';
import {
  addConnection,
  connectionArgs,
  connectionOf,
  decodeCursor,
  encodeCursor,
  parsePage,
  type SubgraphKit,
} from '../../src/kit.ts';
import { reachOf } from '../loaders.ts';
import type { CampaignsEnums } from './enums.ts';
import { type CampaignsTypes, requireTenantAdmin, type SchemaDeps } from './types.ts';

/** Sort key of what is listed newest first: epoch ms and id. */
export const timeCursor = z.tuple([
  z.number().int().min(0).max(8.64e15),
  z
    .string()
    .max(200)
    .regex(/^[^\0]*$/),
]);

function addMember(
  kit: SubgraphKit,
  types: CampaignsTypes,
  enums: CampaignsEnums,
  { operations, loaders }: SchemaDeps,
) {
  types.Member.implement({
    tag: 'internal',
    description: 'A person of the organisation.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'Its id.' }),
      email: t.exposeString('email', { tag: 'personal', description: 'Their address, lower case.' }),
      role: t.expose('role', { type: enums.MemberRole, description: 'What they may do, at most.' }),
      partner: t.field({
        type: types.Partner,
        nullable: true,
        description: 'Whose figures they see; only of the role PARTNER.',
        resolve: ({ partnerId }, _args, context) =>
          partnerId === null ? null : loaders.partner(context).load(partnerId),
      }),
      createdAt: t.field({ type: 'DateTime', description: 'Since when.', resolve: (row) => row.createdAt.getTime() }),
      removedAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'No member since then, and their keys are void; null = a member.',
        resolve: ({ removedAt }) => removedAt?.getTime() ?? null,
      }),
    }),
  });
  kit.builder.queryField('members', (t) =>
    t.field({
      type: [types.Member],
      tag: 'internal',
      description: 'The members of the organisation, by address. Needs `admin`.',
      args: {
        includeRemoved: t.arg.boolean({
          required: true,
          defaultValue: false,
          description: 'Whether those who left are among them.',
        }),
      },
      resolve: async (_root, { includeRemoved }, context) => {
        requireTenantAdmin(context);
        const rows = await operations.readMembers(reachOf(context));
        return rows.filter((row) => includeRemoved || row.removedAt === null);
      },
    }),
  );
}

function addAuditLog(kit: SubgraphKit, types: CampaignsTypes, { operations }: SchemaDeps): void {
  types.AuditEntry.implement({
    tag: 'internal',
    description: 'Who changed what. Kept as long as the organisation; never a key or a password.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'Its id.' }),
      at: t.field({ type: 'DateTime', description: 'When.', resolve: (row) => row.at.getTime() }),
      actor: t.exposeString('actor', { description: 'Id of a key or a member, or `system`.' }),
      action: t.exposeString('action', { description: '`<noun>.<verb>`, e.g. `key.revoked`.' }),
      subjectId: t.exposeString('subjectId', { description: 'What was changed.' }),
      details: t.field({
        type: 'JSON',
        description: '`changes` holds `{ field: { from, to } }`; other facts stand beside it.',
        resolve: (row) => row.details,
      }),
    }),
  });
  const Connection = addConnection(kit, 'AuditEntry', types.AuditEntry, { tag: 'internal' });
  kit.builder.queryField('auditLog', (t) =>
    t.field({
      type: Connection,
      tag: 'internal',
      description: 'Every change to the organisation, newest first. Needs `admin`.',
      args: {
        action: t.arg.string({ description: 'Only actions that begin so, e.g. `key.`.' }),
        actor: t.arg.string({ description: 'Only of this key or member.' }),
        subjectId: t.arg.string({ description: 'Only about this.' }),
        ...connectionArgs(t.arg),
      },
      resolve: async (_root, { action, actor, subjectId, ...args }, context) => {
        requireTenantAdmin(context);
        const page = parsePage(args);
        const after = page.after === null ? null : decodeCursor(page.after, timeCursor);
        const storable = (text: string | null | undefined) => text?.replaceAll('\0', '') ?? undefined;
        const filter = { action: storable(action), actor: storable(actor), subjectId: storable(subjectId) };
        const rows = await operations.readAuditPage(reachOf(context), page, after, filter);
        return connectionOf(rows, page, ({ at, id }) => encodeCursor([at.getTime(), id]));
      },
    }),
  );
}

/** `Member`, `AuditEntry`, `Query.members` and `Query.auditLog`. */
export function addMembers(kit: SubgraphKit, types: CampaignsTypes, enums: CampaignsEnums, deps: SchemaDeps): void {
  addMember(kit, types, enums, deps);
  addAuditLog(kit, types, deps);
}
