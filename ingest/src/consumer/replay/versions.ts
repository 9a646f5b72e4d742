import { defineQuery, type Warehouse } from '@tributary/platform/warehouse';
import { CodedError } from '@tributary/schema';
import { z } from 'zod';

/**
 * Versions of the events table. `events` is what all read; `events_replay_<id>` is being built; `events_before_<id>` is what a
 * swap put aside. What a table is stands in its comment, which goes with it through every rename:
 * `replay <id>` = built by that replay, `replay <id> swapped <ms>` = and put in place at that time of the warehouse's clock.
 */
export const buildName = (id: string) => `events_replay_${id}`;
export const beforeName = (id: string) => `events_before_${id}`;
export const builtComment = (id: string) => `replay ${id}`;
export const swappedComment = (id: string, atMs: number) => `replay ${id} swapped ${atMs}`;

const tenantFree = 'A version of the table holds the events of all tenants.';

/** Grain: table. Scan: the catalogue of tables. */
const versionTables = defineQuery({
  name: 'replay.tables',
  sql: `SELECT name, engine, comment, toFloat64(ifNull(total_rows, 0)) AS rows, toFloat64(ifNull(total_bytes, 0)) AS bytes
FROM system.tables
WHERE database = currentDatabase() AND (name = 'events' OR match(name, '^events_(replay|before)_[0-9]+$'))
ORDER BY name`,
  params: z.object({}),
  row: z.object({ name: z.string(), engine: z.string(), comment: z.string(), rows: z.number(), bytes: z.number() }),
  tenantFree,
});
export type VersionTable = z.output<typeof versionTables.row>;

export const readVersions = (warehouse: Warehouse): Promise<VersionTable[]> => warehouse.query(versionTables, {});

export function parseId(text: string): string {
  if (/^[0-9]{8,20}$/.test(text)) return text;
  throw new CodedError('CONFIG_INVALID', { message: `'${text}' is no id of a replay: it prints one, of digits.` });
}

/** Time of the warehouse's own clock, epoch ms: `inserted_at` and the gate are by that one. */
const serverTime = defineQuery({
  name: 'replay.server_time',
  sql: 'SELECT toFloat64(toUnixTimestamp64Milli(now64(3))) AS now',
  params: z.object({}),
  row: z.object({ now: z.number() }),
  tenantFree,
});

export async function readServerTime(warehouse: Warehouse): Promise<number> {
  const [row] = await warehouse.query(serverTime, {});
  return (row as { now: number }).now;
}

/** Grain: mutation. Scan: the catalogue of mutations. Projections that are made anew change no row. */
const changes = defineQuery({
  name: 'replay.changes',
  sql: `SELECT mutation_id AS id, toUInt8(is_done) AS done, toUInt8(command ILIKE '%DELETE%') AS deletes,
  toFloat64(toUnixTimestamp(create_time)) * 1000 AS at
FROM system.mutations
WHERE database = currentDatabase() AND table = {table:String} AND NOT is_killed AND command NOT ILIKE '%PROJECTION%'`,
  params: z.object({ table: z.string() }),
  row: z.object({ id: z.string(), done: z.number(), deletes: z.number(), at: z.number() }),
  tenantFree,
});

export type Change = z.output<typeof changes.row>;

/** `at`: epoch ms, in whole seconds. */
export const readChanges = (warehouse: Warehouse, table = 'events'): Promise<Change[]> =>
  warehouse.query(changes, { table });

/**
 * What a killed replay left: a version that was never put in place is dropped, and one that a swap put aside gets the name it
 * was about to get. `events` itself is whole at every moment, so it is never touched. Returns what was done, in words.
 */
export async function recoverVersions(warehouse: Warehouse): Promise<string[]> {
  const said: string[] = [];
  for (const { name, comment } of await readVersions(warehouse)) {
    const id = /^events_replay_([0-9]+)$/.exec(name)?.[1];
    if (id === undefined) continue;
    if (comment === builtComment(id) || comment.startsWith(`${builtComment(id)} `)) {
      await warehouse.execute({ name: 'replay.drop_unfinished', sql: `DROP TABLE ${name} SYNC`, timeoutMs: 600_000 });
      said.push(`the unfinished replay ${id} was cleaned away`);
    } else {
      await warehouse.execute({ name: 'replay.name_before', sql: `RENAME TABLE ${name} TO ${beforeName(id)}` });
      said.push(`the replay ${id} had been put in place; the version before it is kept as ${beforeName(id)}`);
    }
  }
  return said;
}

/** Throws CONFIG_INVALID where `events` is no plain table: on a cluster the stores' own means do this (docs/operations/replay.md). */
export async function requirePlainEvents(warehouse: Warehouse): Promise<void> {
  const events = (await readVersions(warehouse)).find(({ name }) => name === 'events');
  if (events?.engine === 'MergeTree') return;
  throw new CodedError('CONFIG_INVALID', {
    message: `'events' is of the engine ${events?.engine ?? 'none'}: replay exchanges plain MergeTree tables only.`,
  });
}
