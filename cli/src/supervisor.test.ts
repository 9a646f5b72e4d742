import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@tributary/platform/logger';
import { createSupervisor, exitFinal, type Supervisor } from './supervisor.ts';

const childSource = `
const [mode] = process.argv.slice(2);
if (mode === 'final') process.exit(${exitFinal});
process.send({ kind: 'role-ready' });
process.on('disconnect', () => process.exit(0));
if (mode !== 'stubborn') process.on('SIGTERM', () => process.exit(0));
else process.on('SIGTERM', () => undefined);
setInterval(() => undefined, 1000);
`;

async function until(check: () => boolean, withinMs = 5_000): Promise<void> {
  const giveUpAt = Date.now() + withinMs;
  while (!check()) {
    if (Date.now() > giveUpAt) throw new Error(`not within ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('createSupervisor', () => {
  let dir: string;
  let supervisor: Supervisor;
  const said: string[] = [];

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'tributary-supervisor-'));
    await writeFile(join(dir, 'child.mjs'), childSource);
    said.length = 0;
    supervisor = createSupervisor({
      entry: join(dir, 'child.mjs'),
      logger: createLogger('test', 'silent'),
      backoffMs: [10, 100],
      onRestart: (name, how) => void said.push(`${name}: ${how}`),
    });
  });

  afterEach(async () => {
    await supervisor.dispose();
    await rm(dir, { recursive: true, force: true });
  });

  it('starts a child that was killed again, and says so', async () => {
    await supervisor.start({ name: 'worker', args: ['plain'], env: {} });
    const first = supervisor.pids().get('worker')!;
    process.kill(first, 'SIGKILL');
    await until(() => (supervisor.pids().get('worker') ?? first) !== first);
    expect(said).toEqual(['worker: SIGKILL']);
    expect(supervisor.restarts()).toBe(1);
  });

  it('gives up at once on a child whose configuration is at fault', async () => {
    await expect(supervisor.start({ name: 'broken', args: ['final'], env: {} })).rejects.toThrow('could not start');
    expect(said).toEqual([]);
  });

  it('ends a child that does not end itself after its grace', async () => {
    await supervisor.start({ name: 'stubborn', args: ['stubborn'], env: {} });
    const pid = supervisor.pids().get('stubborn')!;
    await supervisor.stop('stubborn', 50);
    expect(isAlive(pid)).toBe(false);
  });

  it('leaves nobody behind when disposed', async () => {
    for (const name of ['a', 'b', 'c']) await supervisor.start({ name, args: ['plain'], env: {} });
    const pids = [...supervisor.pids().values()];
    expect(pids).toHaveLength(3);
    await supervisor.dispose();
    expect(pids.filter(isAlive)).toEqual([]);
    expect(said).toEqual([]);
  });
});
