import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeBatch, makeEvent } from './bodies.ts';
import { applyLoad, buildRequest, type LoadResult } from './load-generator.ts';
import type { BenchOptions, BenchResult } from './result.ts';

const key = 'trk_write_bench_0123456789abcdefghijklmnopqrstuv';
const batchSize = 100;

interface Server {
  readonly port: number;
  stats(): Promise<{ readonly groups: number; readonly events: number; readonly rssMb: number }>;
  stop(): Promise<void>;
}

/**
 * The collector as the role runs it (auth, validation, canonical lines, LMDB with a flush for every group), against a bare
 * server of the same runtime that only parses the same bodies. Server on one core, generator on the other, where `taskset`
 * is there to say so.
 */
export async function benchCollector(options: BenchOptions): Promise<BenchResult> {
  const durationMs = options.quick ? 5_000 : 20_000;
  const pinned = pinSelf(options.log);
  const measure = async (kind: 'collector' | 'ceiling', mode: 'single' | 'batch100', ratePerSecond?: number) => {
    const server = await startServer(kind, pinned);
    try {
      const before = await server.stats();
      const result = await load(server.port, mode, durationMs, ratePerSecond);
      const after = await server.stats();
      if (result.refused > 0) throw new Error(`${kind} refused ${result.refused} requests`);
      options.log(
        `${kind} ${mode}${ratePerSecond ? ` at ${ratePerSecond}/s` : ''}: ${result.perSecond} req/s, p50 ${result.p50Ms} ms, p99 ${result.p99Ms} ms, RSS ${Math.round(after.rssMb)} MB`,
      );
      return {
        ...result,
        groups: after.groups - before.groups,
        events: after.events - before.events,
        rssMb: after.rssMb,
      };
    } finally {
      await server.stop();
    }
  };
  const ceilingSingle = await measure('ceiling', 'single');
  const single = await measure('collector', 'single');
  const ceilingBatch = await measure('ceiling', 'batch100');
  const batch = await measure('collector', 'batch100');
  const relaxed = await measure('collector', 'single', Math.round(single.perSecond * 0.7));
  const totalSeconds = (durationMs + warmUpMs) / 1_000;
  return {
    name: 'collector',
    figures: {
      singlePerSecond: { value: single.perSecond, unit: 'req/s, Node, one core' },
      batch100EventsPerSecond: { value: batch.perSecond * batchSize, unit: 'events/s, Node, one core' },
      p50Ms: { value: relaxed.p50Ms, unit: 'ms at 70 % of the maximum, single' },
      p99Ms: { value: relaxed.p99Ms, unit: 'ms at 70 % of the maximum, single' },
      rssMb: { value: Math.round(Math.max(single.rssMb, batch.rssMb)), unit: 'MB, one worker' },
      groupsPerSecond: { value: Math.round(single.groups / totalSeconds), unit: 'flushed groups/s, single' },
      eventsPerGroup: {
        value: Number((single.events / Math.max(1, single.groups)).toFixed(1)),
        unit: 'events, single',
      },
      batchGroupsPerSecond: { value: Math.round(batch.groups / totalSeconds), unit: 'flushed groups/s, batches' },
      pinnedToCores: { value: pinned ? 1 : 0, unit: '1 = server and generator each on a core of its own' },
    },
    against: {
      parseOnlySingle: { value: ceilingSingle.perSecond, unit: 'req/s' },
      parseOnlyBatch100: { value: ceilingBatch.perSecond * batchSize, unit: 'events/s' },
    },
    ratios: {
      single: Number((single.perSecond / ceilingSingle.perSecond).toFixed(3)),
      batch100: Number((batch.perSecond / ceilingBatch.perSecond).toFixed(3)),
    },
  };
}

const warmUpMs = 1_000;

/** Bodies are made before the run and sent once each; ids stay unique since more are made than can be sent. */
async function load(
  port: number,
  mode: 'single' | 'batch100',
  durationMs: number,
  ratePerSecond?: number,
): Promise<LoadResult> {
  const now = Date.now();
  const make = mode === 'single' ? () => makeEvent(now) : () => makeBatch(now, batchSize);
  const prepared: Buffer[] = [];
  const wanted = mode === 'single' ? 20_000 : 400;
  for (let index = 0; index < wanted; index += 1) prepared.push(buildRequest('/v1/events', key, make()));
  let sent = 0;
  // Beyond the prepared ones, bodies are made on the way: the generator has a core of its own.
  const next = () => (sent < prepared.length ? prepared[sent++]! : buildRequest('/v1/events', key, make()));
  return applyLoad({
    host: '127.0.0.1',
    port,
    connections: mode === 'single' ? 64 : 16,
    durationMs,
    warmUpMs,
    next,
    ...(ratePerSecond ? { ratePerSecond } : {}),
  });
}

function pinSelf(log: (line: string) => void): boolean {
  try {
    execFileSync('taskset', ['-cp', '1', String(process.pid)], { stdio: 'ignore' });
    return true;
  } catch {
    log('taskset is not here: server and generator share the cores');
    return false;
  }
}

async function startServer(kind: 'collector' | 'ceiling', pinned: boolean): Promise<Server> {
  const dir = await mkdtemp(join(tmpdir(), 'tributary-bench-'));
  const child: ChildProcess = fork(fileURLToPath(new URL('./collector-server.ts', import.meta.url)), [kind, dir, key], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  if (pinned && child.pid) execFileSync('taskset', ['-acp', '0', String(child.pid)], { stdio: 'ignore' });
  const answer = <T>(): Promise<T> =>
    new Promise((resolve, reject) => {
      child.once('message', (message) => resolve(message as T));
      child.once('exit', () => reject(new Error(`the ${kind} server ended`)));
    });
  const { port } = await answer<{ port: number }>();
  return {
    port,
    stats: () => {
      const stats = answer<{ groups: number; events: number; rssMb: number }>();
      child.send('stats');
      return stats;
    },
    async stop() {
      child.removeAllListeners('exit');
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
      await rm(dir, { recursive: true, force: true });
    },
  };
}
