import { CodedError, newId, partnerScopes, ratePlans, roleScopes, scopes } from '@tributary/schema';
import { z } from 'zod';
import { notFound } from '../accounts.ts';
import { name } from '../inputs.ts';
import { mintKey } from '../keys.ts';
import { type CommandScope, defineCommand } from './command.ts';
import { idInput, ownRow, refuseField, requireOwnApp, requirePartner, requireWholeTenant } from './scope.ts';

/**
 * API keys and write keys. The text of a key is the `secret` of the first answer and kept nowhere; a repeat of the request
 * answers without it. Nobody makes a key that may do more than their own.
 */

/** Epoch ms. */
const instant = z.number().transform((value) => new Date(value));
const rate = z.object({ perSecond: z.number().positive().max(1e6), burst: z.number().positive().max(1e7) }).nullish();
const ratePlan = z.enum(Object.keys(ratePlans) as [keyof typeof ratePlans]);

function requireFuture({ nowMs }: CommandScope, expiresAt: Date | null | undefined): void {
  if (expiresAt && expiresAt.getTime() <= nowMs) refuseField('expiresAt', 'must lie ahead');
}

/** Whose the key is: a member's role or a partner bounds what it may do. */
async function boundsOf(
  scope: CommandScope,
  given: { memberId?: string | null | undefined; partnerId?: string | null | undefined },
) {
  const { tx, tenantId } = scope;
  const member = given.memberId
    ? ownRow(scope, await tx.member.findFirst({ where: { id: given.memberId, tenantId, removedAt: null } }))
    : null;
  if (given.memberId && !member) throw notFound('member', given.memberId);
  if (given.partnerId) await requirePartner(scope, given.partnerId);
  if (member?.partnerId && given.partnerId && member.partnerId !== given.partnerId) {
    refuseField('partnerId', 'is not the member’s');
  }
  const partnerId = given.partnerId ?? member?.partnerId ?? null;
  const most = new Set<string>(partnerId ? partnerScopes : scopes);
  return { partnerId, allowed: member ? roleScopes[member.role].filter((one) => most.has(one)) : [...most] };
}

export const createApiKeyCommand = defineCommand({
  operation: 'createApiKey',
  topics: ['directory'],
  input: z.object({
    label: name,
    scopes: z.array(z.enum(scopes)).min(1),
    /** null = every app of the tenant, later ones too. */
    appIds: z.array(idInput).min(1).max(1_000).nullish(),
    memberId: idInput.nullish(),
    partnerId: idInput.nullish(),
    trustedOnly: z.boolean().optional(),
    ratePlan: ratePlan.optional(),
    rate,
    expiresAt: instant.nullish(),
  }),
  run: async (scope, given) => {
    requireWholeTenant(scope);
    requireFuture(scope, given.expiresAt);
    for (const appId of given.appIds ?? []) await requireOwnApp(scope, appId);
    const { partnerId, allowed } = await boundsOf(scope, given);
    for (const wanted of given.scopes) {
      if (!scope.scopes.includes(wanted))
        throw new CodedError('FORBIDDEN', { message: `This key lacks ${wanted}, and so can’t give it.` });
      if (!(allowed as readonly string[]).includes(wanted)) {
        refuseField('scopes', `${wanted} is more than the ${partnerId ? 'partner' : 'member'} may have`);
      }
    }
    const keyId = newId('key');
    const { key, hash, prefix } = mintKey('api');
    const row = {
      label: given.label,
      prefix,
      scopes: [...new Set(given.scopes)],
      allApps: !given.appIds,
      appIds: [...new Set(given.appIds ?? [])],
      memberId: given.memberId ?? null,
      partnerId,
      trustedOnly: given.trustedOnly ?? false,
      ratePlan: given.ratePlan ?? 'standard',
      ratePerSecond: given.rate?.perSecond ?? null,
      rateBurst: given.rate?.burst ?? null,
      expiresAt: given.expiresAt ?? null,
    };
    await scope.tx.apiKey.create({ data: { id: keyId, tenantId: scope.tenantId, hash, ...row } });
    return { result: { id: keyId }, secret: key, audit: [{ action: 'key.created', subjectId: keyId, after: row }] };
  },
});

export const createWriteKeyCommand = defineCommand({
  operation: 'createWriteKey',
  topics: ['directory'],
  input: z.object({
    appId: idInput,
    kind: z.enum(['write', 'secret']),
    label: name,
    rate,
    dailyQuota: z.int().positive().max(2_000_000_000).nullish(),
    expiresAt: instant.nullish(),
  }),
  run: async (scope, { rate: wanted, ...given }) => {
    await requireOwnApp(scope, given.appId);
    requireFuture(scope, given.expiresAt);
    const keyId = newId('key');
    const { key, hash, prefix } = mintKey(given.kind);
    const row = {
      ...given,
      prefix,
      dailyQuota: given.dailyQuota ?? null,
      expiresAt: given.expiresAt ?? null,
      ratePerSecond: wanted?.perSecond ?? null,
      rateBurst: wanted?.burst ?? null,
    };
    await scope.tx.writeKey.create({ data: { id: keyId, tenantId: scope.tenantId, hash, ...row } });
    return { result: { id: keyId }, secret: key, audit: [{ action: 'key.created', subjectId: keyId, after: row }] };
  },
});

