import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mappedLogMb } from './family-usage.ts';
import type { Runtime } from './result.ts';

export const benchKey = 'trk_write_bench_0123456789abcdefghijklmnopqrstuv';

export interface ServerStats {
  readonly groups: number;
  readonly events: number;
  /** Without the mapped log. */
  readonly rssMb: number;
  /** Of the log's file in the page cache, which the system takes back when it needs it. */
  readonly mappedLogMb: number;
  /** User and system time of all threads since the start. */
  readonly cpuMs: number;
}

export interface BenchServer {
  readonly port: number;
  stats(): Promise<ServerStats>;
  stop(): Promise<void>;
}

/** The server side in a process of its own; pinned = on core 0 alone, its threads too. */
export async function startCollectorServer(
  kind: 'collector' | 'ceiling',
  runtime: Runtime,
  pinned: boolean,
): Promise<BenchServer> {
  const dir = await mkdtemp(join(tmpdir(), 'tributary-bench-'));
  const child: ChildProcess = fork(
    fileURLToPath(new URL('./collector-server.ts', import.meta.url)),
    [kind, dir, benchKey],
    {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // As the workers of the role are started.
      ...(runtime === 'bun'
        ? { execPath: bunPath(), execArgv: [] }
        : { execArgv: ['--max-semi-space-size=8', '--initial-old-space-size=128'] }),
    },
  );
  if (pinned && child.pid) execFileSync('taskset', ['-acp', '0', String(child.pid)], { stdio: 'ignore' });
  const ended = new Promise<never>((_, reject) => {
    child.once('exit', () => reject(new Error(`the ${kind} server ended`)));
  });
  ended.catch(() => undefined);
  const answer = <T>(): Promise<T> =>
    Promise.race([ended, new Promise<T>((resolve) => child.once('message', (message) => resolve(message as T)))]);
  const { port } = await answer<{ port: number }>();
  return {
    port,
    async stats() {
      const stats = answer<ServerStats>();
      child.send('stats');
      const { rssMb, ...others } = await stats;
      const logMb = await mappedLogMb(child.pid!);
      return { ...others, rssMb: rssMb - logMb, mappedLogMb: logMb };
    },
    async stop() {
      child.kill('SIGKILL');
      await ended.catch(() => undefined);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function bunPath(): string {
  const require = createRequire(import.meta.resolve('@tributary/ingest/collector'));
  return join(dirname(require.resolve('bun/package.json')), 'bin', 'bun.exe');
}
