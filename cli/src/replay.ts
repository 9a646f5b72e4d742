import { resolve } from 'node:path';
import { dropReplay, type ReplayReport, readVersions, replayEvents, undoReplay } from '@tributary/ingest/consumer';
import { type CanonicalEvent, CodedError, type Config } from '@tributary/schema';
import { checkedManifest } from './export-app.ts';
import { readEventLines } from './import-app-lines.ts';
import { type CommandStores, lockReplays, openCommandStores } from './replay-stores.ts';

export interface ReplayGiven {
  readonly fromMs: number;
  readonly toMs: number;
  readonly appId: string | null;
  /** `log`, or an export in NDJSON. */
  readonly source: string;
  readonly dryRun: boolean;
}

/** `cli replay`: a new version of the events table in place of the old one. With the product running or stopped. */
export async function runReplay(
  config: Config,
  given: ReplayGiven,
  print: (line: string) => void,
): Promise<ReplayReport> {
  const { fromMs, toMs, appId, dryRun } = given;
  return withStores(config, async (stores) => {
    const { ports } = stores;
    const eventLog = await ports.eventLog();
    const source = given.source === 'log' ? { log: eventLog } : await exportSource(given);
    const report = await replayEvents(await depsOf(stores, print), {
      range: { fromMs, toMs, appId },
      source,
      partitionCount: eventLog.partitionCount,
      dryRun,
    });
    for (const line of linesOf(report)) print(line);
    return report;
  });
}

export function runReplayUndo(config: Config, id: string, print: (line: string) => void): Promise<void> {
  return withStores(config, async (stores) => undoReplay(await depsOf(stores, print), id));
}

/** Throws CONFIG_INVALID without `confirmed`: what is dropped is gone. */
export async function runReplayDrop(
  config: Config,
  id: string,
  confirmed: boolean,
  print: (line: string) => void,
): Promise<void> {
  if (!confirmed) {
    throw new CodedError('CONFIG_INVALID', {
      message: `Without the version before it, replay ${id} can't be undone. Add --yes.`,
    });
  }
  return withStores(config, async (stores) => dropReplay(await depsOf(stores, print), id));
}

export function runReplayList(config: Config, print: (line: string) => void): Promise<void> {
  return withStores(config, async ({ ports }) => {
    for (const { name, rows, bytes, comment } of await readVersions(await ports.warehouse())) {
      print(
        `${name.padEnd(34)} ${String(rows).padStart(12)} rows ${(bytes / 1e6).toFixed(1).padStart(10)} MB  ${comment}`,
      );
    }
  });
}

async function withStores<T>(config: Config, work: (stores: CommandStores) => Promise<T>): Promise<T> {
  const lock = await lockReplays(config);
  try {
    const stores = await openCommandStores(config, 'replay');
    try {
      return await work(stores);
    } finally {
      await stores.dispose();
    }
  } finally {
    await lock.release();
  }
}

const depsOf = async ({ ports }: CommandStores, say: (line: string) => void) => ({
  warehouse: await ports.warehouse(),
  logger: ports.logger,
  clock: ports.clock,
  say,
});

/** Rows of the range are replaced by what the source gives, so an export must hold all of them. */
async function exportSource({ source, appId, fromMs, toMs }: ReplayGiven) {
  const file = resolve(source);
  const manifest = await checkedManifest(file);
  if (manifest === null) throw invalid(`Beside ${file} there is no manifest that says what it holds.`);
  if (manifest.format !== 'ndjson') throw invalid('A replay reads exports in NDJSON; import-app reads Parquet too.');
  if (manifest.appId !== appId)
    throw invalid(`The export is of the app ${manifest.appId}: add --app ${manifest.appId}.`);
  if (fromMs < Date.parse(manifest.from) || toMs > Date.parse(manifest.to)) {
    throw invalid(
      `The export holds what was received from ${manifest.from} to ${manifest.to}, and not all of that range.`,
    );
  }
  return { events: exported(file) };
}

async function* exported(file: string): AsyncGenerator<readonly CanonicalEvent[]> {
  for await (const { events, refused } of readEventLines(file)) {
    const [bad] = refused;
    // It would be lost.
    if (bad) throw invalid(`Line ${bad.number} of ${file} ${bad.reason}. Nothing was changed.`);
    yield events.map(({ event }) => event);
  }
}

const invalid = (message: string) => new CodedError('CONFIG_INVALID', { message });

/** What changed, by day, for people. */
export function linesOf({ id, days, swappedAtMs }: ReplayReport): string[] {
  const total = (side: 'before' | 'after') => days.reduce((sum, day) => sum + day[side], 0);
  const row = (name: string, before: number, after: number) =>
    `${name.padEnd(12)} ${String(before).padStart(12)} ${String(after).padStart(12)} ${signed(after - before).padStart(10)}`;
  return [
    `${'received'.padEnd(12)} ${'rows before'.padStart(12)} ${'rows after'.padStart(12)} ${'change'.padStart(10)}`,
    ...days.map(({ day, before, after }) => row(day, before, after)),
    row('all', total('before'), total('after')),
    swappedAtMs === null
      ? 'a dry run: nothing was changed'
      : `replay undo ${id} brings the version before back; replay drop ${id} --yes frees its room`,
  ];
}

const signed = (value: number) => (value > 0 ? `+${value}` : String(value));
