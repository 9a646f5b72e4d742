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

/** The app, if the actor may change it. Throws NOT_FOUND alike for unknown, foreign and out of reach. */
export async function requireOwnApp({ tx, tenantId, appIds }: CommandScope, appId: string) {
  const app =
    appIds !== null && !appIds.includes(appId) ? null : await tx.app.findFirst({ where: { id: appId, tenantId } });
  if (!app) throw notFound('app', appId);
  return app;
}

/** The campaign, if the actor may change its app. Throws NOT_FOUND. */
export async function requireOwnCampaign({ tx, tenantId, appIds }: CommandScope, campaignId: string) {
  const campaign = await tx.campaign.findFirst({ where: { id: campaignId, tenantId } });
  if (!campaign || (appIds !== null && !appIds.includes(campaign.appId))) throw notFound('campaign', campaignId);
  return campaign;
}

/** A partner that is not archived. Throws NOT_FOUND. */
export async function requirePartner({ tx, tenantId }: CommandScope, partnerId: string) {
  const partner = await tx.partner.findFirst({ where: { id: partnerId, tenantId, archivedAt: null } });
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
