import { defineQuery, type Warehouse } from '@tributary/platform/warehouse';
import { type CanonicalEvent, eventSchema } from '@tributary/schema';
import { z } from 'zod';

/** Columns of times, which travel as epoch milliseconds. */
export const timeFields = ['occurred_at', 'sent_at', 'received_at', 'install_begin_at'] as const;
const timeNames: ReadonlySet<string> = new Set(timeFields);
const alwaysThere: ReadonlySet<string> = new Set(
  Object.entries(eventSchema.shape).flatMap(([name, schema]) => (schema.safeParse(undefined).success ? [] : [name])),
);
/** All fields of an event, in the order of the schema. */
export const eventFields = Object.keys(eventSchema.shape);
export const isRequired = (name: string): boolean => alwaysThere.has(name);
export const isTime = (name: string): boolean => timeNames.has(name);

export interface ExportSelection {
  readonly appId: string;
  /** Received in [fromMs, toMs). */
  readonly fromMs: number;
  readonly toMs: number;
}

const rowsPerPage = 2_000;

const columnsSql = eventFields
  .map((name) => {
    if (isTime(name)) return `toFloat64(toUnixTimestamp64Milli(e.${name})) AS ${name}`;
    if (name === 'clock_skew_ms') return `toFloat64(e.${name}) AS ${name}`;
    if (name === 'revenue_amount') return `toString(e.${name}) AS ${name}`;
    return `e.${name} AS ${name}`;
  })
  .join(', ');

const tenantFree = 'A command on the machine itself, of which an operator names the app.';

/**
 * Grain: event. Ordering key: (app_id, event_name, occurred_at, event_id), then the place in the log, which makes it total. Scan:
 * one page on from where the last one ended. Rows stored after the export began are left out, so no page shifts.
 */
const page = defineQuery({
  name: 'export_app.page',
  sql: `SELECT ${columnsSql}, toFloat64(toUnixTimestamp64Milli(e.occurred_at)) AS at
FROM events AS e
WHERE e.app_id = {appId:String}
  AND e.received_at >= fromUnixTimestamp64Milli({fromMs:Int64}) AND e.received_at < fromUnixTimestamp64Milli({toMs:Int64})
  AND e.inserted_at < fromUnixTimestamp64Milli({storedBeforeMs:Int64})
  AND (e.event_name > {name:String} OR (e.event_name = {name:String} AND
    (e.occurred_at, e.event_id, e.block_id, e.block_index)
      > (fromUnixTimestamp64Milli({at:Int64}, 'UTC'), {id:String}, {block:String}, {index:UInt32})))
ORDER BY e.app_id, e.event_name, e.occurred_at, e.event_id, e.block_id, e.block_index
LIMIT ${rowsPerPage}`,
  params: z.object({
    appId: z.string(),
    fromMs: z.number().int(),
    toMs: z.number().int(),
    storedBeforeMs: z.number().int(),
    name: z.string(),
    at: z.number().int(),
    id: z.string(),
    block: z.string(),
    index: z.number().int(),
  }),
  row: z.looseObject({
    event_name: z.string(),
    at: z.number(),
    event_id: z.string(),
    block_id: z.string(),
    block_index: z.number(),
  }),
  tenantFree,
  timeoutMs: 600_000,
});

/** The warehouse's clock, and the bounds of what there is. Grain: one row. Scan: the app's `received_at`. */
const bounds = defineQuery({
  name: 'export_app.bounds',
  sql: `SELECT toFloat64(toUnixTimestamp64Milli(now64(3))) AS now, toFloat64(count()) AS rows
FROM events
WHERE app_id = {appId:String}
  AND received_at >= fromUnixTimestamp64Milli({fromMs:Int64}) AND received_at < fromUnixTimestamp64Milli({toMs:Int64})`,
  params: z.object({ appId: z.string(), fromMs: z.number().int(), toMs: z.number().int() }),
  row: z.object({ now: z.number(), rows: z.number() }),
  tenantFree,
  timeoutMs: 600_000,
});

/** Rows there are, and the time at which the warehouse said so. */
export async function readBounds(warehouse: Warehouse, selection: ExportSelection) {
  const [row] = await warehouse.query(bounds, { ...selection });
  return row as { now: number; rows: number };
}

/** An app's events, a page at a time: the next one is asked for when the last one is done with. */
export async function* readAppEvents(
  warehouse: Warehouse,
  selection: ExportSelection,
  storedBeforeMs: number,
): AsyncGenerator<readonly CanonicalEvent[]> {
  let after = { name: '', at: 0, id: '', block: '', index: 0 };
  for (;;) {
    const rows = await warehouse.query(page, { ...selection, storedBeforeMs: Math.floor(storedBeforeMs), ...after });
    if (rows.length > 0) yield rows.map(eventOfRow);
    const last = rows.at(-1);
    if (!last || rows.length < rowsPerPage) return;
    after = { name: last.event_name, at: last.at, id: last.event_id, block: last.block_id, index: last.block_index };
  }
}

/** A row as a canonical event: what the table holds as '' or 1970 was absent. Throws a ZodError for a row that is no event. */
export function eventOfRow(row: Readonly<Record<string, unknown>>): CanonicalEvent {
  const event: Record<string, unknown> = {};
  for (const name of eventFields) {
    const value = row[name];
    const isEmpty = value === '' || (value === 0 && isTime(name));
    if (isEmpty && !isRequired(name)) continue;
    event[name] = value;
  }
  if (row['revenue_currency'] === '') delete event['revenue_amount'];
  return eventSchema.parse(event);
}
