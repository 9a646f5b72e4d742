import { CodedError } from '@tributary/schema';
import { z } from 'zod';
import { notFound } from '../accounts.ts';
import type { CommandScope } from './command.ts';

/** An id as it comes; Postgres refuses a zero in any text. */
export const idInput = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\0]*$/, { error: 'is no id' });

/** Refuses (FORBIDDEN) an actor whose key is for some apps only: this is the organisation's. */
export function requireWholeTenant({ appIds }: CommandScope): void {
  if (appIds !== null) {
    throw new CodedError('FORBIDDEN', { message: 'This key is for some apps only; that is the organisation’s.' });
  }
}

/**
 * The row, if it is the actor's tenant's; else null, as for an unknown id. Statements name the tenant already: this is the same wall
 * a second time, in code, so that one forgotten condition opens nothing.
 */
export function ownRow<T extends { readonly tenantId: string }>({ tenantId }: CommandScope, row: T | null): T | null {
  return row?.tenantId === tenantId ? row : null;
}

/** The app, if the actor may change it. Throws NOT_FOUND alike for unknown, foreign and out of reach. */
export async function requireOwnApp(scope: CommandScope, appId: string) {
  const { tx, tenantId, appIds } = scope;
  const within = appIds === null || appIds.includes(appId);
  const app = within ? ownRow(scope, await tx.app.findFirst({ where: { id: appId, tenantId } })) : null;
  if (!app) throw notFound('app', appId);
  return app;
}

/** The campaign, if the actor may change its app. Throws NOT_FOUND. */
export async function requireOwnCampaign(scope: CommandScope, campaignId: string) {
  const { tx, tenantId, appIds } = scope;
  const campaign = ownRow(scope, await tx.campaign.findFirst({ where: { id: campaignId, tenantId } }));
  if (!campaign || (appIds !== null && !appIds.includes(campaign.appId))) throw notFound('campaign', campaignId);
  return campaign;
}

/** A partner that is not archived. Throws NOT_FOUND. */
export async function requirePartner(scope: CommandScope, partnerId: string) {
  const { tx, tenantId } = scope;
  const partner = ownRow(scope, await tx.partner.findFirst({ where: { id: partnerId, tenantId, archivedAt: null } }));
  if (!partner) throw notFound('partner', partnerId);
  return partner;
}

/** Only what was given, with null as null: an absent field leaves what is there. */
export function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}

/** Throws BAD_USER_INPUT about one field. */
export function refuseField(field: string, message: string): never {
  throw new CodedError('BAD_USER_INPUT', {
    message: `${field}: ${message}`,
    details: { issues: [{ field: field.split('.'), message }] },
  });
}
