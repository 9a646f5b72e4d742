import { defineQuery, timeParam, type Warehouse } from '@tributary/platform/warehouse';
import type { DirectoryGoal } from '@tributary/schema';
import { z } from 'zod';
import { deviceIdRow } from './keys.ts';
import { deviceIdColumns, epochMs, eventRef } from './sql.ts';

const pipeline = 'pipeline work: the loop follows the inserts of all tenants; every row carries its own';

/**
 * What attribution looks at: installs, engagements, and events that are a goal of their app. The kinds alone, asked first,
 * leave most rows out before texts are joined for the others.
 */
const relevant = `environment = 'production' AND event_kind IN {kinds:Array(String)}
      AND (event_kind IN ('install', 'click', 'impression')
        OR concat(app_id, '/', event_kind) IN {goalKinds:Array(String)}
        OR concat(app_id, '/', event_kind, '/', event_name) IN {goalNames:Array(String)})`;
const goalParams = { kinds: z.array(z.string()), goalKinds: z.array(z.string()), goalNames: z.array(z.string()) };

/**
 * Grain: time of insertion. Ordering key: none of use. Scan: granules whose inserted_at reaches into the range (minmax
 * index), four narrow columns.
 */
const groupsQuery = defineQuery({
  name: 'attribution_groups',
  tenantFree: pipeline,
  timeoutMs: 60_000,
  sql: `
    SELECT ${epochMs('inserted_at')} AS insertedAt, toFloat64(count()) AS events
    FROM events
    WHERE inserted_at >= ${timeParam('fromMs')} AND ${relevant}
    GROUP BY inserted_at
    ORDER BY inserted_at
    LIMIT 100000`,
  params: z.object({ fromMs: z.number(), ...goalParams }),
  row: z.object({ insertedAt: z.number(), events: z.number() }),
});

/** Grain: event. Ordering key: none of use. Scan: granules that the groups reach into (minmax index). */
const newEventsQuery = defineQuery({
  name: 'attribution_new_events',
  tenantFree: pipeline,
  timeoutMs: 60_000,
  sql: `
    SELECT tenant_id AS tenantId, app_id AS appId, ${eventRef} AS ref, event_kind AS kind, click_id AS clickId,
      device_key AS deviceKey, ${deviceIdColumns}, ${epochMs('occurred_at')} AS occurredAt,
      ${epochMs('inserted_at')} AS insertedAt
    FROM events
    WHERE inserted_at >= ${timeParam('fromMs')} AND inserted_at <= ${timeParam('toMs')}
      AND inserted_at IN (SELECT fromUnixTimestamp64Milli(arrayJoin({groups:Array(Int64)}), 'UTC'))
      AND ${relevant}
      AND (inserted_at, ref) > (${timeParam('afterMs')}, {afterRef:String})
    ORDER BY inserted_at, ref
    LIMIT {limit:UInt32}`,
  params: z.object({
    fromMs: z.number(),
    toMs: z.number(),
    groups: z.array(z.number()).min(1),
    afterMs: z.number(),
    afterRef: z.string(),
    limit: z.number(),
    ...goalParams,
  }),
  row: z.object({
    tenantId: z.string(),
    appId: z.string(),
    ref: z.string(),
    kind: z.string(),
    clickId: z.string(),
    deviceKey: z.string(),
    ...deviceIdRow,
    occurredAt: z.number(),
    insertedAt: z.number(),
  }),
});

/** Relevant events that share a time of insertion: mostly those of one block of one insert. */
export type InsertGroup = z.output<typeof groupsQuery.row>;

/** A newly stored event that may change a decision or a journey. */
export type NewEvent = z.output<typeof newEventsQuery.row>;

export interface ScanReader {
  /** Groups from a time of insertion on (the warehouse's clock), oldest first. */
  readGroups(fromMs: number, goals: readonly DirectoryGoal[]): Promise<readonly InsertGroup[]>;
  /** The events of some groups in pages of at most `limit`, in a total order. */
  readEvents(
    groups: readonly InsertGroup[],
    goals: readonly DirectoryGoal[],
    limit: number,
  ): AsyncGenerator<readonly NewEvent[]>;
}

export function createScanReader(warehouse: Warehouse): ScanReader {
  const goalLists = (goals: readonly DirectoryGoal[]) => ({
    kinds: [...new Set(['install', 'click', 'impression', ...goals.map(({ eventKind }) => eventKind)])],
    goalKinds: goals.flatMap((goal) => (goal.eventName === null ? [`${goal.appId}/${goal.eventKind}`] : [])),
    goalNames: goals.flatMap((goal) =>
      goal.eventName === null ? [] : [`${goal.appId}/${goal.eventKind}/${goal.eventName}`],
    ),
  });
  return {
    readGroups: (fromMs, goals) => warehouse.query(groupsQuery, { fromMs, ...goalLists(goals) }),
    async *readEvents(groups, goals, limit) {
      const times = groups.map((group) => group.insertedAt);
      const bounds = { fromMs: Math.min(...times), toMs: Math.max(...times) };
      let after = { afterMs: 0, afterRef: '' };
      for (;;) {
        const page = await warehouse.query(newEventsQuery, {
          ...bounds,
          ...after,
          groups: times,
          limit,
          ...goalLists(goals),
        });
        if (page.length > 0) yield page;
        const last = page.at(-1);
        if (!last || page.length < limit) return;
        after = { afterMs: last.insertedAt, afterRef: last.ref };
      }
    },
  };
}
