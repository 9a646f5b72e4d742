import type { Warehouse } from '@tributary/platform/warehouse';
import { CodedError } from '@tributary/schema';
import { openGate, shutGate } from './gate.ts';
import { readChanges, readServerTime, swappedComment } from './versions.ts';

export interface SwapOptions {
  readonly id: string;
  /** The version that becomes `events`; afterwards this name is the version that was. */
  readonly table: string;
  /** What was stored in `events` since then and is not in the version is carried over. */
  readonly carrySinceMs: number;
  readonly dedupeWindowMs: number;
  /** Mutations of `events` that the version knows of; any other gives the swap up. */
  readonly knownChanges: ReadonlySet<string>;
  /** Called behind the shut gate, before anything is carried over. */
  readonly whileShut?: (nowMs: number) => Promise<void>;
  readonly settleMs?: number;
}

/** Left of the gate's time at the exchange, at least. */
const spareMs = 60_000;

/**
 * Makes a version the table `events`, in one exchange of names: a reader's query sees one or the other, never neither. Behind
 * the shut gate, what live consumers stored meanwhile is carried over; keys decide, as always (the first one wins).
 * The view of the inbox goes by name, so from the exchange on it feeds the new version.
 *
 * Rejects, with `events` as it was and the gate open, when anything fails before the exchange; with CONFIG_INVALID when rows
 * were deleted meanwhile. Resolves with the time of the swap.
 */
export async function swapIn(warehouse: Warehouse, options: SwapOptions): Promise<number> {
  try {
    const opensAtMs = await shutGate(warehouse, options.settleMs ?? 100);
    const swappedAtMs = await readServerTime(warehouse);
    // A millisecond before: what has that time or a later one was stored after the swap.
    await options.whileShut?.(swappedAtMs - 1);
    await carryOver(warehouse, options);
    await warehouse.execute({
      name: 'replay.mark',
      sql: `ALTER TABLE ${options.table} MODIFY COMMENT '${swappedComment(options.id, swappedAtMs)}'`,
    });
    if (await wasChanged(warehouse, 'events', options.knownChanges)) throw changedMeanwhile();
    if ((await readServerTime(warehouse)) > opensAtMs - spareMs) {
      throw new CodedError('QUERY_TIMEOUT', {
        message: 'The swap took longer than its gate may be shut. Nothing was changed.',
      });
    }
    const exchange = `EXCHANGE TABLES events AND ${options.table}`;
    await warehouse.execute({ name: 'replay.exchange', sql: exchange });
    // Between the question and the exchange: the old version is right, and back it goes.
    if (await wasChanged(warehouse, options.table, options.knownChanges)) {
      await warehouse.execute({ name: 'replay.exchange_back', sql: exchange });
      throw changedMeanwhile();
    }
    return swappedAtMs;
  } finally {
    await openGate(warehouse);
  }
}

async function carryOver(warehouse: Warehouse, { table, carrySinceMs, dedupeWindowMs }: SwapOptions): Promise<void> {
  await warehouse.execute({
    name: 'replay.carry_over',
    sql: `INSERT INTO ${table} SELECT * FROM events
WHERE inserted_at >= fromUnixTimestamp64Milli({sinceMs:Int64})
  AND (app_id, source_format, event_id) NOT IN (
    SELECT app_id, source_format, event_id FROM ${table}
    WHERE dedupe_hash IN (SELECT dedupe_hash FROM events WHERE inserted_at >= fromUnixTimestamp64Milli({sinceMs:Int64}))
      AND toUnixTimestamp64Milli(received_at) >= (
        SELECT min(toUnixTimestamp64Milli(received_at)) FROM events WHERE inserted_at >= fromUnixTimestamp64Milli({sinceMs:Int64})
      ) - {windowMs:Int64})`,
    params: { sinceMs: Math.max(0, Math.floor(carrySinceMs)), windowMs: dedupeWindowMs },
    timeoutMs: 480_000,
  });
}

/** Rows that were deleted meanwhile (erasure, retention) are still in the version: it must not bring them back. */
async function wasChanged(warehouse: Warehouse, table: string, known: ReadonlySet<string>): Promise<boolean> {
  return (await readChanges(warehouse, table)).some(({ id }) => !known.has(id));
}

const changedMeanwhile = () =>
  new CodedError('CONFIG_INVALID', {
    message:
      'Events were deleted or changed while the new version was built. Nothing was changed; run the command again.',
  });
