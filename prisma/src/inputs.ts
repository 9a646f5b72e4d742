import { CodedError, decimalPattern, eventKinds, scopes } from '@tributary/schema';
import { z } from 'zod';

/** What callers of this folder may ask for, checked before it meets the store. */

export const name = z.string().trim().min(1).max(200);

export function isTimezone(value: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: value });
    return true;
  } catch {
    return false;
  }
}

/** http(s), or an app store's own scheme; nothing that a browser would run. */
export const linkTarget = z
  .string()
  .max(2_000)
  .refine((value) => /^(https?|market|itms-apps?|itms-appss):\/\/[^\s]+$/i.test(value), {
    error: 'must be an http(s) or store URL',
  });

export const tenantInput = z.object({
  name,
  /** Default: made from the name, with a random ending. */
  slug: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,62}$/)
    .optional(),
});

export const memberInput = z.object({
  tenantId: z.string().min(1),
  email: z
    .email()
    .max(320)
    .transform((value) => value.toLowerCase()),
  role: z.enum(['OWNER', 'ANALYST', 'PARTNER', 'READ_ONLY']),
});

export const appInput = z.object({
  tenantId: z.string().min(1),
  name,
  platform: z.enum(['ios', 'android', 'web', 'cross_platform']),
  currency: z.string().regex(/^[A-Z]{3}$/, { error: 'must be an ISO 4217 code' }),
  timezone: z.string().refine(isTimezone, { error: 'must be an IANA time zone' }),
  storeUrl: linkTarget.nullish(),
  ipPolicy: z.enum(['keep', 'truncate', 'drop']).optional(),
  clickLookbackHours: z.int().min(1).max(720).optional(),
  viewLookbackHours: z.int().min(1).max(720).optional(),
  reinstallDays: z.int().min(0).max(3_650).optional(),
  retentionDays: z.int().min(1).max(3_650).optional(),
});

export const apiKeyInput = z.object({
  tenantId: z.string().min(1),
  label: name,
  scopes: z.array(z.enum(scopes)).min(1),
  /** null = every app of the tenant, later ones too. */
  appIds: z.array(z.string().min(1)).min(1).nullable(),
  ratePlan: name.optional(),
});

export const writeKeyInput = z.object({
  tenantId: z.string().min(1),
  appId: z.string().min(1),
  kind: z.enum(['write', 'secret']),
  label: name,
});

export const partnerInput = z.object({ tenantId: z.string().min(1), name, network: name });

export const campaignInput = z.object({
  tenantId: z.string().min(1),
  appId: z.string().min(1),
  partnerId: z.string().min(1).nullish(),
  name,
  /** Default: the partner's. */
  network: name.nullish(),
});

export const adGroupInput = z.object({ tenantId: z.string().min(1), campaignId: z.string().min(1), name });
export const creativeInput = z.object({ tenantId: z.string().min(1), adGroupId: z.string().min(1), name });

export const trackingLinkInput = z.object({
  tenantId: z.string().min(1),
  appId: z.string().min(1),
  campaignId: z.string().min(1).nullish(),
  /** Default: random. */
  slug: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{2,63}$/)
    .optional(),
  targetUrl: linkTarget,
  expiresAt: z.date().nullish(),
});

export const goalInput = z.object({
  tenantId: z.string().min(1),
  appId: z.string().min(1),
  name,
  eventKind: z.enum(eventKinds),
  eventName: name.nullish(),
});

export const currency = z.string().regex(/^[A-Z]{3}$/, { error: 'must be an ISO 4217 code' });
export const amount = z.string().regex(decimalPattern, { error: 'must be a plain decimal text with up to 6 decimals' });

export const costInput = z.object({ campaignId: z.string().min(1), day: z.iso.date(), amount, currency });

/** Parses what a caller gave. Throws BAD_USER_INPUT with every fault in `details.faults`, by field in `details.issues`. */
export function parseInput<T extends z.ZodType>(schema: T, given: unknown): z.output<T> {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) => ({ field: path.map(String), message }));
  const faults = issues.map(({ field, message }) => `${field.join('.')}: ${message}`);
  throw new CodedError('BAD_USER_INPUT', { message: faults.join('; '), details: { faults, issues } });
}

/** The same object without the fields that were not given, so that the store's own defaults apply. */
export function withoutUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== undefined)) as never;
}
