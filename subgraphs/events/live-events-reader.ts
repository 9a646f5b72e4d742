import { defineQuery, timeParam, type Warehouse } from '@tributary/platform/warehouse';
import { z } from 'zod';
import type { StreamRow } from '../src/stream-hub.ts';
import type { StreamPosition } from '../src/stream-position.ts';
import { settledTime } from '../src/stream-settled.ts';
import { type EventRow, eventColumns, eventRow } from './event-reader.ts';
import { partnerParam, partnerWall } from './events-sql.ts';

const listed = (name: string, column: string) =>
  `(empty({${name}:Array(String)}) OR ${column} IN {${name}:Array(String)})`;

/**
 * Grain: event, in the order of storing. Ordering key: none that helps. Scan: granules whose inserted_at reaches past the
 * position (minmax index), of the app's parts.
 */
export const liveEventsQuery = defineQuery({
  name: 'events_live_stream',
  sql: `
    SELECT ${eventColumns}, toFloat64(toUnixTimestamp64Milli(inserted_at)) AS storedAt, block_id AS blockId, block_index AS blockIndex
    FROM events
    WHERE tenant_id = {tenantId:String} AND app_id = {appId:String}
      AND inserted_at >= ${timeParam('afterMs')} AND inserted_at < ${settledTime}
      AND (inserted_at, block_id, block_index) > (${timeParam('afterMs')}, {afterId:String}, {afterNumber:UInt32})
      AND ${listed('names', 'event_name')} AND ${listed('kinds', 'event_kind')} AND ${listed('environments', 'environment')}
      AND ${listed('campaignIds', 'campaign_id')} AND ${listed('countries', 'country')} AND ${listed('platforms', 'platform')}
      AND ${partnerWall()}
    ORDER BY events.inserted_at, events.block_id, events.block_index
    LIMIT {limit:UInt32}`,
  params: z.object({
    tenantId: z.string().min(1),
    appId: z.string().min(1),
    afterMs: z.number(),
    afterId: z.string(),
    afterNumber: z.number(),
    settleMs: z.number(),
    names: z.array(z.string()),
    kinds: z.array(z.string()),
    environments: z.array(z.string()),
    campaignIds: z.array(z.string()),
    countries: z.array(z.string()),
    platforms: z.array(z.string()),
    limit: z.number(),
    ...partnerParam,
  }),
  row: eventRow.extend({ storedAt: z.number(), blockId: z.string(), blockIndex: z.number() }),
  timeoutMs: 10_000,
  maxMemoryBytes: 300_000_000,
});

/** Which events; an empty list lets all through. */
export interface LiveEventFilter {
  readonly names: readonly string[];
  readonly kinds: readonly string[];
  readonly environments: readonly string[];
  readonly campaignIds: readonly string[];
  readonly countries: readonly string[];
  readonly platforms: readonly string[];
}

export interface LiveEventScope {
  readonly tenantId: string;
  readonly appId: string;
  /** '' = no partner's. */
  readonly partnerId: string;
  readonly filter: LiveEventFilter;
}

/** Settled events after a position, in the order of storing. */
export async function readLiveEvents(
  warehouse: Warehouse,
  { filter, ...scope }: LiveEventScope,
  page: {
    readonly after: StreamPosition;
    readonly limit: number;
    readonly settleMs: number;
    readonly signal: AbortSignal;
  },
): Promise<readonly StreamRow<EventRow>[]> {
  const { after, limit, settleMs, signal } = page;
  const [afterMs, afterId, afterNumber] = after;
  const lists = Object.fromEntries(Object.entries(filter).map(([name, values]) => [name, [...values]])) as {
    [K in keyof LiveEventFilter]: string[];
  };
  const rows = await warehouse.query(
    liveEventsQuery,
    { ...scope, ...lists, afterMs, afterId, afterNumber, settleMs, limit },
    { signal },
  );
  return rows.map(({ storedAt, blockId, blockIndex, ...value }) => ({
    position: [storedAt, blockId, blockIndex] as const,
    value,
  }));
}
