import { defineQuery, type Warehouse } from '@tributary/platform/warehouse';
import type { DirectoryApp } from '@tributary/schema';
import { z } from 'zod';

const tenantFree = 'Retention is kept for the apps of all tenants; nobody is shown what it asks.';
const dayMs = 86_400_000;

/** Grain: (app, UTC day). Scan: projection by_quarter. */
const daysHeld = defineQuery({
  name: 'consumer.days_held',
  sql: `SELECT app_id, toUInt32(toDate(toStartOfFifteenMinutes(occurred_at))) AS day, toFloat64(count()) AS events
FROM events
GROUP BY app_id, day`,
  params: z.object({}),
  row: z.object({ app_id: z.string(), day: z.number(), events: z.number() }),
  tenantFree,
  timeoutMs: 60_000,
});
export type DayHeld = z.output<typeof daysHeld.row>;

/** Scan: the engine's list of mutations. */
const unfinished = defineQuery({
  name: 'consumer.unfinished_mutations',
  sql: `SELECT toFloat64(count()) AS mutations FROM system.mutations
WHERE database = currentDatabase() AND table = {table:String} AND NOT is_done`,
  params: z.object({ table: z.string() }),
  row: z.object({ mutations: z.number() }),
  tenantFree,
});

/** Tables beside `events` whose rows belong to an app and a time: what was concluded from events goes with them. */
const concluded = [
  { table: 'install_attributions', time: 'installed_at' },
  { table: 'journeys', time: 'converted_at' },
  { table: 'predictions', time: 'subject_at' },
] as const;

export interface RetentionPlan {
  /** Months (`YYYYMM`) of which every row is past its app's retention. */
  readonly dropMonths: readonly string[];
  /** Rows to delete in months that stay. */
  readonly deleteIn: readonly { readonly month: string; readonly apps: readonly AppCutoff[] }[];
}

export interface AppCutoff {
  readonly appId: string;
  /** Older events go. Midnight UTC, so that there is something to do once a day. */
  readonly cutoffMs: number;
}

/** Apps that are not in the directory keep what they have: it may just be read too early. */
export function planRetention(held: readonly DayHeld[], cutoffs: readonly AppCutoff[]): RetentionPlan {
  const cutoffOf = new Map(cutoffs.map(({ appId, cutoffMs }) => [appId, cutoffMs]));
  const isExpired = ({ app_id, day }: DayHeld) => (day + 1) * dayMs <= (cutoffOf.get(app_id) ?? 0);
  const dropMonths: string[] = [];
  const deleteIn: { month: string; apps: AppCutoff[] }[] = [];
  const months = Map.groupBy(held, ({ day }) => new Date(day * dayMs).toISOString().slice(0, 7).replace('-', ''));
  for (const [month, days] of [...months].toSorted(([left], [right]) => left.localeCompare(right))) {
    const expired = days.filter(isExpired);
    if (expired.length === 0) continue;
    if (expired.length === days.length) dropMonths.push(month);
    else {
      const apps = new Set(expired.map(({ app_id }) => app_id));
      deleteIn.push({ month, apps: cutoffs.filter(({ appId }) => apps.has(appId)) });
    }
  }
  return { dropMonths, deleteIn };
}

/**
 * Removes events that are older than their app keeps them, and what was concluded from them. A month of which nothing is
 * kept is dropped at once; of others the rows are deleted in the background, one mutation a month and table. May be
 * repeated at any time; does nothing while deletions of before are under way.
 */
export async function applyAppRetention(
  warehouse: Warehouse,
  apps: readonly Pick<DirectoryApp, 'appId' | 'retentionDays'>[],
  nowMs: number,
): Promise<RetentionPlan> {
  const cutoffs = apps
    .filter(({ retentionDays }) => retentionDays > 0)
    .map(({ appId, retentionDays }) => ({ appId, cutoffMs: Math.floor(nowMs / dayMs - retentionDays) * dayMs }));
  const nothing: RetentionPlan = { dropMonths: [], deleteIn: [] };
  if (cutoffs.length === 0) return nothing;
  const [state] = await warehouse.query(unfinished, { table: 'events' });
  if ((state?.mutations ?? 0) > 0) return nothing;
  const plan = planRetention(await warehouse.query(daysHeld, {}), cutoffs);
  for (const month of plan.dropMonths) {
    await warehouse.execute({ name: 'consumer.drop_month', sql: `ALTER TABLE events DROP PARTITION ${Number(month)}` });
  }
  for (const { month, apps: some } of plan.deleteIn) {
    await deleteOlder(warehouse, `events DELETE IN PARTITION ${Number(month)}`, 'occurred_at', some);
  }
  if (plan.dropMonths.length > 0 || plan.deleteIn.length > 0) {
    for (const { table, time } of concluded) await deleteOlder(warehouse, `${table} DELETE`, time, cutoffs);
  }
  return plan;
}

async function deleteOlder(
  warehouse: Warehouse,
  what: string,
  time: string,
  apps: readonly AppCutoff[],
): Promise<void> {
  await warehouse.execute({
    name: 'consumer.delete_expired',
    sql: `ALTER TABLE ${what} WHERE ${time} < transform(app_id, {apps:Array(String)},
  arrayMap(ms -> fromUnixTimestamp64Milli(ms, 'UTC'), {cutoffs:Array(Int64)}), fromUnixTimestamp64Milli(toInt64(0), 'UTC'))`,
    params: { apps: apps.map(({ appId }) => appId), cutoffs: apps.map(({ cutoffMs }) => cutoffMs) },
  });
}
