import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { lockDataDir } from '@tributary/platform/data-dir-lock';
import { CodedError, type Config } from '@tributary/schema';
import { z } from 'zod';

/** Beside the copied files: what a backup holds. Written last, so that a folder without it is no backup. */
const manifestName = 'backup.json';
const manifestSchema = z.object({
  product: z.literal('tributary'),
  form: z.literal('embedded'),
  madeAt: z.iso.datetime(),
  /** Relative, parents first. Empty ones matter: the relational store does not open without its own. */
  folders: z.array(z.string()),
  files: z.array(z.object({ path: z.string(), sizeBytes: z.number().int(), sha256: z.string() })),
});
export type BackupManifest = z.output<typeof manifestSchema>;

/** Of the data directory, what a backup leaves out: locks, and exports, which can be made again. */
const leftOut = /^(lock(\..*)?|exports)$/;

/**
 * `cli backup`: the embedded form's data directory as one folder that agrees with itself. Holds the directory's lock, so the
 * product must not be running: log, warehouse and relational store are then of one moment. The folder appears whole
 * or not at all.
 *
 * Throws DATA_DIR_IN_USE while the product runs, CONFIG_INVALID for the server form or a folder that is there already.
 */
export async function runBackup(config: Config, to: string, print: (line: string) => void): Promise<BackupManifest> {
  requireEmbedded(config, 'back up');
  const target = resolve(to);
  if (await exists(target)) throw invalid(`${target} is there already; a backup never writes over anything.`);
  if (isWithin(config.dataDir, target)) throw invalid('A backup cannot lie inside the data directory.');
  if (!(await exists(config.dataDir))) throw invalid(`There is nothing at ${config.dataDir}.`);
  const lock = await lockDataDir(config.dataDir);
  const draft = `${target}.partial`;
  try {
    await rm(draft, { recursive: true, force: true });
    const { folders, paths } = await listOf(config.dataDir);
    const files = await copyFiles(config.dataDir, draft, { folders, paths }, print);
    const manifest: BackupManifest = {
      product: 'tributary',
      form: 'embedded',
      madeAt: new Date().toISOString(),
      folders,
      files,
    };
    await writeFile(join(draft, manifestName), JSON.stringify(manifest, null, 1), { mode: 0o600 });
    await rename(draft, target);
    print(`${files.length} files, ${megabytes(files)} MB in ${target}`);
    return manifest;
  } finally {
    await rm(draft, { recursive: true, force: true });
    await lock.release();
  }
}

/**
 * `cli restore`: a backup becomes the data directory. Every file is compared with the manifest before anything is changed.
 * A data directory that holds something is only replaced with `replace`, and is kept beside as
 * `<dir>.before-restore-<time>`: renaming it back undoes the restore.
 *
 * Throws BACKUP_INVALID naming the first file that is missing or differs, DATA_DIR_IN_USE while the product runs.
 */
export async function runRestore(
  config: Config,
  from: string,
  options: { readonly replace: boolean },
  print: (line: string) => void,
): Promise<{ readonly keptAs: string | null }> {
  requireEmbedded(config, 'restore');
  const source = resolve(from);
  const manifest = await readManifest(source);
  const isHeld = await holdsData(config.dataDir);
  if (isHeld && !options.replace)
    throw invalid(`${config.dataDir} is not empty. Add --replace: what is there is kept beside it.`);
  const lock = isHeld ? await lockDataDir(config.dataDir) : null;
  const draft = `${config.dataDir}.restoring`;
  try {
    await rm(draft, { recursive: true, force: true });
    const copied = await copyFiles(
      source,
      draft,
      { folders: manifest.folders, paths: manifest.files.map(({ path }) => path) },
      print,
    );
    for (const [index, file] of manifest.files.entries()) {
      const { sha256, sizeBytes } = copied[index]!;
      if (sha256 !== file.sha256 || sizeBytes !== file.sizeBytes)
        throw damaged(`${file.path} is not what was backed up`);
    }
    let keptAs: string | null = null;
    if (await exists(config.dataDir)) {
      keptAs = `${config.dataDir}.before-restore-${new Date().toISOString().replaceAll(':', '-')}`;
      await rename(config.dataDir, keptAs);
    }
    await mkdir(dirname(config.dataDir), { recursive: true });
    await rename(draft, config.dataDir);
    // The lock went along with the folder that was put aside.
    if (keptAs !== null) await rm(join(keptAs, 'lock'), { force: true });
    print(`restored the backup of ${manifest.madeAt}${keptAs === null ? '' : `; what was there is now ${keptAs}`}`);
    return { keptAs };
  } finally {
    await rm(draft, { recursive: true, force: true });
    await lock?.release();
  }
}

