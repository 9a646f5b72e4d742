import type { Scope } from './directory.ts';

/** What a member of an organisation is. */
export const memberRoles = ['OWNER', 'ANALYST', 'PARTNER', 'READ_ONLY'] as const;
export type MemberRole = (typeof memberRoles)[number];

/** The most that a key may do that acts for a member of that role. Taking a role away takes effect on keys at once. */
export const roleScopes: Readonly<Record<MemberRole, readonly Scope[]>> = {
  OWNER: ['read:reports', 'read:personal', 'admin', 'ingest:write', 'ingest:backfill'],
  ANALYST: ['read:reports', 'read:personal'],
  PARTNER: ['read:reports'],
  READ_ONLY: ['read:reports'],
};

/** A partner's key never gets more than this, whatever it was made with. */
export const partnerScopes: readonly Scope[] = ['read:reports'];
