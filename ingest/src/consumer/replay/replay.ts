import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '@tributary/platform/clock';
import type { EventLog } from '@tributary/platform/event-log';
import type { Logger } from '@tributary/platform/logger';
import type { Warehouse } from '@tributary/platform/warehouse';
import { type CanonicalEvent, CodedError } from '@tributary/schema';
import { type ConsumerSettings, defaultConsumerSettings } from '../settings.ts';
import { copyOutside, readRowsByDay } from './copy-outside.ts';
import { type FillCounts, openRangeFill } from './fill.ts';
import { openGate } from './gate.ts';
import type { ReplayRange } from './range.ts';
import { type ReplaySource, readEvents, readLog } from './sources.ts';
import { swapIn } from './swap.ts';
import {
  beforeName,
  buildName,
  builtComment,
  parseId,
  readChanges,
  readServerTime,
  readVersions,
  recoverVersions,
  requirePlainEvents,
} from './versions.ts';

export interface ReplayDeps {
  readonly warehouse: Warehouse;
  readonly logger: Logger;
  readonly clock: Clock;
  /** One line for people: what was done, with counts. */
  readonly say: (line: string) => void;
  readonly settings?: Partial<ConsumerSettings>;
  /** Gives the replay up; `events` stays as it was. */
  readonly signal?: AbortSignal;
}

export interface ReplayRequest {
  readonly range: ReplayRange;
  /** The log, or the events of an export. */
  readonly source: { readonly log: EventLog } | { readonly events: AsyncIterable<readonly CanonicalEvent[]> };
  /** Partitions of the log. */
  readonly partitionCount: number;
  /** Builds the version, says what it would change, and drops it. */
  readonly dryRun: boolean;
}

export interface ReplayReport {
  readonly id: string;
  /** Null when it was a dry run. */
  readonly swappedAtMs: number | null;
  readonly counts: FillCounts;
  /** By UTC day of receipt: rows of the range, then and now. */
  readonly days: readonly { readonly day: string; readonly before: number; readonly after: number }[];
}

/** Rows that a live insert was still writing when the copy began, for so long at most. */
const carrySlackMs = 600_000;
const saidEachMs = 2_000;

/**
 * Builds a new version of `events`, in which the rows of the range are what the source gives, and puts it in place of the old
 * one, which is kept for `undoReplay`. Readers see the old or the new, never a gap; live consumers go on, but for the
 * seconds of the swap, in which they wait.
 *
 * Rows that are in both keep the time at which they were stored, so no worker takes them for new; those that were missing
 * get the time of the swap, so that workers see them.
 *
 * Must not run twice at once. Killed at any moment it leaves `events` whole, and `recoverReplays` cleans up after it.
 * Rejects with CONFIG_INVALID when the log lacks a part of the range, or events were deleted while it ran.
 */
export async function replayEvents(deps: ReplayDeps, request: ReplayRequest): Promise<ReplayReport> {
  const { warehouse, clock, say } = deps;
  await recoverReplays(deps);
  await requirePlainEvents(warehouse);
  const startedAtMs = await readServerTime(warehouse);
  const range = { ...request.range, toMs: Math.min(request.range.toMs, Math.floor(startedAtMs)) };
  if (range.fromMs >= range.toMs) throw new CodedError('CONFIG_INVALID', { message: 'The range to replay is empty.' });
  const knownChanges = await untilChangesAreDone(deps);
  const id = new Date(clock.now()).toISOString().replaceAll(/\D/g, '').slice(0, 17);
  const table = buildName(id);
  const settings = { ...defaultConsumerSettings, ...deps.settings };
  await warehouse.execute({
    name: 'replay.create',
    sql: `CREATE TABLE ${table} AS events COMMENT '${builtComment(id)}'`,
  });
  let swappedAtMs: number | null = null;
  try {
    say(`replay ${id}: copying what lies outside the range`);
    await copyOutside(warehouse, table, range, say);
    const counts = await fillRange(deps, { ...request, range }, { table, id, settings });
    const before = await readRowsByDay(warehouse, 'events', range);
    const after = await readRowsByDay(warehouse, table, range);
    if (!request.dryRun) {
      swappedAtMs = await swapIn(warehouse, {
        id,
        table,
        carrySinceMs: startedAtMs - carrySlackMs,
        dedupeWindowMs: settings.dedupeWindowMs,
        knownChanges,
        settleMs: settings.settleMs,
        whileShut: (nowMs) => markRecovered(warehouse, table, { range, sinceMs: startedAtMs, nowMs }),
      });
      say(`replay ${id} is in place; the version before it is kept as ${beforeName(id)}`);
    }
    const days = [...new Set([...before.keys(), ...after.keys()])].sort();
    return {
      id,
      swappedAtMs,
      counts,
      days: days.map((day) => ({ day, before: before.get(day) ?? 0, after: after.get(day) ?? 0 })),
    };
  } finally {
    // Before the exchange it drops the version, after it it gives the old one its name.
    for (const line of await recoverVersions(warehouse)) if (swappedAtMs === null && !request.dryRun) say(line);
  }
}

/** Cleans up after a replay that was killed: opens its gate, drops or names its table. Says what it did. */
export async function recoverReplays({ warehouse, say }: Pick<ReplayDeps, 'warehouse' | 'say'>): Promise<void> {
  if (await openGate(warehouse)) say('the gate of a replay that was ended in its swap is open again');
  for (const line of await recoverVersions(warehouse)) say(line);
}

