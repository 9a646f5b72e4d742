import { CodedError, newId, type Scope } from '@tributary/schema';
import type { z } from 'zod';
import { recordAudit } from './audit.ts';
import type { Relational, RelationalReader } from './client.ts';
import { withDirectoryChange } from './directory.ts';
import { isUniqueConflict } from './faults.ts';
import {
  apiKeyInput,
  appInput,
  memberInput,
  parseInput,
  tenantInput,
  withoutUndefined,
  writeKeyInput,
} from './inputs.ts';
import { mintKey } from './keys.ts';

/**
 * Tenants, members, apps and keys. Every function takes who acts (`system` by default: command line and seeds) and leaves
 * an audit entry in the same transaction.
 *
 * All throw BAD_USER_INPUT for what can't be, NOT_FOUND for what isn't the tenant's, RELATIONAL_UNAVAILABLE.
 */

export interface IssuedKey {
  readonly keyId: string;
  /** Shown this once; only its SHA-256 is stored. */
  readonly key: string;
  readonly prefix: string;
}

const system = 'system';

export function notFound(what: string, id: string): CodedError {
  return new CodedError('NOT_FOUND', { message: `There is no ${what} of that id.`, details: { id } });
}

/** Turns the store's refusal of a second row with the same name into the caller's fault. */
export async function refuseRepeat<T>(message: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw isUniqueConflict(error) ? new CodedError('BAD_USER_INPUT', { message, cause: error }) : error;
  }
}

function slugOf(name: string): string {
  const base = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 40);
  return `${base || 'tenant'}-${newId('tenant').slice(-6)}`;
}

export async function createTenant(
  relational: Relational,
  given: z.input<typeof tenantInput>,
  actor = system,
): Promise<{ readonly tenantId: string; readonly slug: string }> {
  const { name, slug = slugOf(name) } = parseInput(tenantInput, given);
  const tenantId = newId('tenant');
  const made = relational.transact(async (tx) => {
    await tx.tenant.create({ data: { id: tenantId, name, slug } });
    await recordAudit(tx, [{ tenantId, actor, action: 'tenant.created', subjectId: tenantId, details: { name } }]);
  });
  await refuseRepeat(`There is a tenant ${slug} already.`, made);
  return { tenantId, slug };
}

/** A second member of the same address in a tenant is refused. */
export async function createMember(
  relational: Relational,
  given: z.input<typeof memberInput>,
  actor = system,
): Promise<{ readonly memberId: string }> {
  const { tenantId, email, role } = parseInput(memberInput, given);
  const memberId = newId('member');
  const made = relational.transact(async (tx) => {
    await requireTenant(tx, tenantId);
    await tx.member.create({ data: { id: memberId, tenantId, email, role } });
    await recordAudit(tx, [{ tenantId, actor, action: 'member.created', subjectId: memberId, details: { role } }]);
  });
  await refuseRepeat('That address is a member already.', made);
  return { memberId };
}

export async function createApp(
  relational: Relational,
  given: z.input<typeof appInput>,
  actor = system,
): Promise<{ readonly appId: string }> {
  const { tenantId, ...parsed } = parseInput(appInput, given);
  const appId = newId('app');
  await withDirectoryChange(relational, async (tx) => {
    await requireTenant(tx, tenantId);
    await tx.app.create({ data: { ...withoutUndefined(parsed), id: appId, tenantId } });
    await recordAudit(tx, [
      { tenantId, actor, action: 'app.created', subjectId: appId, details: { name: parsed.name } },
    ]);
  });
  return { appId };
}

/** A disabled app takes no events; what was stored stays readable. */
export async function setAppEnabled(
  relational: Relational,
  given: { readonly tenantId: string; readonly appId: string; readonly enabled: boolean },
  actor = system,
): Promise<void> {
  const { tenantId, appId, enabled } = given;
  await withDirectoryChange(relational, async (tx) => {
    const { count } = await tx.app.updateMany({ where: { id: appId, tenantId }, data: { enabled } });
    if (count === 0) throw notFound('app', appId);
    const action = enabled ? 'app.enabled' : 'app.disabled';
    await recordAudit(tx, [{ tenantId, actor, action, subjectId: appId }]);
  });
}

