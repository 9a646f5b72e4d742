import { CodedError, memberRoles, newId } from '@tributary/schema';
import { z } from 'zod';
import { notFound } from '../accounts.ts';
import { type CommandScope, defineCommand } from './command.ts';
import { idInput, ownRow, refuseField, requirePartner, requireWholeTenant } from './scope.ts';

/** Members of the organisation. A role's scopes bound every key that acts for the member (roles.ts of schema). */

const email = z
  .email()
  .max(320)
  .transform((value) => value.toLowerCase());
const role = z.enum(memberRoles);

async function requireFittingPartner(
  scope: CommandScope,
  given: { role: string; partnerId?: string | null | undefined },
) {
  if (given.role === 'PARTNER' && !given.partnerId) refuseField('partnerId', 'a partner’s member names their partner');
  if (given.role !== 'PARTNER' && given.partnerId) refuseField('partnerId', 'only the role PARTNER has a partner');
  if (given.partnerId) await requirePartner(scope, given.partnerId);
}

async function requireMember(scope: CommandScope, memberId: string) {
  const { tx, tenantId } = scope;
  const member = ownRow(scope, await tx.member.findFirst({ where: { id: memberId, tenantId } }));
  if (!member) throw notFound('member', memberId);
  return member;
}

/** Somebody must be able to let others in again. Called after the change, in its transaction. */
async function requireOwnerLeft({ tx, tenantId }: CommandScope): Promise<void> {
  // Locks the owners' rows: two owners who remove each other at once would otherwise both succeed.
  const owners = await tx.$queryRaw<{ id: string }[]>`
    SELECT "id" FROM "Member" WHERE "tenantId" = ${tenantId} AND "role" = 'OWNER' ORDER BY "id" FOR UPDATE`;
  const left = await tx.member.count({
    where: { id: { in: owners.map(({ id }) => id) }, removedAt: null, role: 'OWNER' },
  });
  if (left === 0) throw new CodedError('CONFLICT', { message: 'An organisation keeps at least one owner.' });
}

export const addMember = defineCommand({
  operation: 'addMember',
  taken: 'That address is a member already, or was one: restore it.',
  input: z.object({ email, role, partnerId: idInput.nullish() }),
  run: async (scope, given) => {
    requireWholeTenant(scope);
    await requireFittingPartner(scope, given);
    const row = { id: newId('member'), tenantId: scope.tenantId, ...given, partnerId: given.partnerId ?? null };
    await scope.tx.member.create({ data: row });
    return {
      result: { id: row.id },
      audit: [{ action: 'member.added', subjectId: row.id, after: { role: row.role, partnerId: row.partnerId } }],
    };
  },
});

export const setMemberRole = defineCommand({
  operation: 'setMemberRole',
  topics: ['directory'],
  input: z.object({ memberId: idInput, role, partnerId: idInput.nullish() }),
  run: async (scope, { memberId, ...given }) => {
    requireWholeTenant(scope);
    const before = await requireMember(scope, memberId);
    await requireFittingPartner(scope, given);
    const after = { role: given.role, partnerId: given.partnerId ?? null };
    await scope.tx.member.updateMany({ where: { id: memberId, tenantId: scope.tenantId }, data: after });
    await requireOwnerLeft(scope);
    return {
      result: { id: memberId },
      audit: [
        {
          action: 'member.role_set',
          subjectId: memberId,
          before: { role: before.role, partnerId: before.partnerId },
          after,
        },
      ],
    };
  },
});

const removal = (operation: 'removeMember' | 'restoreMember') =>
  defineCommand({
    operation,
    topics: ['directory'],
    input: z.object({ memberId: idInput }),
    run: async (scope, { memberId }) => {
      requireWholeTenant(scope);
      const before = await requireMember(scope, memberId);
      const gone = operation === 'removeMember';
      const removedAt = gone ? (before.removedAt ?? new Date(scope.nowMs)) : null;
      await scope.tx.member.updateMany({ where: { id: memberId, tenantId: scope.tenantId }, data: { removedAt } });
      await requireOwnerLeft(scope);
      return {
        result: { id: memberId },
        audit: [
          {
            action: gone ? 'member.removed' : 'member.restored',
            subjectId: memberId,
            before: { removedAt: before.removedAt },
            after: { removedAt },
          },
        ],
      };
    },
  });

/** Their keys are void at once. Undone by `restoreMember`. */
export const removeMember = removal('removeMember');
export const restoreMember = removal('restoreMember');
