import { defineQuery, timeParam, type Warehouse } from '@tributary/platform/warehouse';
import { z } from 'zod';
import { partnerParam, partnerWall, revenueKinds, signedAmount } from './events-sql.ts';

/** How far back a person is looked for, days. */
export const personLookbackDays = 400;

/**
 * Grain: device. Ordering key: app. Scan: the granules that the bloom filter on device_key lets through.
 */
export const personsQuery = defineQuery({
  name: 'events_persons',
  sql: `
    SELECT device_key AS deviceKey, min(first) AS firstSeenAt, max(last) AS lastSeenAt, toFloat64(sum(n)) AS eventCount,
      toString(sumIf(${signedAmount}, revenue_currency = {currency:String})) AS revenue
    FROM (
      SELECT device_key, event_kind, revenue_currency, count() AS n,
        toFloat64(toUnixTimestamp64Milli(min(occurred_at))) AS first, toFloat64(toUnixTimestamp64Milli(max(occurred_at))) AS last,
        sumIf(revenue_amount, event_kind IN ${revenueKinds}) AS amount
      FROM events
      WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND device_key IN {deviceKeys:Array(String)}
        AND ${partnerWall()}
        AND occurred_at >= ${timeParam('fromMs')} AND occurred_at < ${timeParam('toMs')}
      GROUP BY device_key, event_kind, revenue_currency
    )
    GROUP BY device_key`,
  params: z.object({
    tenantId: z.string().min(1),
    appId: z.string().min(1),
    deviceKeys: z.array(z.string()).min(1).max(200),
    currency: z.string(),
    fromMs: z.number(),
    toMs: z.number(),
    ...partnerParam,
  }),
  row: z.object({
    deviceKey: z.string(),
    firstSeenAt: z.number(),
    lastSeenAt: z.number(),
    eventCount: z.number(),
    revenue: z.string(),
  }),
});

export type PersonFacts = z.output<typeof personsQuery.row>;

export interface PersonReader {
  /** Facts by device key; a device without events in the look-back is absent. */
  readPersons(request: {
    readonly tenantId: string;
    readonly appId: string;
    /** '' = no partner's; else only of events that name its campaigns. */
    readonly partnerId: string;
    readonly deviceKeys: readonly string[];
    readonly currency: string;
    readonly nowMs: number;
  }): Promise<ReadonlyMap<string, PersonFacts>>;
}

const dayMs = 86_400_000;

export function createPersonReader(warehouse: Warehouse): PersonReader {
  return {
    async readPersons({ tenantId, appId, partnerId, deviceKeys, currency, nowMs }) {
      const rows = await warehouse.query(personsQuery, {
        tenantId,
        appId,
        partnerId,
        deviceKeys: [...deviceKeys],
        currency,
        fromMs: nowMs - personLookbackDays * dayMs,
        // Clients may be an hour ahead.
        toMs: nowMs + dayMs,
      });
      return new Map(rows.map((row) => [row.deviceKey, row]));
    },
  };
}
