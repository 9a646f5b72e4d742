import { defineQuery, type Warehouse } from '@tributary/platform/warehouse';
import { z } from 'zod';

/** How long after its storing a row is taken for settled, unless told otherwise. */
export const defaultSettleMs = 2_000;

/** Settings of a subgraph's streams. */
export interface StreamSettings {
  /** Default 2,000. */
  readonly settleMs?: number;
  /** Rows that a reader may leave unread. Default 2,000. */
  readonly queueRows?: number;
}

/**
 * Until when rows are settled, as SQL: rows get their time of storing when an insert begins and appear when it ends. So
 * reading stays `settleMs` behind now, and behind the begin of every insert that still runs here; an insert that ran for a
 * minute is cut by its own time limit and holds nobody up any longer.
 */
export const settledTime = `least(
        now64(3) - toIntervalMillisecond({settleMs:UInt32}),
        ifNull((SELECT minOrNull(now64(3) - toIntervalMillisecond(toUInt64(elapsed * 1000) + 50)) FROM system.processes
          WHERE query_kind = 'Insert' AND elapsed < 65), now64(3)))`;

const horizonQuery = defineQuery({
  name: 'stream_horizon',
  tenantFree: 'it is the time, and tells of no rows',
  // Grain: one row. Scan: the running statements.
  sql: `SELECT toFloat64(toUnixTimestamp64Milli(${settledTime})) AS at`,
  params: z.object({ settleMs: z.number() }),
  row: z.object({ at: z.number() }),
});

/** The settled time by the warehouse's clock, epoch ms. */
export async function readHorizon(warehouse: Warehouse, settleMs: number, signal: AbortSignal): Promise<number> {
  const [row] = await warehouse.query(horizonQuery, { settleMs }, { signal });
  return row?.at ?? 0;
}
