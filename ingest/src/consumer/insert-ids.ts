import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Warehouse } from '@tributary/platform/warehouse';
import type { ConsumerSettings } from './settings.ts';

/** Query ids of a group's inserts: `consumer-<group>-p<partitions>-<uuid>`. */
export interface InsertIds {
  /** By which all inserts of the group, also those of a predecessor, are ended. */
  readonly prefix: string;
  readonly settleMs: number;
  next(partitions: readonly number[]): string;
}

export function createInsertIds({ group, settleMs }: Pick<ConsumerSettings, 'group' | 'settleMs'>): InsertIds {
  const prefix = `consumer-${group}-`;
  return {
    prefix,
    settleMs,
    next(partitions) {
      const named = [...new Set(partitions)].sort((left, right) => left - right);
      // A query id is shown in logs; 256 partitions would make it unreadable.
      return `${prefix}p${named.length <= 8 ? named.join('.') : `${named[0]}..${named.at(-1)}`}-${randomUUID()}`;
    },
  };
}

/**
 * Ends and waits out the inserts of this group, whoever sent them. Resolves when none is left: from then on what is
 * absent stays absent. Rejects when the warehouse can't be reached.
 *
 * Looks twice, `settleMs` apart: a request that the warehouse has received but not yet read is on no list of running
 * statements, and by the second look it has read what was sent before the first.
 */
export async function endInserts(warehouse: Warehouse, { prefix, settleMs }: InsertIds): Promise<void> {
  await warehouse.ping();
  await warehouse.killQueries(prefix);
  await sleep(settleMs);
  await warehouse.killQueries(prefix);
}
