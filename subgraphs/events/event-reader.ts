import { defineQuery, timeParam, type Warehouse } from '@tributary/platform/warehouse';
import { z } from 'zod';
import { decodeCursor, encodeCursor, type PageRequest, type TimeBounds } from '../src/kit.ts';
import { partnerParam, partnerWall } from './events-sql.ts';

/** What an event shows. */
export const eventColumns = `source_format AS sourceFormat, event_id AS eventId, event_name AS name, event_kind AS kind, environment, device_key AS deviceKey,
      toFloat64(toUnixTimestamp64Milli(occurred_at)) AS occurredAt, toFloat64(toUnixTimestamp64Milli(received_at)) AS receivedAt,
      campaign_id AS campaignId, country, platform, toString(revenue_amount) AS amount, revenue_currency AS currency, properties`;

export const eventRow = z.object({
  sourceFormat: z.string(),
  eventId: z.string(),
  name: z.string(),
  kind: z.string(),
  environment: z.string(),
  deviceKey: z.string(),
  occurredAt: z.number(),
  receivedAt: z.number(),
  campaignId: z.string(),
  country: z.string(),
  platform: z.string(),
  amount: z.string(),
  currency: z.string(),
  properties: z.string(),
});

/**
 * Grain: event. Ordering key: app, event name, time. Scan: the app's time column over the range (one name: a narrow
 * slice of it); wide columns only of the rows shown.
 */
export const eventsQuery = defineQuery({
  name: 'events_page',
  sql: `
    SELECT ${eventColumns}
    FROM events
    WHERE tenant_id = {tenantId:String} AND app_id = {appId:String}
      AND occurred_at >= ${timeParam('fromMs')} AND occurred_at < ${timeParam('toMs')}
      AND ({name:String} = '' OR event_name = {name:String})
      AND ${partnerWall()}
      AND ({afterMs:Int64} < 0 OR (occurred_at, event_id, source_format) < (${timeParam('afterMs')}, {afterId:String}, {afterFormat:String}))
    ORDER BY events.occurred_at DESC, events.event_id DESC, events.source_format DESC
    LIMIT {limit:UInt32}`,
  params: z.object({
    tenantId: z.string().min(1),
    appId: z.string().min(1),
    fromMs: z.number(),
    toMs: z.number(),
    name: z.string(),
    /** −1 = from the newest */
    afterMs: z.number(),
    afterId: z.string(),
    afterFormat: z.string(),
    limit: z.number(),
    ...partnerParam,
  }),
  row: eventRow,
});

export type EventRow = z.output<typeof eventRow>;

const cursorKey = z.tuple([z.int().min(0), z.string(), z.string()]);

export function eventCursorOf(row: EventRow): string {
  return encodeCursor([row.occurredAt, row.eventId, row.sourceFormat]);
}

export interface EventReader {
  /** Up to `page.limit` events of the range, newest first, after the page's cursor. */
  readEvents(request: {
    readonly tenantId: string;
    readonly appId: string;
    readonly range: TimeBounds;
    /** null = all */
    readonly name: string | null;
    readonly page: PageRequest;
    /** Set: only events that name this partner's campaigns. */
    readonly partnerId: string;
  }): Promise<readonly EventRow[]>;
}

export function createEventReader(warehouse: Warehouse): EventReader {
  return {
    async readEvents({ tenantId, appId, range, name, page, partnerId }) {
      const [afterMs, afterId, afterFormat] = page.after === null ? [-1, '', ''] : decodeCursor(page.after, cursorKey);
      return warehouse.query(eventsQuery, {
        tenantId,
        appId,
        ...range,
        name: name ?? '',
        partnerId,
        afterMs,
        afterId,
        afterFormat,
        limit: page.limit,
      });
    },
  };
}
