import type { Directory } from '@tributary/platform/directory';
import { directorySchema } from '@tributary/schema';

let serial = 0;

/** A row of `events`; its id is the next number unless given. */
export function anEventRow(fields: Record<string, unknown> & { readonly occurred_at: number }): object {
  serial += 1;
  const hash = serial.toString(16).padStart(16, '0');
  return {
    tenant_id: 'ten_a',
    app_id: 'app_a',
    event_id: `event-${serial}`,
    block_id: '019ab000-0000-7000-8000-000000000000',
    block_index: serial,
    dedupe_hash: hash,
    payload_hash: hash,
    source_format: 'native',
    event_name: fields['event_kind'] ?? 'custom',
    received_at: fields.occurred_at,
    properties: '{}',
    ...fields,
  };
}

/** A row of `install_attributions`; an organic first decision unless told otherwise. */
export function aDecisionRow(fields: Record<string, unknown> & { readonly install_id: string }): object {
  return {
    tenant_id: 'ten_a',
    app_id: 'app_a',
    revision: 1,
    verdict: 'install',
    trigger: 'install',
    rule: 'organic',
    campaign_id: '',
    network: '',
    touchpoint_id: '',
    ctit_seconds: null,
    country: '',
    platform: 'android',
    candidates: '[]',
    ...fields,
  };
}

/** A candidate as the attribution worker writes it. */
export function aCandidate(fields: {
  readonly occurredAt: number;
  readonly ctitSeconds: number;
  readonly reason: string;
  readonly siteId?: string;
}) {
  return {
    touchpoint: {
      touchpointId: 'touch-1',
      kind: 'click',
      occurredAt: fields.occurredAt,
      receivedAt: fields.occurredAt,
      campaignId: 'cmp_1',
      network: null,
      linkId: null,
      clickId: null,
      siteId: fields.siteId ?? null,
    },
    matchKey: 'device_id',
    eligible: fields.reason === 'won',
    reason: fields.reason,
    ctitSeconds: fields.ctitSeconds,
    windowHours: 168,
  };
}

/** A directory of apps that count in dollars: [app, tenant]. */
export function aDirectoryOf(...apps: readonly (readonly [string, string])[]): Directory {
  const snapshot = directorySchema.parse({
    version: 1,
    publishedAt: 0,
    links: [],
    campaigns: [],
    keys: [],
    goals: [],
    apps: apps.map(([appId, tenantId]) => ({
      appId,
      tenantId,
      name: appId,
      platform: 'android',
      enabled: true,
      timezone: 'UTC',
      currency: 'USD',
      storeUrl: null,
      ipPolicy: 'truncate',
      clickLookbackHours: 168,
      viewLookbackHours: 24,
      reinstallDays: 90,
      retentionDays: 400,
    })),
  });
  return {
    current: () => snapshot,
    onChange: () => () => undefined,
    refresh: async () => undefined,
    dispose: async () => undefined,
  };
}
