import type { Directory } from '@tributary/platform/directory';
import { defineQuery, type Warehouse } from '@tributary/platform/warehouse';
import { type DirectorySnapshot, directorySchema } from '@tributary/schema';
import { z } from 'zod';

let serial = 0;

/** A row of `events` of app `app_a` of tenant `ten_a`; its id is the next number unless given. */
export function anEvent(
  kind: string,
  fields: Record<string, unknown> & { readonly occurred_at: number },
): Record<string, unknown> {
  serial += 1;
  const hash = serial.toString(16).padStart(16, '0');
  return {
    tenant_id: 'ten_a',
    app_id: 'app_a',
    event_id: `${kind}-${serial}`,
    block_id: '019ab000-0000-7000-8000-000000000000',
    block_index: serial,
    dedupe_hash: hash,
    payload_hash: hash,
    source_format: 'native',
    event_name: kind,
    event_kind: kind,
    device_key: fields['anonymous_id'] ?? fields['gaid'] ?? fields['idfv'] ?? `device-${serial}`,
    received_at: fields.occurred_at,
    properties: '{}',
    ...fields,
  };
}

/** Two tenants, each with an app and campaigns `<app>_c1` and `<app>_c2`, and purchases as a goal. */
export function aWorld(): DirectorySnapshot {
  const apps = [
    ['ten_a', 'app_a'],
    ['ten_b', 'app_b'],
  ] as const;
  return directorySchema.parse({
    version: 1,
    publishedAt: 0,
    links: [],
    keys: [],
    campaigns: apps.flatMap(([tenantId, appId]) =>
      ['c1', 'c2'].map((name) => ({
        campaignId: `${appId}_${name}`,
        tenantId,
        appId,
        partnerId: null,
        name,
        network: 'acme',
      })),
    ),
    goals: apps.map(([tenantId, appId]) => ({
      goalId: `${appId}_purchase`,
      tenantId,
      appId,
      name: 'purchase',
      eventKind: 'purchase',
      eventName: null,
    })),
    apps: apps.map(([tenantId, appId]) => ({
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
}

export function aDirectory(snapshot: DirectorySnapshot): Directory {
  return {
    current: () => snapshot,
    onChange: () => () => undefined,
    refresh: async () => undefined,
    dispose: async () => undefined,
  };
}

export const storedDecisions = defineQuery({
  name: 'test_decisions',
  sql: `SELECT install_id AS installId, revision, verdict, trigger, rule, campaign_id AS campaignId,
      touchpoint_id AS touchpointId, candidates
    FROM install_attributions FINAL WHERE tenant_id = {tenantId:String} ORDER BY install_id, revision`,
  params: z.object({ tenantId: z.string() }),
  row: z.object({
    installId: z.string(),
    revision: z.number(),
    verdict: z.string(),
    trigger: z.string(),
    rule: z.string(),
    campaignId: z.string(),
    touchpointId: z.string(),
    candidates: z.string().transform((text) => JSON.parse(text) as { reason: string; matchKey: string }[]),
  }),
});

export const storedJourneys = defineQuery({
  name: 'test_journeys',
  sql: `SELECT conversion_id AS conversionId, revision, goal, install_id AS installId, touch_ids AS touchIds,
      touch_campaign_ids AS campaignIds, arrayMap(at -> toFloat64(toUnixTimestamp64Milli(at)), touch_at) AS touchAt,
      toString(value_amount) AS value
    FROM journeys FINAL WHERE tenant_id = {tenantId:String} ORDER BY conversion_id, revision`,
  params: z.object({ tenantId: z.string() }),
  row: z.object({
    conversionId: z.string(),
    revision: z.number(),
    goal: z.string(),
    installId: z.string(),
    touchIds: z.array(z.string()),
    campaignIds: z.array(z.string()),
    touchAt: z.array(z.number()),
    value: z.string(),
  }),
});

export async function clearWarehouse(warehouse: Warehouse): Promise<void> {
  for (const table of ['events', 'install_attributions', 'journeys', 'worker_positions']) {
    await warehouse.execute({ name: 'test_clear', sql: `TRUNCATE TABLE ${table}` });
  }
}

/** The warehouse, whose inserts of the worker fail at the n-th (0 = first): before or after the rows are stored. */
export function dyingAt(warehouse: Warehouse, nth: number, when: 'before' | 'after'): Warehouse {
  let inserts = 0;
  let dead = false;
  const alive = () => {
    if (dead) throw new Error('killed');
  };
  return {
    ...warehouse,
    async query(...args) {
      alive();
      return warehouse.query(...args);
    },
    async insertRows(insert) {
      alive();
      if (insert.rows.length === 0) return;
      dead = inserts === nth;
      inserts += 1;
      if (dead && when === 'before') throw new Error('killed');
      await warehouse.insertRows(insert);
      alive();
    },
  };
}
