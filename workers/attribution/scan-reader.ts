import { defineQuery, timeParam, type Warehouse } from '@tributary/platform/warehouse';
import type { DirectoryGoal } from '@tributary/schema';
import { z } from 'zod';
import { goalEventRow } from './keys.ts';
import { epochMs, goalEventColumns } from './sql.ts';

const pipeline = 'pipeline work: the loop follows the inserts of all tenants; every row carries its own';

/**
 * What attribution looks at: installs, engagements, and events that are a goal of their app. The kinds alone, asked first,
 * leave most rows out before texts are joined for the others.
 */
const relevant = `environment = 'production' AND event_kind IN {kinds:Array(String)}
      AND (event_kind IN ('install', 'click', 'impression')
        OR concat(app_id, '/', event_kind) IN {goalKinds:Array(String)}
        OR concat(app_id, '/', event_kind, '/', event_name) IN {goalNames:Array(String)})`;
/**
 * The table is ordered by app and name: whatever has another name than relevant events have is passed over unread. Once
 * parts are merged, the times of insertion alone leave little out. No names = any.
 */
const named = `(empty({names:Array(String)}) OR event_name IN {names:Array(String)})`;
const goalParams = { kinds: z.array(z.string()), goalKinds: z.array(z.string()), goalNames: z.array(z.string()) };
const namedGoalParams = { ...goalParams, names: z.array(z.string()) };

/** Beyond it (a parameter has a limit, batches.ts) names leave too little out to be given. */
const namesAtMost = 1_000;

/** Grain: event name. Answered from a projection. Scan: all aggregates, four narrow columns. */
const namesQuery = defineQuery({
  name: 'attribution_names',
  tenantFree: pipeline,
  timeoutMs: 60_000,
  sql: `SELECT event_name AS name FROM events WHERE ${relevant} GROUP BY event_name LIMIT ${namesAtMost + 1}`,
  params: z.object(goalParams),
  row: z.object({ name: z.string() }),
});

/** Groups that one question brings at most. */
export const groupsAtOnce = 100_000;

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
    WHERE inserted_at >= ${timeParam('fromMs')} AND ${named} AND ${relevant}
    GROUP BY inserted_at
    ORDER BY inserted_at
    LIMIT ${groupsAtOnce}`,
  params: z.object({ fromMs: z.number(), ...namedGoalParams }),
  row: z.object({ insertedAt: z.number(), events: z.number() }),
});

/** Grain: event. Ordering key: none of use. Scan: granules that the groups reach into (minmax index). */
const newEventsQuery = defineQuery({
  name: 'attribution_new_events',
  tenantFree: pipeline,
  timeoutMs: 60_000,
  sql: `
    SELECT tenant_id AS tenantId, app_id AS appId, ${goalEventColumns}
    FROM events
    WHERE inserted_at >= ${timeParam('fromMs')} AND inserted_at <= ${timeParam('toMs')}
      AND inserted_at IN (SELECT fromUnixTimestamp64Milli(arrayJoin({groups:Array(Int64)}), 'UTC'))
      AND ${named} AND ${relevant}
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
    ...namedGoalParams,
  }),
  row: z.object({
    tenantId: z.string(),
    appId: z.string(),
    ...goalEventRow,
  }),
});

/** Relevant events that share a time of insertion: mostly those of one block of one insert. */
export type InsertGroup = z.output<typeof groupsQuery.row>;

/** A newly stored event that may change a decision or a journey. */
export type NewEvent = z.output<typeof newEventsQuery.row>;

export interface ScanReader {
  /**
   * Learns the names of relevant events. A name that came up since is not looked for until it is learned, unless it is that
   * of its kind or goal; then its groups have grown (scan.ts).
   */
  learnNames(goals: readonly DirectoryGoal[]): Promise<void>;
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
  /** Null = too many. */
  let learned: readonly string[] | null = [];
  const namedGoalLists = (goals: readonly DirectoryGoal[]) => {
    const lists = goalLists(goals);
    const ofGoals = goals.flatMap(({ eventName }) => (eventName === null ? [] : [eventName]));
    return { ...lists, names: learned === null ? [] : [...new Set([...learned, ...lists.kinds, ...ofGoals])] };
  };
  return {
    async learnNames(goals) {
      const rows = await warehouse.query(namesQuery, goalLists(goals));
      learned = rows.length > namesAtMost ? null : rows.map(({ name }) => name);
    },
    readGroups: (fromMs, goals) => warehouse.query(groupsQuery, { fromMs, ...namedGoalLists(goals) }),
    async *readEvents(groups, goals, limit) {
      const times = groups.map((group) => group.insertedAt);
      const bounds = { fromMs: Math.min(...times), toMs: Math.max(...times) };
      let after = { afterMs: 0, afterRef: '' };
      let left = groups.reduce((sum, group) => sum + group.events, 0);
      for (;;) {
        const page = await warehouse.query(newEventsQuery, {
          ...bounds,
          ...after,
          groups: times,
          limit,
          ...namedGoalLists(goals),
        });
        if (page.length > 0) yield page;
        left -= page.length;
        const last = page.at(-1);
        // Rows that a slow insert adds meanwhile open their group again (scan.ts).
        if (!last || left <= 0) return;
        after = { afterMs: last.insertedAt, afterRef: last.ref };
      }
    },
  };
}
