import { defineQuery, type Warehouse } from '@tributary/platform/warehouse';
import { CodedError } from '@tributary/schema';
import { z } from 'zod';

const tenantFree = 'The consumer stores the events of all tenants; what it asks for is never shown to anybody.';

/** Values in one statement: under the 128 KB that a ClickHouse server takes for one parameter. */
const blocksPerQuestion = 1_000;
const hashesPerQuestion = 2_000;

/**
 * Grain: block. Index: block_id_range (minmax); block ids grow with time, so the blocks past the committed offset are
 * in the newest parts. Expected scan: those parts' last granules.
 */
const storedLines = defineQuery({
  name: 'consumer.stored_lines',
  sql: `SELECT block_id, groupArray(block_index) AS indexes
FROM events
WHERE block_id IN {blockIds:Array(String)}
GROUP BY block_id`,
  params: z.object({ blockIds: z.array(z.string()) }),
  row: z.object({ block_id: z.string(), indexes: z.array(z.number()) }),
  tenantFree,
});

/** Which lines of these blocks the warehouse holds: block id → indexes. Blocks of which it holds none are left out. */
export async function readStoredLines(
  warehouse: Warehouse,
  blockIds: readonly string[],
): Promise<ReadonlyMap<string, ReadonlySet<number>>> {
  const stored = new Map<string, ReadonlySet<number>>();
  for (const some of chunksOf([...new Set(blockIds)], blocksPerQuestion)) {
    const rows = await warehouse.query(storedLines, { blockIds: some });
    for (const row of rows) stored.set(row.block_id, new Set(row.indexes));
  }
  return stored;
}

/**
 * Grain: event. Indexes: block_id_range leaves out the parts older than the window (block ids carry their time),
 * dedupe_hash_bloom nearly all granules of the rest. Expected scan: one granule for each hash that is there, and one in
 * a thousand of the others for each hash.
 */
const storedKeys = defineQuery({
  name: 'consumer.stored_keys',
  sql: `SELECT dedupe_hash, app_id, source_format, event_id, block_id, block_index, payload_hash
FROM events
WHERE dedupe_hash IN {hashes:Array(String)}
  AND received_at >= fromUnixTimestamp64Milli({sinceMs:Int64})
  AND block_id >= {sinceBlockId:String}`,
  params: z.object({ hashes: z.array(z.string()), sinceMs: z.number().int(), sinceBlockId: z.string() }),
  row: z.object({
    dedupe_hash: z.string(),
    app_id: z.string(),
    source_format: z.string(),
    event_id: z.string(),
    block_id: z.string(),
    block_index: z.number(),
    payload_hash: z.string(),
  }),
  tenantFree,
});

export type StoredKey = z.output<typeof storedKeys.row>;

/** A block may have been closed by a collector whose clock is a little behind. */
const blockClockSlackMs = 3_600_000;

/** The events stored since `sinceMs` (received) with one of these dedupe hashes, in no order. */
export async function readStoredKeys(
  warehouse: Warehouse,
  hashes: readonly string[],
  sinceMs: number,
): Promise<StoredKey[]> {
  const found: StoredKey[] = [];
  for (const some of chunksOf(hashes, hashesPerQuestion)) {
    found.push(
      ...(await warehouse.query(storedKeys, {
        hashes: some,
        sinceMs: Math.max(0, sinceMs),
        sinceBlockId: blockIdsFrom(sinceMs - blockClockSlackMs),
      })),
    );
  }
  return found;
}

/** Grain: time bucket. Scan: `received_at` of the parts since then. */
const seenCounts = defineQuery({
  name: 'consumer.seen_counts',
  sql: `SELECT toUInt32(intDiv(toUnixTimestamp64Milli(received_at), {bucketMs:Int64})) AS bucket, toFloat64(count()) AS ids
FROM events
WHERE received_at >= fromUnixTimestamp64Milli({sinceMs:Int64}) AND block_id >= {sinceBlockId:String}
GROUP BY bucket
ORDER BY bucket`,
  params: z.object({ bucketMs: z.number().int(), sinceMs: z.number().int(), sinceBlockId: z.string() }),
  row: z.object({ bucket: z.number(), ids: z.number() }),
  tenantFree,
  timeoutMs: 120_000,
});

/** How many events were received in each bucket of `bucketMs` since `sinceMs`; bucket = epoch ms div `bucketMs`. */
export function readSeenCounts(
  warehouse: Warehouse,
  sinceMs: number,
  bucketMs: number,
): Promise<{ bucket: number; ids: number }[]> {
  return warehouse.query(seenCounts, {
    bucketMs,
    sinceMs: Math.max(0, sinceMs),
    sinceBlockId: blockIdsFrom(sinceMs - blockClockSlackMs),
  });
}

/**
 * Grain: many hashes a row, 8 bytes each, big-endian, in base64: a row of its own for each would cost more to parse than
 * to read. Scan: `received_at` of the parts of that time, `dedupe_hash` of the granules that match.
 */
const seenHashes = defineQuery({
  name: 'consumer.seen_hashes',
  sql: `SELECT base64Encode(arrayStringConcat(groupArray(unhex(toString(dedupe_hash))))) AS hashes, toUInt32(count()) AS ids
FROM events
WHERE received_at >= fromUnixTimestamp64Milli({fromMs:Int64}) AND received_at < fromUnixTimestamp64Milli({toMs:Int64})
  AND block_id >= {sinceBlockId:String}
  AND sipHash64(dedupe_hash) % {shares:UInt32} = {share:UInt32}
GROUP BY substring(dedupe_hash, 1, 1)`,
  params: z.object({
    fromMs: z.number().int(),
    toMs: z.number().int(),
    sinceBlockId: z.string(),
    shares: z.number().int(),
    share: z.number().int(),
  }),
  row: z.object({ hashes: z.string(), ids: z.number() }),
  tenantFree,
  timeoutMs: 120_000,
});

/** Dedupe hashes of the events received in [fromMs, toMs), one of `shares` equal shares of them: 8 bytes each, big-endian. */
export async function readSeenHashes(
  warehouse: Warehouse,
  range: { readonly fromMs: number; readonly toMs: number; readonly shares: number; readonly share: number },
): Promise<Buffer[]> {
  const rows = await warehouse.query(seenHashes, {
    ...range,
    sinceBlockId: blockIdsFrom(range.fromMs - blockClockSlackMs),
  });
  return rows.map(({ hashes, ids }) => {
    const bytes = Buffer.from(hashes, 'base64');
    // One hash that is short shifts all that follow it, and repeats would be taken for new. (The engine cuts zeros off the
    // end of a FixedString when it joins them, hence the text in between.)
    if (bytes.length !== ids * 8) {
      throw new CodedError('INTERNAL', { message: `${ids} dedupe hashes came in ${bytes.length} bytes.` });
    }
    return bytes;
  });
}

/** The least text that a UUID v7 made at or after this time can be. */
export function blockIdsFrom(timeMs: number): string {
  const hex = Math.max(0, Math.floor(timeMs)).toString(16).padStart(12, '0').slice(-12);
  return `${hex.slice(0, 8)}-${hex.slice(8)}`;
}

function chunksOf<T>(items: readonly T[], size: number): T[][] {
  const chunks: T[][] = [];
  for (let from = 0; from < items.length; from += size) chunks.push(items.slice(from, from + size));
  return chunks;
}
