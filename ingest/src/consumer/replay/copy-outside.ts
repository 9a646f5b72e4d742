import { defineQuery, type Warehouse } from '@tributary/platform/warehouse';
import { z } from 'zod';
import { inRangeSql, type ReplayRange, rangeParams } from './range.ts';

const rangeParamsSchema = z.object({ fromMs: z.number().int(), toMs: z.number().int(), appId: z.string() });
const tenantFree = 'A replay rebuilds the table of all tenants.';

/** Grain: month. Scan: `received_at` and `app_id` of the whole table. */
const months = defineQuery({
  name: 'replay.months',
  sql: `SELECT toString(toYYYYMM(occurred_at)) AS month, toFloat64(count()) AS rows, toFloat64(countIf(${inRangeSql})) AS inside
FROM events GROUP BY month ORDER BY month`,
  params: rangeParamsSchema,
  row: z.object({ month: z.string(), rows: z.number(), inside: z.number() }),
  tenantFree,
  timeoutMs: 600_000,
});

/**
 * Copies what lies outside the range into the version, month by month. A month without a row of the range comes by its
 * parts, which are linked and not rewritten: that takes no time and no room.
 */
export async function copyOutside(
  warehouse: Warehouse,
  table: string,
  range: ReplayRange,
  said: (line: string) => void,
): Promise<void> {
  for (const { month, rows, inside } of await warehouse.query(months, rangeParams(range))) {
    if (inside === 0) {
      await warehouse.execute({
        name: 'replay.link_month',
        sql: `ALTER TABLE ${table} ATTACH PARTITION ID '${month}' FROM events`,
        timeoutMs: 600_000,
      });
      said(`${month}: ${rows} rows linked`);
      continue;
    }
    if (rows > inside) {
      await warehouse.execute({
        name: 'replay.copy_month',
        sql: `INSERT INTO ${table} SELECT * FROM events WHERE toYYYYMM(occurred_at) = ${month} AND NOT ${inRangeSql}`,
        params: rangeParams(range),
        timeoutMs: 6 * 3_600_000,
      });
    }
    said(`${month}: ${rows - inside} rows copied, ${inside} to be read again`);
  }
}

/** Grain: day of receipt. Scan: `received_at` and `app_id` of the whole table. */
const dayRows = (table: string) =>
  defineQuery({
    name: 'replay.rows_by_day',
    sql: `SELECT toString(toDate(received_at)) AS day, toFloat64(count()) AS rows FROM ${table}
WHERE ${inRangeSql} GROUP BY day ORDER BY day`,
    params: rangeParamsSchema,
    row: z.object({ day: z.string(), rows: z.number() }),
    tenantFree,
    timeoutMs: 600_000,
  });

/** Rows of the range by UTC day of receipt. */
export async function readRowsByDay(warehouse: Warehouse, table: string, range: ReplayRange) {
  const rows = await warehouse.query(dayRows(table), rangeParams(range));
  return new Map(rows.map(({ day, rows: count }) => [day, count]));
}
