import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { lockDataDir } from './data-dir-lock.ts';

describe('lockDataDir', () => {
  let root: string;
  let dir: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'tributary-lock-'));
    dir = join(root, 'data');
  });
  afterEach(() => rm(root, { recursive: true, force: true }));
  const inUse = { code: 'DATA_DIR_IN_USE' };

  it('is held by one at a time, and free again after release', async () => {
    const lock = await lockDataDir(dir);
    await expect(lockDataDir(dir)).rejects.toMatchObject({ ...inUse, details: { pid: process.pid } });
    await Promise.all([lock.release(), lock.release()]);
    await (await lockDataDir(dir)).release();
    expect(await readdir(dir)).toEqual([]);
  });

  it('goes to one of many who start at once', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => lockDataDir(dir)));
    const locks = outcomes.filter((outcome) => outcome.status === 'fulfilled');
    expect(locks).toHaveLength(1);
    await locks[0]!.value.release();
  });

  it('is taken over from a process that was killed, at once', async () => {
    const script = fileURLToPath(new URL('./data-dir-lock-holder.testing.ts', import.meta.url));
    const holder = spawn(process.execPath, [script, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      await once(holder.stdout, 'data');
      await expect(lockDataDir(dir)).rejects.toMatchObject({ ...inUse, details: { pid: holder.pid } });
      holder.kill('SIGKILL');
      await once(holder, 'exit');
      await (await lockDataDir(dir)).release();
    } finally {
      holder.kill('SIGKILL');
    }
  });

  it('is taken over by exactly one of many when it is stale', async () => {
    await (await lockDataDir(dir)).release();
    await writeHolder({ pid: 2 ** 22 + 1 });
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => lockDataDir(dir)));
    const locks = outcomes.filter((outcome) => outcome.status === 'fulfilled');
    expect(locks).toHaveLength(1);
    await locks[0]!.value.release();
    expect(await readdir(dir)).toEqual([]);
  });

  it('is taken over from an ended process whose number another process has now', async () => {
    const lock = await lockDataDir(dir);
    const holder = JSON.parse(await readFile(join(dir, 'lock'), 'utf8'));
    await lock.release();
    await writeHolder({ ...holder, startedAt: `${holder.startedAt}0` });
    await (await lockDataDir(dir)).release();
  });

  it('of another container counts while it gives signs of life', async () => {
    await (await lockDataDir(dir)).release();
    await writeHolder({ namespace: 'pid:[1]' });
    await expect(lockDataDir(dir)).rejects.toMatchObject(inUse);
    const longAgo = new Date(Date.now() - 60_000);
    await utimes(join(dir, 'lock'), longAgo, longAgo);
    await (await lockDataDir(dir)).release();
  });

  it('is not removed by a release that comes after somebody else took it over', async () => {
    const late = await lockDataDir(dir);
    await writeHolder({ lockId: 'other' });
    await late.release();
    expect(JSON.parse(await readFile(join(dir, 'lock'), 'utf8')).lockId).toBe('other');
  });

  async function writeHolder(overrides: Record<string, unknown>): Promise<void> {
    const { ownIdentity } = await import('./process-identity.ts');
    await writeFile(join(dir, 'lock'), JSON.stringify({ ...ownIdentity(), lockId: 'stale', ...overrides }));
  }
});
