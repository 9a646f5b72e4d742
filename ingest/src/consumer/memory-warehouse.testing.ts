import type { InsertBytes, QueryDefinition, Warehouse } from '@tributary/platform/warehouse';
import { CodedError, type DeadLetter } from '@tributary/schema';

export interface MemoryWarehouse extends Warehouse {
  /** In the order stored. */
  readonly events: readonly StoredEvent[];
  readonly deadLetters: ReadonlyMap<string, DeadLetter>;
  /** Number of inserts into `events` that were taken. */
  readonly inserts: number;
  /** Newest epochs, `<group> <partition>` → epoch. */
  readonly owners: ReadonlyMap<string, bigint>;
}

export interface StoredEvent {
  readonly block_id: string;
  readonly block_index: number;
  readonly app_id: string;
  readonly source_format: string;
  readonly event_id: string;
  readonly dedupe_hash: string;
  readonly payload_hash: string;
  readonly received_at: number;
  readonly occurred_at: number;
}

/**
 * The warehouse as an array: takes the consumer's inserts, refuses a line whose `occurred_at` is no number as the engine
 * does, and answers the consumer's questions. For what only the engine can show, use the test warehouse.
 *
 * `fence: false` leaves out what the fence of events_inbox does, to show what it is there for.
 */
export function createMemoryWarehouse({ fence = true }: { readonly fence?: boolean } = {}): MemoryWarehouse {
  const events: StoredEvent[] = [];
  const deadLetters = new Map<string, DeadLetter>();
  const owners = new Map<string, bigint>();
  let inserts = 0;

  function insertLines(table: string, lines: readonly string[]): number {
    if (table.startsWith('partition_owners')) return claim(owners, lines);
    const rows = lines.map((line, index) => parseRow(line, index));
    if (table === 'events' || table === 'events_inbox') {
      events.push(...(rows as StoredEvent[]));
      inserts += 1;
    } else {
      for (const row of rows as DeadLetter[]) deadLetters.set(row.dead_letter_id, row);
    }
    return table === 'events_inbox' ? rows.length * 2 : rows.length;
  }

  return {
    events,
    deadLetters,
    owners,
    get inserts() {
      return inserts;
    },
    async query<P extends Record<string, unknown>, R>(definition: QueryDefinition<P, R>, params: P): Promise<R[]> {
      const answer = answers[definition.name];
      if (!answer) throw new Error(`no answer to ${definition.name}`);
      return answer(events, definition.params.parse(params), owners).map((row) => definition.row.parse(row));
    },
    execute: async () => {},
    async insertBytes(insert) {
      if (fence && insert.table === 'events_inbox') refuseStale(owners, insert.queryId ?? '');
      return { writtenRows: insertLines(insert.table, linesOf(insert)) };
    },
    async insertRows({ table, rows }) {
      insertLines(
        table,
        rows.map((row) => JSON.stringify(row)),
      );
    },
    killQueries: async () => {},
    ping: async () => {},
    dispose: async () => {},
  };
}

function claim(owners: Map<string, bigint>, lines: readonly string[]): number {
  for (const line of lines) {
    const { consumer_group, partition, epoch } = JSON.parse(line) as Record<string, string>;
    const key = `${consumer_group} ${partition}`;
    const claimed = BigInt(epoch ?? '0');
    if (claimed > (owners.get(key) ?? 0n)) owners.set(key, claimed);
  }
  return lines.length;
}

/** As the view of schema/clickhouse/0008_exactly_once.sql does. */
function refuseStale(owners: ReadonlyMap<string, bigint>, queryId: string): void {
  const [, group, claims] = /^consumer-(.+)-((?:e\d+p[\d.]+)+)-/.exec(queryId) ?? [];
  if (!claims) throw new Error(`an insert without a claim: ${queryId}`);
  for (const [, epoch, partitions] of claims.matchAll(/e(\d+)p([\d.]+)/g)) {
    for (const partition of (partitions ?? '').split('.')) {
      if (BigInt(epoch ?? '0') < (owners.get(`${group} ${partition}`) ?? 0n)) throw new CodedError('STALE_OWNER');
    }
  }
}

/** The lines of an insert, without newlines. */
export function linesOf({ body }: Pick<InsertBytes, 'body'>): string[] {
  const parts = body instanceof Uint8Array ? [body] : body;
  return Buffer.concat([...parts])
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '');
}

type Answer = (
  events: readonly StoredEvent[],
  params: Record<string, unknown>,
  owners: ReadonlyMap<string, bigint>,
) => object[];

const answers: Readonly<Record<string, Answer>> = {
  'consumer.stored_lines': (events, { blockIds }) => {
    const asked = new Set(blockIds as string[]);
    const found = Map.groupBy(
      events.filter(({ block_id }) => asked.has(block_id)),
      ({ block_id }) => block_id,
    );
    return [...found].map(([block_id, rows]) => ({ block_id, indexes: rows.map(({ block_index }) => block_index) }));
  },
  'consumer.newest_epochs': (_events, { group }, owners) =>
    [...owners].flatMap(([key, epoch]) => {
      const [owner, partition] = key.split(' ');
      return owner === group ? [{ partition: Number(partition), epoch: String(epoch) }] : [];
    }),
  'consumer.stored_keys': (events, { hashes, sinceMs, sinceBlockId }) => {
    const asked = new Set(hashes as string[]);
    return events.filter(
      (event) =>
        asked.has(event.dedupe_hash) &&
        event.received_at >= (sinceMs as number) &&
        event.block_id >= (sinceBlockId as string),
    );
  },
  'consumer.seen_counts': (events, { bucketMs, sinceMs }) => {
    const buckets = Map.groupBy(
      events.filter(({ received_at }) => received_at >= (sinceMs as number)),
      ({ received_at }) => Math.floor(received_at / (bucketMs as number)),
    );
    return [...buckets].map(([bucket, rows]) => ({ bucket, ids: rows.length })).sort((a, b) => a.bucket - b.bucket);
  },
  'consumer.seen_hashes': (events, { fromMs, toMs, shares, share }) => {
    const found = events.filter(
      (event) =>
        event.received_at >= (fromMs as number) &&
        event.received_at < (toMs as number) &&
        Number.parseInt(event.dedupe_hash.slice(-4), 16) % (shares as number) === share,
    );
    const hashes = Buffer.from(found.map((event) => event.dedupe_hash).join(''), 'hex').toString('base64');
    return [{ hashes, ids: found.length }];
  },
};

function parseRow(line: string, index: number): object {
  const row = JSON.parse(line) as { occurred_at?: unknown; payload?: unknown };
  if (row.payload === undefined && typeof row.occurred_at !== 'number') {
    throw new CodedError('ROW_REFUSED', {
      details: { engineCode: 41 },
      cause: new Error(`Cannot parse DateTime: (at row ${index + 1})`),
    });
  }
  return row;
}