/** The live key of that id and kind, if the actor may change it. Throws NOT_FOUND, CONFLICT when it is revoked. */
async function requireKey(scope: CommandScope, keyId: string, kind: 'api' | 'write') {
  const where = { id: keyId, tenantId: scope.tenantId };
  const api = kind === 'api' ? ownRow(scope, await scope.tx.apiKey.findFirst({ where })) : null;
  const write = kind === 'write' ? ownRow(scope, await scope.tx.writeKey.findFirst({ where })) : null;
  if (api) requireWholeTenant(scope);
  if (write) await requireOwnApp(scope, write.appId);
  if (!api && !write) throw notFound('key', keyId);
  return { api, write };
}

function revoking(kind: 'api' | 'write') {
  return defineCommand({
    operation: kind === 'api' ? 'revokeApiKey' : 'revokeWriteKey',
    topics: ['directory'],
    input: z.object({
      keyId: idInput,
      confirm: z.literal(true, { error: 'must be true: a revoked key can’t be restored' }),
    }),
    run: async (scope, { keyId }) => {
      await requireKey(scope, keyId, kind);
      const live = {
        where: { id: keyId, tenantId: scope.tenantId, revokedAt: null },
        data: { revokedAt: new Date(scope.nowMs) },
      };
      const { count } = await (kind === 'api' ? scope.tx.apiKey.updateMany(live) : scope.tx.writeKey.updateMany(live));
      return {
        result: { id: keyId },
        // Revoking twice is no fault, and no second event.
        audit: count === 0 ? [] : [{ action: 'key.revoked', subjectId: keyId }],
      };
    },
  });
}

export const revokeApiKey = revoking('api');
export const revokeWriteKey = revoking('write');

const rotation = z.object({
  keyId: idInput,
  /** How long the old key is still taken beside the new one. */
  graceHours: z.number().min(0).max(720),
});

function requireLive(key: { revokedAt: Date | null; graceUntil: Date | null }): void {
  if (key.revokedAt) throw new CodedError('CONFLICT', { message: 'That key is revoked.' });
  if (key.graceUntil) throw new CodedError('CONFLICT', { message: 'That key was rotated already.' });
}

/** The columns of a key that its successor has too. */
function inherited<T extends { id: string; createdAt: Date }>(
  key: T,
  scope: CommandScope,
  kind: 'api' | 'write' | 'secret',
) {
  const { key: text, hash, prefix } = mintKey(kind);
  const row = {
    ...key,
    id: newId('key'),
    hash,
    prefix,
    createdAt: new Date(scope.nowMs),
    rotatedFromId: key.id,
    graceUntil: null,
  };
  return { text, row };
}

const rotated = (oldId: string, newKeyId: string, graceUntil: Date, text: string) => ({
  result: { id: newKeyId, oldId },
  secret: text,
  audit: [
    { action: 'key.rotated', subjectId: oldId, after: { graceUntil } },
    { action: 'key.created', subjectId: newKeyId, after: { rotatedFromId: oldId } },
  ],
});

/** A new key with the same rights; the old one is taken until the grace period ends, then revoked. */
export const rotateApiKey = defineCommand({
  operation: 'rotateApiKey',
  topics: ['directory'],
  input: rotation,
  run: async (scope, { keyId, graceHours }) => {
    const { api } = await requireKey(scope, keyId, 'api');
    if (!api) throw notFound('key', keyId);
    requireLive(api);
    for (const held of api.scopes) {
      if (!scope.scopes.includes(held))
        throw new CodedError('FORBIDDEN', { message: `This key lacks ${held}, and so can’t give it.` });
    }
    const { text, row } = inherited(api, scope, 'api');
    const graceUntil = new Date(scope.nowMs + graceHours * 3_600_000);
    await scope.tx.apiKey.create({ data: row });
    await scope.tx.apiKey.updateMany({
      where: { id: keyId, tenantId: scope.tenantId },
      data: graceHours === 0 ? { graceUntil, revokedAt: graceUntil } : { graceUntil },
    });
    return rotated(keyId, row.id, graceUntil, text);
  },
});

export const rotateWriteKey = defineCommand({
  operation: 'rotateWriteKey',
  topics: ['directory'],
  input: rotation,
  run: async (scope, { keyId, graceHours }) => {
    const { write } = await requireKey(scope, keyId, 'write');
    if (!write) throw notFound('key', keyId);
    requireLive(write);
    const { text, row } = inherited(write, scope, write.kind);
    const graceUntil = new Date(scope.nowMs + graceHours * 3_600_000);
    await scope.tx.writeKey.create({ data: row });
    await scope.tx.writeKey.updateMany({
      where: { id: keyId, tenantId: scope.tenantId },
      data: graceHours === 0 ? { graceUntil, revokedAt: graceUntil } : { graceUntil },
    });
    return rotated(keyId, row.id, graceUntil, text);
  },
});
