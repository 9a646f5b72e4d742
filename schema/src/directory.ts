import { z } from 'zod';

/**
 * The directory: what the data-plane roles (collector, attribution, gateway's auth) must know of the relational store,
 * as one versioned, self-contained snapshot. The process that owns the relational store publishes it; others read it.
 * It holds hashes of keys, never keys.
 */
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
});

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
