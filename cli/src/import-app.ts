import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { blocksOfEvents } from '@tributary/ingest/consumer';
import type { Clock } from '@tributary/platform/clock';
import type { EventLog } from '@tributary/platform/event-log';
import { defineQuery, type Warehouse } from '@tributary/platform/warehouse';
import { type CanonicalEvent, CodedError, type Config, dedupeKeyOf, hash64, hex64 } from '@tributary/schema';
import { z } from 'zod';
import { checkedManifest } from './export-app.ts';
import { parquetToNdjson } from './export-app-parquet.ts';
import { createRejectFile, type ReadLine, type RefusedLine, readEventLines } from './import-app-lines.ts';
import { openCommandStores, untilStored } from './replay-stores.ts';

export interface ImportRequest {
  readonly appId: string;
  readonly tenantId: string;
  readonly from: string;
}

export interface ImportDeps {
  readonly warehouse: Warehouse;
  readonly eventLog: Pick<EventLog, 'append' | 'partitionCount'>;
  readonly clock: Clock;
  readonly memoryBytes: number;
  readonly say: (line: string) => void;
}

export interface ImportReport {
  /** Put into the log. */
  readonly added: number;
  /** Of these keys the warehouse has an event: the first one wins. */
  readonly present: number;
  /** As `present`, but with another payload; they are in the reject file. */
  readonly conflicts: number;
  /** Lines that are no events; they are in the reject file. */
  readonly refused: number;
  readonly rejectFile: string | null;
}

const saidEachMs = 2_000;
/** An event is a repeat of one with its key that was received within this time of it, as for the consumer. */
const dedupeWindowMs = 7 * 86_400_000;

/** `cli import-app`, with the product running or stopped; stopped, it stores what it put into the log itself. */
export async function runImportApp(
  config: Config,
  given: { readonly appId: string; readonly from: string },
  print: (line: string) => void,
): Promise<ImportReport> {
  const stores = await openCommandStores(config, 'import-app');
  try {
    const { ports } = stores;
    const directory = await ports.directory();
    const app = directory.current().apps.find(({ appId }) => appId === given.appId);
    if (!app) throw new CodedError('CONFIG_INVALID', { message: `There is no app ${given.appId}. Make it first.` });
    const [warehouse, eventLog] = await Promise.all([ports.warehouse(), ports.eventLog()]);
    // What an import that was cut off left in the log must be there when it is asked what is.
    if (!(await untilStored(stores)))
      throw new CodedError('NOT_READY', { message: 'The consumer is too far behind the log.' });
    const deps = { warehouse, eventLog, clock: ports.clock, memoryBytes: config.warehouse.memoryBytes, say: print };
    const report = await importApp(deps, { ...given, tenantId: app.tenantId });
    print((await untilStored(stores)) ? 'all of it is stored' : 'it is in the log, and not all stored yet');
    return report;
  } finally {
    await stores.dispose();
  }
}

/**
 * Puts the events of a file into the log, as events of the app: ids, formats and times of receipt stay, app and tenant are the
 * app's. What the warehouse has is left out, so importing a file again adds nothing once its events are stored.
 *
 * Each line is added, present, or in the reject file with its number. Throws BACKUP_INVALID when a manifest beside the file says
 * that the file is another one, CONFIG_INVALID for a Parquet file whose columns are not those of events.
 */
