import { defineQuery, type Warehouse } from '@tributary/platform/warehouse';
import { z } from 'zod';
import type { Claim } from './insert-ids.ts';

/** Grain: partition. Scan: the whole table, a few rows. */
const newestEpochs = defineQuery({
  name: 'consumer.newest_epochs',
  sql: `SELECT partition, toString(max(epoch)) AS epoch
FROM partition_owners
WHERE consumer_group = {group:String}
GROUP BY partition`,
  params: z.object({ group: z.string() }),
  row: z.object({ partition: z.number(), epoch: z.string().transform(BigInt) }),
  tenantFree: 'The consumer stores the events of all tenants.',
});

/**
 * Writes down that these partitions are ours from now on: inserts under an older epoch are refused from here. May be
 * repeated. It does no harm when a newer owner was there before: the greatest epoch counts.
 */
export async function claimPartitions(
  warehouse: Warehouse,
  group: string,
  owner: string,
  claims: readonly Claim[],
): Promise<void> {
  await warehouse.insertRows({
    name: 'consumer.claim_partitions',
    table: 'partition_owners (consumer_group, partition, epoch, owner)',
    rows: claims.map(({ partition, epoch }) => ({ consumer_group: group, partition, epoch: String(epoch), owner })),
  });
}

/** Those of the claims that a newer owner has overtaken. */
export async function readOvertaken(
  warehouse: Warehouse,
  group: string,
  claims: readonly Claim[],
): Promise<readonly number[]> {
  const rows = await warehouse.query(newestEpochs, { group });
  const newest = new Map(rows.map(({ partition, epoch }) => [partition, epoch]));
  return claims
    .filter(({ partition, epoch }) => (newest.get(partition) ?? 0n) > epoch)
    .map(({ partition }) => partition);
}
