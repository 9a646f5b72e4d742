import {
  type CanonicalEvent,
  dedupeKeyOf,
  hash64,
  hex64,
  type LogBlock,
  type TouchedMinutes,
  uuidV7,
} from '@tributary/schema';

/** Bytes of one block, about: below the brokers' usual record limit of 1 MB. */
const maxBlockBytes = 700_000;

/** An event with the place in a block that it had before, if any; both are made anew. */
export type LooseEvent = Omit<CanonicalEvent, 'block_id' | 'block_index' | 'dedupe_hash'>;

/**
 * Events that don't come from a collector as blocks of the log, in the order given within each partition. Hash and
 * partition are those of their keys. A block counts as received when its earliest event was: the consumer then looks for
 * repeats as far back as that event's window, also where its memory does not reach.
 */
export function blocksOfEvents(events: readonly LooseEvent[], partitionCount: number, nowMs: number): LogBlock[] {
  const keyed = events.map((event) => ({
    event,
    hash: hash64(dedupeKeyOf(event.app_id, event.source_format, event.event_id)),
  }));
  const byPartition = Map.groupBy(keyed, ({ hash }) => Number(hash % BigInt(partitionCount)));
  return [...byPartition].flatMap(([partition, own]) => {
    const blocks: LogBlock[] = [];
    for (let from = 0; from < own.length; ) {
      const blockId = uuidV7(nowMs);
      const lines: Buffer[] = [];
      let bytes = 0;
      for (let index = from; index < own.length; index += 1) {
        const { event, hash } = own[index]!;
        const line = Buffer.from(
          `${JSON.stringify({ ...event, block_id: blockId, block_index: index - from, dedupe_hash: hex64(hash) })}\n`,
        );
        if (lines.length > 0 && bytes + line.length > maxBlockBytes) break;
        lines.push(line);
        bytes += line.length;
      }
      blocks.push(blockOf(own.slice(from, from + lines.length), lines, { partition, blockId }));
      from += lines.length;
    }
    return blocks;
  });
}

function blockOf(
  items: readonly { readonly event: LooseEvent; readonly hash: bigint }[],
  lines: readonly Buffer[],
  { partition, blockId }: { readonly partition: number; readonly blockId: string },
): LogBlock {
  return {
    header: {
      kind: 'events',
      blockId,
      partition,
      count: lines.length,
      lineLengths: lines.map((line) => line.length),
      dedupeHashes: items.map(({ hash }) => hex64(hash)).join(''),
      payloadHashes: items.map(({ event }) => event.payload_hash).join(''),
      touched: touchedOf(items.map(({ event }) => event)),
      receivedAt: items.reduce((least, { event }) => Math.min(least, event.received_at), Number.POSITIVE_INFINITY),
    },
    body: Buffer.concat(lines),
  };
}

function touchedOf(events: readonly LooseEvent[]): TouchedMinutes[] {
  return [...Map.groupBy(events, ({ tenant_id, app_id }) => JSON.stringify([tenant_id, app_id]))].map(([key, own]) => {
    const [tenantId, appId] = JSON.parse(key) as [string, string];
    const minutes = new Set(own.map(({ occurred_at }) => Math.floor(occurred_at / 60_000) * 60_000));
    return { tenantId, appId, minutes: [...minutes].sort((one, other) => one - other), events: own.length };
  });
}
