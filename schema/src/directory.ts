import { z } from 'zod';

/**
 * The directory: what the data-plane roles (collector, attribution, gateway's auth) must know of the relational store,
 * as one versioned, self-contained snapshot. The process that owns the relational store publishes it; others read it.
 * It holds hashes of keys, never keys.
 */

/** What an app's owner lets in, and how it is changed on the way in. Every part has a default that changes nothing. */
export const intakePolicySchema = z.object({
  /** Device ids (idfa, idfv, gaid, android_id) are stored as salted hashes. Matching works on the hashes. */
  hashDeviceIds: z.boolean().default(false),
  /** `record`: consent is stored as sent. `require`: events whose consent is denied lose device ids, address and user agent. */
  consentPolicy: z.enum(['record', 'require']).default('record'),
  /** Web origins whose browsers may send and query, e.g. `https://shop.example`; empty = any may send, none may query. */
  webOrigins: z.array(z.string()).default([]),
  /** Event names that are dropped, answered as accepted and counted. */
  blockedEvents: z.array(z.string()).default([]),
  /** Addresses or CIDR ranges that are refused. */
  blockedIps: z.array(z.string()).default([]),
  /** Texts of which any in the user agent refuses a request; case is ignored. */
  blockedUserAgents: z.array(z.string()).default([]),
  /** Share of an event name's events that is kept, 0…1, chosen by device so that a person is in or out as a whole. */
  sampling: z.array(z.object({ eventName: z.string(), keep: z.number().min(0).max(1) })).default([]),
  /** `TEAMID.bundle.id` of the iOS apps that open tracking links. */
  iosAppIds: z.array(z.string()).default([]),
  /** Android packages that open tracking links, with the SHA-256 fingerprints of their signing certificates. */
  androidApps: z.array(z.object({ packageName: z.string(), sha256Fingerprints: z.array(z.string()) })).default([]),
});
export type IntakePolicy = z.output<typeof intakePolicySchema>;
export const defaultIntakePolicy: IntakePolicy = intakePolicySchema.parse({});

export const directoryAppSchema = z.object({
  appId: z.string(),
  tenantId: z.string(),
  name: z.string(),
  platform: z.enum(['ios', 'android', 'web', 'cross_platform']),
  enabled: z.boolean(),
  timezone: z.string(),
  currency: z.string(),
  storeUrl: z.string().nullable(),
  ipPolicy: z.enum(['keep', 'truncate', 'drop']),
  clickLookbackHours: z.number(),
  viewLookbackHours: z.number(),
  reinstallDays: z.number(),
  retentionDays: z.number(),
  /** Absent = `defaultIntakePolicy`. */
  intake: intakePolicySchema.optional(),
});

/** Where a link sends some of its visitors; the first target that fits wins, else `targetUrl`. */
export const linkTargetSchema = z.object({
  platform: z.enum(['ios', 'android', 'desktop']).nullable(),
  /** ISO 3166 alpha-2, upper case. */
  country: z.string().nullable(),
  url: z.string(),
});
export type LinkTarget = z.output<typeof linkTargetSchema>;

export const directoryLinkSchema = z.object({
  linkId: z.string(),
  /** The path segment of `/c/<slug>`; unique over all tenants. */
  slug: z.string(),
  tenantId: z.string(),
  appId: z.string(),
  campaignId: z.string().nullable(),
  network: z.string().nullable(),
  /** Absolute http(s) or store URL with optional `{click_id}` macro. Set by the app's owner, never by the request. */
  targetUrl: z.string(),
  expiresAt: z.number().nullable(),
  /** Absent = none. */
  targets: z.array(linkTargetSchema).optional(),
  /** What a deferred deep link opens inside the app; absent or null = nothing. */
  deepLinkPath: z.string().nullable().optional(),
});

export const directoryCampaignSchema = z.object({
  campaignId: z.string(),
  tenantId: z.string(),
  appId: z.string(),
  partnerId: z.string().nullable(),
  name: z.string(),
  network: z.string().nullable(),
});

export const keyKinds = ['write', 'secret', 'api'] as const;

/** What a key may do. Least by default. */
export const scopes = ['ingest:write', 'ingest:backfill', 'read:reports', 'read:personal', 'admin'] as const;
export type Scope = (typeof scopes)[number];

export const directoryKeySchema = z.object({
  keyId: z.string(),
  kind: z.enum(keyKinds),
  /** Lower-case hex SHA-256 of the key's text. */
  hash: z.string(),
  tenantId: z.string(),
  /** Write and secret keys belong to one app; an API key may have null = all apps of the tenant, or a list. */
  appIds: z.array(z.string()).nullable(),
  scopes: z.array(z.enum(scopes)),
  enabled: z.boolean(),
  /** Token bucket of the key over all processes: events for write and secret keys, cost points for API keys. Absent = the default of its kind. */
  rate: z.object({ perSecond: z.number().positive(), burst: z.number().positive() }).optional(),
  /** Events a UTC day (write and secret keys); absent or null = no quota. */
  dailyQuota: z.number().int().positive().nullable().optional(),
  /** Set: the key is a partner's, sees only what concerns this partner, and never personal fields. */
  partnerId: z.string().nullable().optional(),
  /** Only trusted documents may be run with it. */
  trustedOnly: z.boolean().optional(),
  /** Bounds the queries; see `ratePlans`. Absent = standard. */
  ratePlan: z.string().optional(),
});

export const directoryGoalSchema = z.object({
  goalId: z.string(),
  tenantId: z.string(),
  appId: z.string(),
  name: z.string(),
  /** The conversion is an event of this kind (and name, if given). */
  eventKind: z.string(),
  eventName: z.string().nullable(),
});

export const directorySchema = z.object({
  /** Grows with each change; equal version = equal content. */
  version: z.number(),
  publishedAt: z.number(),
  apps: z.array(directoryAppSchema),
  links: z.array(directoryLinkSchema),
  campaigns: z.array(directoryCampaignSchema),
  keys: z.array(directoryKeySchema),
  goals: z.array(directoryGoalSchema),
});

export type DirectorySnapshot = z.output<typeof directorySchema>;
export type DirectoryApp = z.output<typeof directoryAppSchema>;
export type DirectoryLink = z.output<typeof directoryLinkSchema>;
export type DirectoryCampaign = z.output<typeof directoryCampaignSchema>;
export type DirectoryKey = z.output<typeof directoryKeySchema>;
export type DirectoryGoal = z.output<typeof directoryGoalSchema>;
