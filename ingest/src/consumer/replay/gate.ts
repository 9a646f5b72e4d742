import { setTimeout as sleep } from 'node:timers/promises';
import { defineQuery, type Warehouse } from '@tributary/platform/warehouse';
import { CodedError } from '@tributary/schema';
import { z } from 'zod';
import { readServerTime } from './versions.ts';

/**
 * The gate: while it is shut, the view behind `events_inbox` refuses every insert (REPLAY_SWAP), and live consumers, to whom
 * that is an insert of unknown outcome, ask what is stored and try again until it opens. Not the fence of epochs: a consumer
 * that is overtaken there lets go of its partitions and gets them again only when the log assigns anew.
 *
 * It opens by itself at a time of the warehouse's clock, so a replay that is killed stops nobody for longer than `gateMs`.
 */
export const gateMs = 600_000;

const conditionOf = (untilMs: number) =>
  `(throwIf(now64(3) < fromUnixTimestamp64Milli(${untilMs}), 'REPLAY_SWAP') = 0)`;
/** As the engine writes the condition down. */
const conditionPattern = / AND \(throwIf\(now64\(3\) < fromUnixTimestamp64Milli\([0-9]+\), 'REPLAY_SWAP'\) = 0\)/g;

/** Grain: one row. Scan: the catalogue of tables. */
const fenceText = defineQuery({
  name: 'replay.fence',
  sql: `SELECT as_select AS text FROM system.tables WHERE database = currentDatabase() AND name = 'events_fence'`,
  params: z.object({}),
  row: z.object({ text: z.string() }),
  tenantFree: 'The fence is of all tenants.',
});

async function readFence(warehouse: Warehouse): Promise<string> {
  const [row] = await warehouse.query(fenceText, {});
  if (!row?.text) throw new CodedError('INTERNAL', { message: 'The warehouse has no view events_fence.' });
  return row.text;
}

async function writeFence(warehouse: Warehouse, text: string): Promise<void> {
  await warehouse.execute({ name: 'replay.gate', sql: `ALTER TABLE events_fence MODIFY QUERY ${text}` });
}

/** Opens the gate, whoever shut it. Resolves with whether it had to be. */
export async function openGate(warehouse: Warehouse): Promise<boolean> {
  const text = await readFence(warehouse);
  const open = text.replaceAll(conditionPattern, '');
  if (open === text) return false;
  await writeFence(warehouse, open);
  return true;
}

/**
 * Shuts the gate and ends what passed it before, so that nothing comes into `events` until it opens. Resolves with the time of
 * the warehouse's clock at which it will open by itself.
 */
export async function shutGate(warehouse: Warehouse, settleMs: number): Promise<number> {
  const text = (await readFence(warehouse)).replaceAll(conditionPattern, '');
  const untilMs = (await readServerTime(warehouse)) + gateMs;
  await writeFence(warehouse, `${text} AND ${conditionOf(untilMs)}`);
  // Twice, as in endInserts: a request that has arrived and was not read yet is on no list of running statements.
  await warehouse.killQueries('consumer-');
  await sleep(settleMs);
  await warehouse.killQueries('consumer-');
  return untilMs;
}
