import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Warehouse } from '@tributary/platform/warehouse';
import type { ConsumerSettings } from './settings.ts';

/** A partition as it was given to this consumer: a later owner has a greater epoch. */
export interface Claim {
  readonly partition: number;
  readonly epoch: bigint;
}

/**
 * Query ids of a group's inserts: `consumer-<group>-e<epoch>p<partition>.<partition>…-<uuid>`, one `e…p…` for each epoch.
 * The fence in the warehouse (schema/clickhouse/0008_exactly_once.sql) reads them: they are what an insert stands for.
 */
export interface InsertIds {
  readonly group: string;
  readonly settleMs: number;
  next(claims: readonly Claim[]): string;
}

export function createInsertIds({ group, settleMs }: Pick<ConsumerSettings, 'group' | 'settleMs'>): InsertIds {
  return { group, settleMs, next: (claims) => `${prefixOf(group)}${claimsText(claims)}-${randomUUID()}` };
}

const prefixOf = (group: string): string => `consumer-${group}-`;

function claimsText(claims: readonly Claim[]): string {
  const byEpoch = Map.groupBy(claims, ({ epoch }) => epoch);
  return [...byEpoch]
    .map(([epoch, held]) => {
      const partitions = [...new Set(held.map(({ partition }) => partition))].sort((left, right) => left - right);
      return `e${epoch}p${partitions.join('.')}`;
    })
    .join('');
}

/**
 * Ends and waits out the inserts of this group that touch these partitions, whoever sent them; those of other consumers
 * into other partitions go on. Resolves when none is left: from then on what is absent there stays absent, since what an
 * older owner sends later is refused (its epoch), and what this consumer sends it waits for. Rejects when the warehouse
 * can't be reached.
 *
 * Looks twice, `settleMs` apart: a request of our own that the warehouse has received but not yet read is on no list of
 * running statements, and by the second look it has read what was sent before the first.
 */
export async function endInserts(
  warehouse: Warehouse,
  { group, settleMs }: Pick<InsertIds, 'group' | 'settleMs'>,
  partitions: readonly number[],
): Promise<void> {
  if (partitions.length === 0) return;
  const touching = `-(e[0-9]+p[0-9.]+)*e[0-9]+p([0-9]+\\.)*(${[...new Set(partitions)].join('|')})[.e-]`;
  await warehouse.ping();
  await warehouse.killQueries(prefixOf(group), touching);
  await sleep(settleMs);
  await warehouse.killQueries(prefixOf(group), touching);
}