export async function importApp(deps: ImportDeps, request: ImportRequest): Promise<ImportReport> {
  const file = resolve(request.from);
  await stat(file).catch((cause: unknown) => {
    throw new CodedError('CONFIG_INVALID', { message: `There is no file ${file}.`, cause });
  });
  const manifest = await checkedManifest(file);
  if (manifest === null) deps.say('there is no manifest beside the file: it is taken as it is');
  else deps.say(`${manifest.events} events of ${manifest.appId}, exported ${manifest.madeAt}`);
  const isParquet = manifest ? manifest.format === 'parquet' : file.endsWith('.parquet');
  const rejectFile = `${file}.rejected.ndjson`;
  if (!isParquet) return importLines(deps, request, { lines: file, rejectFile });
  const dir = await mkdtemp(join(tmpdir(), 'tributary-import-'));
  try {
    const lines = join(dir, 'events.ndjson');
    await parquetToNdjson(file, lines, deps.memoryBytes);
    return await importLines(deps, request, { lines, rejectFile });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function importLines(
  { warehouse, eventLog, clock, say }: ImportDeps,
  { appId, tenantId }: ImportRequest,
  { lines, rejectFile }: { readonly lines: string; readonly rejectFile: string },
): Promise<ImportReport> {
  const rejects = createRejectFile(rejectFile);
  const counts = { added: 0, present: 0, conflicts: 0, refused: 0 };
  let saidAt = Date.now();
  try {
    for await (const page of readEventLines(lines)) {
      const own = page.events.map((line) => ({ ...line, event: asEventOf(line.event, appId, tenantId) }));
      const judged = judge(own, await readHolders(warehouse, own));
      await rejects.add([...page.refused, ...judged.conflicts]);
      // Durable when resolved; the next page is read after it.
      const blocks = blocksOfEvents(judged.fresh, eventLog.partitionCount, clock.now());
      if (blocks.length > 0) await eventLog.append(blocks);
      counts.added += judged.fresh.length;
      counts.present += judged.present;
      counts.conflicts += judged.conflicts.length;
      counts.refused += page.refused.length;
      if (Date.now() - saidAt < saidEachMs) continue;
      saidAt = Date.now();
      say(summaryOf(counts));
    }
  } finally {
    await rejects.close();
  }
  say(summaryOf(counts));
  if (rejects.count > 0) say(`${rejects.count} lines were not taken: ${rejectFile} says which and why`);
  return { ...counts, rejectFile: rejects.count > 0 ? rejectFile : null };
}

const summaryOf = (counts: Omit<ImportReport, 'rejectFile'>) =>
  `${counts.added} added, ${counts.present} there already, ${counts.conflicts} conflicts, ${counts.refused} refused`;

const asEventOf = (event: CanonicalEvent, appId: string, tenantId: string): CanonicalEvent => ({
  ...event,
  app_id: appId,
  tenant_id: tenantId,
  dedupe_hash: hashOf(appId, event),
});

const hashOf = (appId: string, { source_format, event_id }: Pick<CanonicalEvent, 'source_format' | 'event_id'>) =>
  hex64(hash64(dedupeKeyOf(appId, source_format, event_id)));

/** Grain: event. Index: dedupe_hash_bloom. Expected scan: about a granule for each hash that is there. */
const holders = defineQuery({
  name: 'import_app.holders',
  sql: `SELECT app_id, source_format, event_id, payload_hash, toFloat64(toUnixTimestamp64Milli(received_at)) AS received_at
FROM events
WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND dedupe_hash IN {hashes:Array(String)}`,
  params: z.object({ tenantId: z.string(), appId: z.string(), hashes: z.array(z.string()) }),
  row: z.object({
    app_id: z.string(),
    source_format: z.string(),
    event_id: z.string(),
    payload_hash: z.string(),
    received_at: z.number(),
  }),
  timeoutMs: 120_000,
});

interface Holder {
  readonly payload_hash: string;
  readonly received_at: number;
}
type HoldersByKey = Map<string, Holder[]>;

const keyOf = (event: { readonly app_id: string; readonly source_format: string; readonly event_id: string }) =>
  dedupeKeyOf(event.app_id, event.source_format, event.event_id);

/** The stored events with one of these keys. */
async function readHolders(warehouse: Warehouse, lines: readonly ReadLine[]): Promise<HoldersByKey> {
  const [first] = lines;
  if (!first) return new Map();
  const rows = await warehouse.query(holders, {
    tenantId: first.event.tenant_id,
    appId: first.event.app_id,
    hashes: lines.map(({ event }) => event.dedupe_hash),
  });
  return Map.groupBy(rows, keyOf);
}

interface Judged {
  readonly fresh: readonly CanonicalEvent[];
  readonly present: number;
  readonly conflicts: readonly RefusedLine[];
}

function judge(lines: readonly ReadLine[], known: HoldersByKey): Judged {
  const fresh: CanonicalEvent[] = [];
  const conflicts: RefusedLine[] = [];
  let present = 0;
  for (const line of lines) {
    const { event } = line;
    const held = known.get(keyOf(event)) ?? [];
    const near = held.filter(({ received_at }) => Math.abs(received_at - event.received_at) <= dedupeWindowMs);
    if (near.length === 0) {
      fresh.push(event);
      known.set(keyOf(event), [...held, event]);
    } else if (near.some(({ payload_hash }) => payload_hash === event.payload_hash)) present += 1;
    else conflicts.push({ ...line, reason: 'DEDUPE_CONFLICT: the app has an event with this id and another payload' });
  }
  return { fresh, present, conflicts };
}
