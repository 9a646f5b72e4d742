import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Logger } from '@tributary/platform/logger';

const webDir = fileURLToPath(new URL('../../web', import.meta.url));
/** Where the built console lies. */
export const consoleDir = join(webDir, 'out');
const stampFile = join(consoleDir, '.built-from');
const lockFile = join(webDir, '.build-lock');
const buildTimeoutMs = 300_000;

/** Hash of everything that the build reads, so that a changed source is built again and an unchanged one is not. */
async function sourceHash(): Promise<string> {
  const hash = createHash('sha256').update('with trusted documents, 2');
  const entries = await readdir(webDir, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter(
      (file) =>
        !/^(out|\.next|node_modules)\/|\.build-lock$|next-env\.d\.ts$|\.tsbuildinfo$/.test(relative(webDir, file)),
    )
    .sort();
  for (const file of files)
    hash
      .update(relative(webDir, file))
      .update('\0')
      .update(await readFile(file))
      .update('\0');
  return hash.digest('hex');
}

/**
 * Builds the console unless it lies there already, built from the same sources. Takes about 20–40 s on two cores the
 * first time. Throws with the build's last output when it fails.
 */
export async function ensureConsole(logger: Logger): Promise<{ readonly built: boolean }> {
  const wanted = await sourceHash();
  const isBuilt = async () => existsSync(stampFile) && (await readFile(stampFile, 'utf8')) === wanted;
  if (await isBuilt()) return { built: false };
  const unlock = await lockBuild();
  try {
    if (await isBuilt()) return { built: false };
    await runBuild(logger);
    await writeTrustedDocuments();
    await writeFile(stampFile, wanted);
    return { built: true };
  } finally {
    await unlock();
  }
}

/**
 * The console's operations by the hash of their text, as its client sends them: sessions may run these and no others. Every document
 * that a feature's `queries.ts` exports is one.
 */
async function writeTrustedDocuments(): Promise<void> {
  const { formatDocument, stringifyDocument } = await import('urql');
  const features = join(webDir, 'src/features');
  const manifest: Record<string, string> = {};
  for (const feature of await readdir(features)) {
    const file = join(features, feature, 'queries.ts');
    if (!existsSync(file)) continue;
    for (const exported of Object.values((await import(pathToFileURL(file).href)) as Record<string, unknown>)) {
      if (!isDocument(exported)) continue;
      // Its client names types in what it caches; subscriptions go out as they were written.
      for (const document of [exported, formatDocument(exported)]) {
        const text = stringifyDocument(document as Parameters<typeof stringifyDocument>[0]);
        manifest[createHash('sha256').update(text).digest('hex')] = text;
      }
    }
  }
  await writeFile(join(consoleDir, 'trusted-documents.json'), JSON.stringify(manifest, null, 1));
}

const isDocument = (value: unknown): value is Parameters<typeof import('urql').formatDocument>[0] =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'Document';

/** One build at a time in this checkout: families that start at once wait for it. The lock of a process that ended is taken over. */
async function lockBuild(): Promise<() => Promise<void>> {
  for (;;) {
    try {
      await writeFile(lockFile, String(process.pid), { flag: 'wx' });
      return () => rm(lockFile, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = Number(await readFile(lockFile, 'utf8').catch(() => ''));
    if (holder > 0 && !isRunning(holder)) await rm(lockFile, { force: true });
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function runBuild(logger: Logger): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const lines: string[] = [];
    const child = spawn(
      process.execPath,
      [createRequire(join(webDir, 'package.json')).resolve('next/dist/bin/next'), 'build'],
      {
        cwd: webDir,
        env: { ...process.env, NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production', CI: '1' },
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: buildTimeoutMs,
      },
    );
    const keep = (chunk: Buffer) => {
      lines.push(...chunk.toString('utf8').split('\n'));
      lines.splice(0, Math.max(0, lines.length - 60));
      logger.debug({ build: chunk.toString('utf8').trim() }, 'console build');
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`The console could not be built:\n${lines.join('\n')}`)),
    );
  });
}
