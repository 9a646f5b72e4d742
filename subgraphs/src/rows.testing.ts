import type { Warehouse } from '@tributary/platform/warehouse';
import type { CanonicalEvent, InstallAttribution } from '@tributary/schema';

let serial = 0;

export type EventFields = Partial<CanonicalEvent> & { readonly occurred_at: number };

/** A row of `events`. Its id is the next number unless given. */
export function anEventRow(fields: EventFields): Record<string, unknown> {
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
    event_name: fields.event_kind ?? 'custom',
    event_kind: 'custom',
    device_key: 'device-1',
    received_at: fields.occurred_at,
    properties: '{}',
    ...fields,
  };
}

/** A row of `install_attributions`: a decision in force about an organic install unless told otherwise. */
export function aDecisionRow(
  fields: Partial<InstallAttribution> & {
    readonly installId: string;
    readonly deviceKey: string;
    readonly installedAt: number;
  },
): Record<string, unknown> {
  return {
    tenant_id: fields.tenantId ?? 'ten_a',
    app_id: fields.appId ?? 'app_a',
    install_id: fields.installId,
    revision: fields.revision ?? 1,
    device_key: fields.deviceKey,
    installed_at: fields.installedAt,
    decided_at: fields.decidedAt ?? fields.installedAt + 1_000,
    verdict: fields.verdict ?? 'install',
    trigger: fields.trigger ?? 'install',
    rule: fields.rule ?? (fields.campaignId ? 'click_device_id' : 'organic'),
    campaign_id: fields.campaignId ?? '',
    network: fields.network ?? '',
    touchpoint_id: fields.touchpointId ?? '',
    ctit_seconds: fields.ctitSeconds ?? null,
    country: fields.country ?? '',
    platform: fields.platform ?? 'android',
    candidates: JSON.stringify(fields.candidates ?? []),
  };
}

export async function insert(warehouse: Warehouse, table: string, rows: readonly object[]): Promise<void> {
  await warehouse.insertRows({ name: 'test_rows', table, rows });
}
