import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Clock } from '@tributary/platform/clock';
import type { Warehouse } from '@tributary/platform/warehouse';
import { CodedError, type Config } from '@tributary/schema';
import { z } from 'zod';
import { ndjsonToParquet } from './export-app-parquet.ts';
import { type ExportSelection, readAppEvents, readBounds } from './export-app-rows.ts';
import { openCommandStores } from './replay-stores.ts';

export const exportFormats = ['ndjson', 'parquet'] as const;
export type ExportFormat = (typeof exportFormats)[number];

/** Beside the file, `<file>.manifest.json`: what it holds. */
const manifestSchema = z.object({
  product: z.literal('tributary'),
  kind: z.literal('app-export'),
  format: z.enum(exportFormats),
  appId: z.string(),
  /** Of receipt, [from, to). */
  from: z.iso.datetime(),
  to: z.iso.datetime(),
  madeAt: z.iso.datetime(),
  events: z.number().int(),
  sizeBytes: z.number().int(),
  sha256: z.string(),
});
export type ExportManifest = z.output<typeof manifestSchema>;
export const manifestName = (file: string) => `${file}.manifest.json`;

export interface ExportRequest {
  readonly appId: string;
  readonly format: ExportFormat;
  readonly to: string;
  readonly fromMs?: number;
  readonly untilMs?: number;
}

export interface ExportDeps {
  readonly warehouse: Warehouse;
  readonly clock: Clock;
  readonly memoryBytes: number;
  readonly say: (line: string) => void;
}

const saidEachMs = 2_000;
const latestMs = 4_102_444_800_000;

/** `cli export-app`, with the product running or stopped. See `exportApp`. */
export async function runExportApp(
  config: Config,
  request: ExportRequest,
  print: (line: string) => void,
): Promise<void> {
  const stores = await openCommandStores(config, 'export-app');
  try {
    const warehouse = await stores.ports.warehouse();
    const { memoryBytes } = config.warehouse;
    await exportApp({ warehouse, clock: stores.ports.clock, memoryBytes, say: print }, request);
  } finally {
    await stores.dispose();
  }
}

/**
 * Writes an app's events into a file, page by page: memory does not grow with them. The file appears whole or not at all, its
 * manifest just after it. What is stored after the export began is not in it.
 *
 * Throws CONFIG_INVALID when the file is there already.
 */
export async function exportApp(deps: ExportDeps, request: ExportRequest): Promise<ExportManifest> {
  const { warehouse, clock, say } = deps;
  const target = resolve(request.to);
  if (await exists(target)) throw new CodedError('CONFIG_INVALID', { message: `${target} is there already.` });
  await mkdir(dirname(target), { recursive: true });
  const { fromMs = 0, untilMs = latestMs } = request;
  const selection: ExportSelection = { appId: request.appId, fromMs, toMs: untilMs };
  const [lines, draft] = [`${target}.lines.partial`, `${target}.partial`];
  try {
    const { now, rows } = await readBounds(warehouse, selection);
    say(`${rows} events of ${request.appId}`);
    const events = await writeLines(warehouse, { selection, storedBeforeMs: now, path: lines, of: rows, say });
    if (request.format === 'ndjson') await rename(lines, draft);
    else await ndjsonToParquet(lines, draft, deps.memoryBytes);
    const manifest: ExportManifest = {
      product: 'tributary',
      kind: 'app-export',
      format: request.format,
      appId: request.appId,
      from: new Date(fromMs).toISOString(),
      to: new Date(Math.min(untilMs, Math.max(fromMs, Math.floor(now)))).toISOString(),
      madeAt: new Date(clock.now()).toISOString(),
      events,
      sizeBytes: (await stat(draft)).size,
      sha256: await sha256Of(draft),
    };
    await rename(draft, target);
    await writeFile(`${manifestName(target)}.partial`, `${JSON.stringify(manifest, null, 1)}\n`, { mode: 0o600 });
    await rename(`${manifestName(target)}.partial`, manifestName(target));
    say(`${events} events, ${(manifest.sizeBytes / 1e6).toFixed(1)} MB in ${target}`);
    return manifest;
  } finally {
    await Promise.all([lines, draft].map((path) => rm(path, { force: true })));
  }
}

interface LinesToWrite {
  readonly selection: ExportSelection;
  readonly storedBeforeMs: number;
  readonly path: string;
  readonly of: number;
  readonly say: (line: string) => void;
}

async function writeLines(
  warehouse: Warehouse,
  { selection, storedBeforeMs, path, of, say }: LinesToWrite,
): Promise<number> {
  // Events name people's devices: for their owner's eyes.
  const file = await open(path, 'w', 0o600);
  let events = 0;
  let saidAt = Date.now();
  try {
    for await (const page of readAppEvents(warehouse, selection, storedBeforeMs)) {
      await file.appendFile(page.map((event) => `${JSON.stringify(event)}\n`).join(''));
      events += page.length;
      if (Date.now() - saidAt < saidEachMs) continue;
      saidAt = Date.now();
      say(`${events} of ${of} events`);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return events;
}

/**
 * The manifest of a file, after the file was compared with it; null where there is none. Throws BACKUP_INVALID when the file is
 * not what was exported.
 */
export async function checkedManifest(file: string): Promise<ExportManifest | null> {
  const text = await readFile(manifestName(file), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return null;
  const parsed = manifestSchema.safeParse(jsonOf(text));
  if (!parsed.success) {
    throw new CodedError('BACKUP_INVALID', { message: `${manifestName(file)} is no manifest.`, cause: parsed.error });
  }
  if ((await sha256Of(file)) !== parsed.data.sha256) {
    throw new CodedError('BACKUP_INVALID', { message: `${file} is not what was exported: its checksum differs.` });
  }
  return parsed.data;
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