function requireEmbedded(config: Config, verb: string): void {
  if (!config.postgresUrl && !config.warehouse.url && config.eventLog.kafkaBrokers.length === 0) return;
  throw invalid(
    `Servers are configured, and this command can only ${verb} the embedded form. Use the stores' own means: docs/operations/backup.md.`,
  );
}

async function readManifest(source: string): Promise<BackupManifest> {
  try {
    const manifest = manifestSchema.parse(JSON.parse(await readFile(join(source, manifestName), 'utf8')));
    const named = [...manifest.folders, ...manifest.files.map(({ path }) => path)];
    const stray = named.find((path) => !isWithin(source, join(source, path)));
    if (stray !== undefined) throw damaged(`${stray} lies outside the backup`);
    return manifest;
  } catch (error) {
    if (error instanceof CodedError) throw error;
    throw damaged(`${source} has no readable ${manifestName}`, error);
  }
}

interface Listing {
  readonly folders: readonly string[];
  readonly paths: readonly string[];
}

/** Relative paths of all folders and files, sorted; what is left out on the first level is not entered. */
async function listOf(dir: string): Promise<{ folders: string[]; paths: string[] }> {
  const entries = (await readdir(dir, { recursive: true, withFileTypes: true })).map((entry) => ({
    path: relative(dir, join(entry.parentPath, entry.name)),
    isFile: entry.isFile(),
    isFolder: entry.isDirectory(),
  }));
  const kept = entries
    .filter(({ path }) => !leftOut.test(path.split('/')[0]!))
    .sort((one, other) => (one.path < other.path ? -1 : 1));
  return {
    folders: kept.filter(({ isFolder }) => isFolder).map(({ path }) => path),
    paths: kept.filter(({ isFile }) => isFile).map(({ path }) => path),
  };
}

async function copyFiles(from: string, to: string, { folders, paths }: Listing, print: (line: string) => void) {
  await mkdir(to, { recursive: true, mode: 0o700 });
  for (const folder of folders) await mkdir(join(to, folder), { recursive: true, mode: 0o700 });
  const files: { path: string; sizeBytes: number; sha256: string }[] = [];
  let saidAt = Date.now();
  for (const path of paths) {
    const target = join(to, path);
    try {
      await copyFile(join(from, path), target);
    } catch (error) {
      throw damaged(`${path} cannot be read`, error);
    }
    files.push({ path, sizeBytes: (await stat(target)).size, sha256: await hashOf(target) });
    if (Date.now() - saidAt > 2_000) {
      saidAt = Date.now();
      print(`${files.length} of ${paths.length} files, ${megabytes(files)} MB`);
    }
  }
  return files;
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

async function holdsData(dir: string): Promise<boolean> {
  try {
    return (await readdir(dir)).length > 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

function isWithin(dir: string, path: string): boolean {
  const way = relative(dir, path);
  return way === '' || !way.startsWith('..');
}

const megabytes = (files: readonly { readonly sizeBytes: number }[]) =>
  (files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) / 1e6).toFixed(1);
const invalid = (message: string) => new CodedError('CONFIG_INVALID', { message });
const damaged = (message: string, cause?: unknown) => new CodedError('BACKUP_INVALID', { message, cause });
