import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rm, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { CodedError } from '@tributary/schema';
import { z } from 'zod';
import { livenessOf, ownIdentity } from './process-identity.ts';

export interface DataDirLock {
  /** Gives the directory free. Idempotent. */
  release(): Promise<void>;
}

const fileName = 'lock';
const heartbeatMs = 5_000;
/** A holder whose number means nothing here (another container) is believed dead after this much silence. */
const silentMs = 30_000;
/** A guard is held for a few milliseconds; older than this its holder is dead. */
const guardMs = 5_000;
const guardWaitMs = 20;
const attempts = 300;

const holderSchema = z.object({
  pid: z.number().int(),
  startedAt: z.string(),
  namespace: z.string(),
  lockId: z.string(),
});
type Holder = z.output<typeof holderSchema>;

/**
 * Takes the data directory for this process and those it starts. A lock whose process has ended, kill −9 included, is
 * taken over at once; one of another container after 30 s without a sign of life. Makes the directory when absent.
 *
 * Throws DATA_DIR_IN_USE, with the holder's process number, while another process has it.
 */
export async function lockDataDir(dir: string): Promise<DataDirLock> {
  await mkdir(dir, { recursive: true });
  const path = join(dir, fileName);
  const own: Holder = { ...ownIdentity(), lockId: randomUUID() };
  const draft = `${path}.${own.lockId}`;
  await writeFile(draft, JSON.stringify(own), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      if (await linked(draft, path)) return held(path, own.lockId);
      const holder = await readHolder(path);
      if (holder && (await stillHolds(holder, path))) throw inUse(dir, holder);
      await removeStale(path, holder);
    }
  } finally {
    await unlink(draft);
  }
  throw new CodedError('DATA_DIR_IN_USE', { message: `Several processes are starting in ${dir} at once.` });
}

/** Whether this call made the lock; a link is made whole or not at all, by one process only. */
async function linked(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function held(path: string, lockId: string): DataDirLock {
  const timer = setInterval(() => {
    const now = new Date();
    // A missed heartbeat matters after six of them only.
    utimes(path, now, now).catch(() => undefined);
  }, heartbeatMs).unref();
  let releasing: Promise<void> | null = null;
  return {
    release() {
      clearInterval(timer);
      releasing ??= (async () => {
        if ((await readHolder(path))?.lockId === lockId) await unlink(path);
      })();
      return releasing;
    },
  };
}

async function stillHolds(holder: Holder, path: string): Promise<boolean> {
  const liveness = livenessOf(holder);
  if (liveness !== 'unknown') return liveness === 'running';
  const modifiedAt = await stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
  return Date.now() - modifiedAt < silentMs;
}

/**
 * Removes a stale lock. Only who holds the guard may, and looks once more before: so a lock that another process has put
 * there meanwhile is never removed. Where another has the guard, nothing is done; the caller looks again.
 */
async function removeStale(path: string, stale: Holder | null): Promise<void> {
  const guard = `${path}.takeover`;
  try {
    await writeFile(guard, '', { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    await removeOldGuard(guard);
    return setTimeout(guardWaitMs);
  }
  try {
    const now = await readHolder(path);
    if (now?.lockId === stale?.lockId) await rm(path, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
}

/** A process that was killed with the guard in hand must not keep others out for ever. */
async function removeOldGuard(guard: string): Promise<void> {
  const modifiedAt = await stat(guard).then(
    ({ mtimeMs }) => mtimeMs,
    () => Date.now(),
  );
  if (Date.now() - modifiedAt > guardMs) await rm(guard, { force: true });
}

async function readHolder(path: string): Promise<Holder | null> {
  try {
    return holderSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    // Unreadable content can't be a lock of ours: those appear whole.
    if (error instanceof SyntaxError || error instanceof z.ZodError) return null;
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function inUse(dir: string, holder: Holder): CodedError {
  return new CodedError('DATA_DIR_IN_USE', {
    message: `The data directory ${dir} is in use by process ${holder.pid}. Stop it, or choose another directory.`,
    details: { dir, pid: holder.pid },
  });
}
