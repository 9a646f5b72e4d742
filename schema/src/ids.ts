import { randomBytes, randomUUID } from 'node:crypto';

/**
 * Branded identifiers. A brand costs nothing at run time and stops one id from being passed where another is meant.
 * Every id that the product makes carries a prefix, so that a pasted id says what it is.
 */
export type Brand<T, B extends string> = T & { readonly __brand: B };

export type TenantId = Brand<string, 'TenantId'>;
export type AppId = Brand<string, 'AppId'>;
export type PartnerId = Brand<string, 'PartnerId'>;
export type CampaignId = Brand<string, 'CampaignId'>;
export type LinkId = Brand<string, 'LinkId'>;
export type KeyId = Brand<string, 'KeyId'>;
/** `${appId}:${sourceFormat}:${eventId}` of the install event: globally unique, and derivable from what the SDK sent. */
export type InstallId = Brand<string, 'InstallId'>;
/** `${appId}:${deviceKey}` */
export type PersonId = Brand<string, 'PersonId'>;

const prefixes = {
  tenant: 'ten',
  member: 'mem',
  app: 'app',
  partner: 'par',
  campaign: 'cmp',
  adgroup: 'adg',
  creative: 'crv',
  link: 'lnk',
  goal: 'goal',
  cost: 'cost',
  key: 'key',
  click: 'clk',
  request: 'req',
  audit: 'aud',
  import: 'imp',
  report: 'rep',
  alert: 'alr',
  firing: 'fir',
  job: 'job',
} as const;

export type IdKind = keyof typeof prefixes;

/** Lower-case, unambiguous, URL-safe alphabet of 32 (no i, l, o, u), so that 5 bits map to one character. */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';

/**
 * A new random id of the given kind, e.g. `app_7k3m0q9xw2tbe4hd` (80 random bits).
 *
 * @example newId('campaign') // 'cmp_…'
 */
export function newId(kind: IdKind): string {
  const bytes = randomBytes(16);
  let text = '';
  for (const byte of bytes) text += alphabet[byte & 31];
  return `${prefixes[kind]}_${text}`;
}

/** The bytes of a UUID v7 in canonical text form; ordered by creation time to the millisecond. */
export function uuidV7(nowMs: number): string {
  const hex = Math.max(0, Math.floor(nowMs)).toString(16).padStart(12, '0').slice(-12);
  const tail = randomUUID();
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7${tail.slice(15)}`;
}

/** Splits an install id into its parts; `null` when it isn't one. The event id may hold colons. */
export function parseInstallId(id: string): { appId: AppId; sourceFormat: string; eventId: string } | null {
  const first = id.indexOf(':');
  const second = first < 0 ? -1 : id.indexOf(':', first + 1);
  if (first <= 0 || second <= first + 1 || second === id.length - 1) return null;
  return {
    appId: id.slice(0, first) as AppId,
    sourceFormat: id.slice(first + 1, second),
    eventId: id.slice(second + 1),
  };
}

export function installIdOf(appId: string, sourceFormat: string, eventId: string): InstallId {
  return `${appId}:${sourceFormat}:${eventId}` as InstallId;
}

export function personIdOf(appId: string, deviceKey: string): PersonId {
  return `${appId}:${deviceKey}` as PersonId;
}

export function parsePersonId(id: string): { appId: AppId; deviceKey: string } | null {
  const at = id.indexOf(':');
  if (at <= 0 || at === id.length - 1) return null;
  return { appId: id.slice(0, at) as AppId, deviceKey: id.slice(at + 1) };
}