/**
 * Exchanges `events` with the version that the replay put aside; what was stored since the swap is carried over. Done twice it
 * is as before: the replayed version is kept under the same name. Only the latest replay can be undone.
 */
export async function undoReplay(deps: ReplayDeps, idText: string): Promise<void> {
  const { warehouse, say } = deps;
  const id = parseId(idText);
  await recoverReplays(deps);
  const versions = await readVersions(warehouse);
  const table = beforeName(id);
  if (!versions.some(({ name }) => name === table)) {
    throw new CodedError('CONFIG_INVALID', {
      message: `There is no ${table}: it was dropped, or there was no such replay.`,
    });
  }
  const current = versions.find(({ name }) => name === 'events')?.comment ?? '';
  const since = new RegExp(`^replay ${id} swapped ([0-9]+)$`).exec(current)?.[1];
  if (since === undefined) {
    throw new CodedError('CONFIG_INVALID', {
      message: `Replay ${id} is not the latest swap; undo the later ones first.`,
    });
  }
  const changes = await readChanges(warehouse);
  // The version before still has what was deleted since: an erased person must not come back.
  if (changes.some(({ deletes, at }) => deletes === 1 && at >= Math.floor(Number(since) / 1_000) * 1_000)) {
    throw new CodedError('CONFIG_INVALID', {
      message: `Events were deleted since replay ${id}, and ${table} still holds them. It can only be dropped.`,
    });
  }
  const settings = { ...defaultConsumerSettings, ...deps.settings };
  await swapIn(warehouse, {
    id,
    table,
    carrySinceMs: Number(since),
    dedupeWindowMs: settings.dedupeWindowMs,
    knownChanges: new Set(changes.map(({ id: change }) => change)),
    settleMs: settings.settleMs,
  });
  say(`replay ${id} is undone; the replayed version is kept as ${table}, undo again brings it back`);
}

/** Drops the version that a replay put aside: from then on it can't be undone. */
export async function dropReplay({ warehouse, say }: ReplayDeps, idText: string): Promise<void> {
  const table = beforeName(parseId(idText));
  const version = (await readVersions(warehouse)).find(({ name }) => name === table);
  if (!version) throw new CodedError('CONFIG_INVALID', { message: `There is no ${table}.` });
  await warehouse.execute({ name: 'replay.drop', sql: `DROP TABLE ${table} SYNC`, timeoutMs: 600_000 });
  say(`${table} is dropped: ${version.rows} rows, ${(version.bytes / 1e6).toFixed(1)} MB`);
}

interface Filling {
  readonly table: string;
  readonly id: string;
  readonly settings: ConsumerSettings;
}

async function fillRange(
  deps: ReplayDeps,
  { source, partitionCount, range }: ReplayRequest,
  { table, id, settings }: Filling,
): Promise<FillCounts> {
  const startedAt = performance.now();
  const { warehouse, logger, signal = new AbortController().signal, clock, say } = deps;
  const hasOwnBlocks = 'log' in source;
  const records: ReplaySource = hasOwnBlocks
    ? readLog(source.log, `replay-${id}`, range)
    : readEvents(source.events, partitionCount, () => clock.now());
  const fill = await openRangeFill({ warehouse, logger, settings, partitionCount, signal, hasOwnBlocks }, table, range);
  const summary = () => {
    const { lines, stored, duplicates, conflicts, refused } = fill.counts;
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    return `${seconds} s: ${lines} lines read, ${stored} stored, ${duplicates} duplicates, ${conflicts} conflicts, ${refused} refused`;
  };
  try {
    let saidAt = performance.now();
    for await (const some of records) {
      signal.throwIfAborted();
      await fill.add(some);
      if (performance.now() - saidAt < saidEachMs) continue;
      saidAt = performance.now();
      say(summary());
    }
    say(summary());
    return { ...fill.counts };
  } finally {
    fill.dispose();
  }
}

/** Rows that the old version lacked get the time of the swap: a worker that reads by it has passed the time of the build. */
async function markRecovered(
  warehouse: Warehouse,
  table: string,
  { range, sinceMs, nowMs }: { readonly range: ReplayRange; readonly sinceMs: number; readonly nowMs: number },
): Promise<void> {
  // Constants, since a mutation is run later, without the parameters of the statement.
  const app = range.appId === null ? '' : ` AND app_id = ${textLiteral(range.appId)}`;
  await warehouse.execute({
    name: 'replay.mark_recovered',
    sql: `ALTER TABLE ${table} UPDATE inserted_at = fromUnixTimestamp64Milli(${Math.floor(nowMs)}, 'UTC')
WHERE inserted_at >= fromUnixTimestamp64Milli(${Math.floor(sinceMs)})
  AND received_at >= fromUnixTimestamp64Milli(${range.fromMs}) AND received_at < fromUnixTimestamp64Milli(${range.toMs})${app}`,
    settings: { mutations_sync: 2 },
    timeoutMs: 480_000,
  });
}

const textLiteral = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

/** Ids of all mutations of `events`, when none is left unfinished: half-deleted rows would be copied whole. */
async function untilChangesAreDone({ warehouse, say, signal }: ReplayDeps): Promise<ReadonlySet<string>> {
  for (let looks = 0; ; looks += 1) {
    signal?.throwIfAborted();
    const changes = await readChanges(warehouse);
    if (changes.every(({ done }) => done === 1)) return new Set(changes.map(({ id }) => id));
    if (looks === 0) say('waiting for deletions of events to be done');
    await sleep(250, undefined, signal ? { signal } : {});
  }
}
