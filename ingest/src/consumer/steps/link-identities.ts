import type { Warehouse } from '@tributary/platform/warehouse';
import type { Batch } from '../batch.ts';
import type { Persistence } from '../persistence.ts';

/** Block ids of one statement: under the 128 KB that a ClickHouse server takes for one parameter. */
const blocksPerStatement = 1_000;

/**
 * Grain: identify or alias event. Index: block_id_range. Expected scan: the newest parts. The person is the event's user;
 * the id that becomes theirs is the event's device key, of an alias the former id where it names one. All of a row comes
 * from its event, so repeating it changes nothing; two words in the same millisecond are told apart by the event's id.
 */
const linkSql = `INSERT INTO identity_links (tenant_id, app_id, device_key, person_id, linked_at, origin, unlinked, version)
SELECT tenant_id, app_id, former, user_id, occurred_at, event_kind, 0,
  toUInt64(toUnixTimestamp64Milli(occurred_at)) * 1000 + sipHash64(event_id) % 999
FROM (
  SELECT *, if(event_kind = 'alias', coalesce(
      nullIf(JSONExtractString(properties, 'previous_id'), ''),
      nullIf(JSONExtractString(properties, 'previousId'), ''),
      device_key), device_key) AS former
  FROM events
  WHERE block_id IN {blockIds:Array(String)} AND event_kind IN ('identify', 'alias') AND user_id != ''
)
WHERE former != user_id`;

/** As the collector writes them; what merely looks so costs a question that finds nothing. */
const marks = ['"event_kind":"identify"', '"event_kind":"alias"'].map((text) => Buffer.from(text));

/**
 * Writes which ids belong to whom, of the batch's identify and alias events, after these are stored. No line is parsed here:
 * blocks without such an event are passed over by a search of their bytes. Rejects only when stopped.
 */
export async function linkIdentities(
  batch: Batch,
  { warehouse, persistence }: { readonly warehouse: Warehouse; readonly persistence: Persistence },
): Promise<{ readonly blocks: number }> {
  const blockIds = batch.blocks
    .filter(({ record: { header, body } }) => header.kind === 'events' && hasIdentity(body))
    .map(({ record }) => record.header.blockId);
  for (let from = 0; from < blockIds.length; from += blocksPerStatement) {
    const some = blockIds.slice(from, from + blocksPerStatement);
    await persistence.untilDone('link identities', () =>
      warehouse.execute({ name: 'consumer.link_identities', sql: linkSql, params: { blockIds: some } }),
    );
  }
  return { blocks: blockIds.length };
}

function hasIdentity(body: Uint8Array): boolean {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return marks.some((mark) => bytes.includes(mark));
}
