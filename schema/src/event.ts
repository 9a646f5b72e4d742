import { z } from 'zod';
import { decimalPattern } from './money.ts';

/**
 * THE event. One zod schema gives the TypeScript type, the canonical JSON line and (by test) the columns of the
 * warehouse table and the GraphQL type. The collector's hot path uses a hand-compiled validator that is property-tested
 * against this schema.
 *
 * A canonical line is one JSON object with these snake_case names in any order, optional fields left out when absent.
 * Times are UTC epoch milliseconds as integers. Money is a decimal text. `properties` is a JSON object, written as an
 * embedded *text* so that the warehouse stores it unparsed.
 */
export const eventKinds = [
  'impression',
  'click',
  'install',
  'session',
  'screen',
  'page',
  'purchase',
  'refund',
  'ad_revenue',
  'identify',
  'alias',
  'group',
  'custom',
] as const;
export type EventKind = (typeof eventKinds)[number];

export const environments = ['production', 'sandbox'] as const;

/** Wire formats that exist; the name is stored with each event and is part of the dedupe key. */
export const sourceFormats = [
  'native',
  'segment',
  'link',
  'rudderstack',
  'posthog',
  'amplitude',
  'mixpanel',
  'snowplow',
  'jitsu',
  'openpanel',
  'appsflyer',
  'adjust',
] as const;
export type SourceFormat = (typeof sourceFormats)[number];

/** Facts noted by the collector about how an event arrived. */
export const eventFlags = [
  'late',
  'no_client_time',
  'generated_id',
  'skew_corrected',
  'backfill',
  'bot',
  'ids_hashed',
  'consent_denied',
] as const;
export type EventFlag = (typeof eventFlags)[number];

const text = (max: number) => z.string().min(1).max(max);
const epochMs = z.int().min(0).max(4_102_444_800_000);

export const deviceIdFields = ['idfv', 'gaid', 'idfa', 'android_id'] as const;

export const eventSchema = z.strictObject({
  // Made by the collector; a client that sends them is ignored.
  tenant_id: text(64),
  app_id: text(64),
  block_id: text(36),
  block_index: z.int().min(0),
  /** 16 hex digits: xxHash64 of the dedupe key. */
  dedupe_hash: z.string().regex(/^[0-9a-f]{16}$/),
  /** 16 hex digits: xxHash64 of what the client sent for this event, its sending time excluded. */
  payload_hash: z.string().regex(/^[0-9a-f]{16}$/),
  source_format: z.enum(sourceFormats),
  received_at: epochMs,
  /** received − sent as measured, applied to occurred_at when the client told both times. Milliseconds. */
  clock_skew_ms: z.int().default(0),
  flags: z.array(z.enum(eventFlags)).default([]),
  /** anonymous_id, else the first device id, else user_id: what ties the events of one installation together. */
  device_key: text(256),

  // From the client.
  event_id: text(200),
  environment: z.enum(environments).default('production'),
  event_name: text(200),
  event_kind: z.enum(eventKinds),
  anonymous_id: text(256).optional(),
  user_id: text(256).optional(),
  idfa: text(64).optional(),
  idfv: text(64).optional(),
  gaid: text(64).optional(),
  android_id: text(64).optional(),
  /** Client time, skew-corrected. */
  occurred_at: epochMs,
  sent_at: epochMs.optional(),
  network: text(200).optional(),
  source: text(200).optional(),
  medium: text(200).optional(),
  campaign_id: text(200).optional(),
  adgroup_id: text(200).optional(),
  creative_id: text(200).optional(),
  keyword: text(500).optional(),
  site_id: text(200).optional(),
  link_id: text(64).optional(),
  click_id: text(200).optional(),
  install_referrer: text(2000).optional(),
  install_begin_at: epochMs.optional(),
  referrer: text(2000).optional(),
  url: text(2000).optional(),
  platform: text(50).optional(),
  os_version: text(50).optional(),
  app_version: text(50).optional(),
  sdk: text(100).optional(),
  device_model: text(100).optional(),
  locale: text(35).optional(),
  timezone: text(64).optional(),
  country: z
    .string()
    .regex(/^[A-Z]{2}$/)
    .optional(),
  region: text(100).optional(),
  city: text(100).optional(),
  ip: text(45).optional(),
  user_agent: text(1000).optional(),
  revenue_amount: z.string().regex(decimalPattern).optional(),
  revenue_currency: z
    .string()
    .regex(/^[A-Z]{3}$/)
    .optional(),
  consent: text(200).optional(),
  /** JSON object as text. */
  properties: z.string().max(1_000_000).default('{}'),
});

export type CanonicalEvent = z.output<typeof eventSchema>;
export type EventField = keyof CanonicalEvent;

/** Names a client may send on the native API: everything but what the collector makes itself. */
export const serverMadeFields = [
  'tenant_id',
  'app_id',
  'block_id',
  'block_index',
  'dedupe_hash',
  'payload_hash',
  'source_format',
  'received_at',
  'clock_skew_ms',
  'flags',
  'device_key',
] as const satisfies readonly EventField[];

/** event_name → event_kind where the client does not say the kind. */
export const kindByEventName: Readonly<Record<string, EventKind>> = {
  impression: 'impression',
  click: 'click',
  install: 'install',
  session: 'session',
  session_start: 'session',
  screen: 'screen',
  page: 'page',
  purchase: 'purchase',
  refund: 'refund',
  ad_revenue: 'ad_revenue',
  identify: 'identify',
  alias: 'alias',
  group: 'group',
  // Segment's names for the same things
  'Application Installed': 'install',
  'Application Opened': 'session',
  'Order Completed': 'purchase',
  'Order Refunded': 'refund',
};

/**
 * The dedupe key of an event: app, wire format and event id, joined by U+001F. First one wins for at least 7 days.
 * Its xxHash64 is `dedupe_hash`; the partition is that hash modulo the partition count.
 */
export function dedupeKeyOf(appId: string, sourceFormat: string, eventId: string): string {
  return `${appId}\u001f${sourceFormat}\u001f${eventId}`;
}

/** Parses one canonical line. Throws a ZodError when it is not a canonical event. For tests, tools and replay only. */
export function parseEventLine(line: string): CanonicalEvent {
  return eventSchema.parse(JSON.parse(line));
}