export async function createApiKey(
  relational: Relational,
  given: z.input<typeof apiKeyInput>,
  actor = system,
): Promise<IssuedKey> {
  const { tenantId, label, scopes, appIds, ratePlan } = parseInput(apiKeyInput, given);
  return withDirectoryChange(relational, async (tx) => {
    await requireTenant(tx, tenantId);
    for (const appId of appIds ?? []) await requireTenantApp(tx, tenantId, appId);
    const keyId = newId('key');
    const { key, hash, prefix } = mintKey('api');
    await tx.apiKey.create({
      data: {
        id: keyId,
        tenantId,
        label,
        hash,
        prefix,
        scopes: [...new Set(scopes)],
        allApps: appIds === null,
        appIds: [...new Set(appIds ?? [])],
        ...(ratePlan === undefined ? {} : { ratePlan }),
      },
    });
    const details = { label, prefix, scopes, appIds };
    await recordAudit(tx, [{ tenantId, actor, action: 'key.created', subjectId: keyId, details }]);
    return { keyId, key, prefix };
  });
}

export async function createWriteKey(
  relational: Relational,
  given: z.input<typeof writeKeyInput>,
  actor = system,
): Promise<IssuedKey> {
  const { tenantId, appId, kind, label } = parseInput(writeKeyInput, given);
  return withDirectoryChange(relational, async (tx) => {
    await requireTenantApp(tx, tenantId, appId);
    const keyId = newId('key');
    const { key, hash, prefix } = mintKey(kind);
    await tx.writeKey.create({ data: { id: keyId, tenantId, appId, kind, label, hash, prefix } });
    const details = { label, prefix, kind, appId };
    await recordAudit(tx, [{ tenantId, actor, action: 'key.created', subjectId: keyId, details }]);
    return { keyId, key, prefix };
  });
}

/** Ends a key of any kind, for good; it leaves the directory with the next publication. Revoking twice is no fault. */
export async function revokeKey(
  relational: Relational,
  given: { readonly tenantId: string; readonly keyId: string },
  actor = system,
): Promise<void> {
  const { tenantId, keyId } = given;
  await withDirectoryChange(relational, async (tx) => {
    const live = { where: { id: keyId, tenantId, revokedAt: null }, data: { revokedAt: new Date() } };
    const revoked = (await tx.apiKey.updateMany(live)).count + (await tx.writeKey.updateMany(live)).count;
    if (revoked > 0) {
      await recordAudit(tx, [{ tenantId, actor, action: 'key.revoked', subjectId: keyId }]);
      return;
    }
    const where = { id: keyId, tenantId };
    if ((await tx.apiKey.count({ where })) + (await tx.writeKey.count({ where })) === 0) throw notFound('key', keyId);
  });
}

async function requireTenant(tx: RelationalReader, tenantId: string): Promise<void> {
  if ((await tx.tenant.count({ where: { id: tenantId } })) === 0) throw notFound('tenant', tenantId);
}

/** The app's settings that other rows must fit; NOT_FOUND for another tenant's. */
export async function requireTenantApp(
  tx: RelationalReader,
  tenantId: string,
  appId: string,
): Promise<{ readonly currency: string }> {
  const app = await tx.app.findFirst({ where: { id: appId, tenantId }, select: { currency: true } });
  if (!app) throw notFound('app', appId);
  return app;
}

export interface InitGiven {
  readonly tenantName: string;
  readonly ownerEmail: string;
  readonly app: {
    readonly name: string;
    readonly platform: z.input<typeof appInput>['platform'];
    readonly currency: string;
    readonly timezone: string;
  };
}

export interface InitializedTenant {
  readonly tenantId: string;
  readonly memberId: string;
  readonly appId: string;
  /** For apps and websites. */
  readonly writeKey: string;
  /** For servers: may backfill. */
  readonly secretKey: string;
  /** For GraphQL: everything of this tenant. */
  readonly apiKey: string;
}

const ownerScopes: readonly Scope[] = ['read:reports', 'read:personal', 'admin'];

/** The first tenant of an installation: its owner, an app, and one key of each kind. The keys are returned this once. */
export async function initTenant(relational: Relational, given: InitGiven): Promise<InitializedTenant> {
  // Checked beforehand, so that a bad app leaves no half-made tenant behind.
  parseInput(memberInput, { tenantId: 'new', email: given.ownerEmail, role: 'OWNER' });
  parseInput(appInput, { tenantId: 'new', ...given.app });
  const { tenantId } = await createTenant(relational, { name: given.tenantName });
  const { memberId } = await createMember(relational, { tenantId, email: given.ownerEmail, role: 'OWNER' });
  const { appId } = await createApp(relational, { tenantId, ...given.app });
  const write = await createWriteKey(relational, { tenantId, appId, kind: 'write', label: 'First write key' });
  const secret = await createWriteKey(relational, { tenantId, appId, kind: 'secret', label: 'First secret key' });
  const api = await createApiKey(relational, {
    tenantId,
    label: 'Owner',
    scopes: [...ownerScopes],
    appIds: null,
  });
  return { tenantId, memberId, appId, writeKey: write.key, secretKey: secret.key, apiKey: api.key };
}
