import { execFileSync } from 'node:child_process';
import { makeBatch, makeEvent } from './bodies.ts';
import { type BenchServer, benchKey, startCollectorServer } from './collector-process.ts';
import { applyLoad, buildRequest, type LoadResult } from './load-generator.ts';
import type { BenchOptions, BenchResult, Runtime } from './result.ts';

const batchSize = 100;

type Mode = 'single' | 'batch100';

interface Round extends LoadResult {
  readonly groups: number;
  readonly events: number;
  readonly rssMb: number;
  readonly mappedLogMb: number;
  readonly cpuUsPerRequest: number;
}

/**
 * The collector as the role runs it (auth, validation, canonical lines, LMDB with a flush for every group), against a bare
 * server of the same runtime that only parses the same bodies. Server on one core, generator on the other, where `taskset`
 * is there to say so.
 *
 * Both take turns in short rounds, and the figures are medians over the rounds: whatever else the machine does meanwhile
 * meets both.
 */
export async function benchCollector(options: BenchOptions): Promise<BenchResult> {
  const rounds = options.quick ? 5 : 15;
  const runtime = options.runtime ?? 'node';
  const pinned = pinSelf(options.log);
  const modes: Record<Mode, { collector: Round[]; ceiling: Round[] }> = {
    single: { collector: [], ceiling: [] },
    batch100: { collector: [], ceiling: [] },
  };
  for (const mode of ['single', 'batch100'] as const) {
    const ceiling = await startCollectorServer('ceiling', runtime, pinned);
    const collector = await startCollectorServer('collector', runtime, pinned);
    try {
      for (let round = -1; round < rounds; round += 1) {
        const limit = await measure(ceiling, mode);
        const ours = await measure(collector, mode);
        // The first round warms up: the runtime compiles what is hot.
        if (round < 0) continue;
        modes[mode].ceiling.push(limit);
        modes[mode].collector.push(ours);
        options.log(
          `${mode} ${round + 1}/${rounds}: collector ${ours.perSecond} req/s at ${ours.cpuUsPerRequest} µs CPU, ceiling ${limit.perSecond} at ${limit.cpuUsPerRequest}; RSS ${Math.round(ours.rssMb)} MB`,
        );
      }
    } finally {
      await Promise.all([ceiling.stop(), collector.stop()]);
    }
  }
  const relaxed = await measureRelaxed(Math.round(median(modes.single.collector, 'perSecond') * 0.7), runtime, pinned);
  return resultOf(modes, relaxed, runtime, pinned);
}

function resultOf(
  modes: Readonly<Record<Mode, { readonly collector: readonly Round[]; readonly ceiling: readonly Round[] }>>,
  relaxed: LoadResult,
  runtime: Runtime,
  pinned: boolean,
): BenchResult {
  const { single, batch100 } = modes;
  const ours = (mode: Mode, figure: keyof Round) => median(modes[mode].collector, figure);
  const limit = (mode: Mode, figure: keyof Round) => median(modes[mode].ceiling, figure);
  const ratio = (mode: Mode) =>
    rounded(medianOf(modes[mode].collector.map((round, at) => round.perSecond / modes[mode].ceiling[at]!.perSecond)));
  const highest = (figure: 'rssMb' | 'mappedLogMb') =>
    Math.round(Math.max(...[...single.collector, ...batch100.collector].map((round) => round[figure])));
  return {
    name: 'collector',
    figures: {
      singlePerSecond: { value: ours('single', 'perSecond'), unit: `req/s, ${runtime}, one core` },
      batch100EventsPerSecond: {
        value: ours('batch100', 'perSecond') * batchSize,
        unit: `events/s, ${runtime}, one core`,
      },
      p50Ms: { value: relaxed.p50Ms, unit: `ms at 70 % of the maximum, single, ${runtime}` },
      p99Ms: { value: relaxed.p99Ms, unit: `ms at 70 % of the maximum, single, ${runtime}` },
      rssMb: { value: highest('rssMb'), unit: `MB, one worker, highest, without the mapped log, ${runtime}` },
      mappedLogMb: { value: highest('mappedLogMb'), unit: 'MB of the event log in the page cache, highest' },
      singleCpuUs: { value: ours('single', 'cpuUsPerRequest'), unit: 'µs CPU an event, all threads' },
      batch100CpuUs: {
        value: rounded(ours('batch100', 'cpuUsPerRequest') / batchSize),
        unit: 'µs CPU an event, all threads',
      },
      groupsPerSecond: { value: Math.round(ours('single', 'groups') / roundSeconds), unit: 'flushed groups/s, single' },
      eventsPerGroup: {
        value: rounded(ours('single', 'events') / Math.max(1, ours('single', 'groups'))),
        unit: 'events, single',
      },
      batchGroupsPerSecond: {
        value: Math.round(ours('batch100', 'groups') / roundSeconds),
        unit: 'flushed groups/s, batches',
      },
      pinnedToCores: { value: pinned ? 1 : 0, unit: '1 = server and generator each on a core of its own' },
    },
    against: {
      parseOnlySingle: { value: limit('single', 'perSecond'), unit: `req/s, bare server of ${runtime}` },
      parseOnlyBatch100: {
        value: limit('batch100', 'perSecond') * batchSize,
        unit: `events/s, bare server of ${runtime}`,
      },
      parseOnlySingleCpuUs: { value: limit('single', 'cpuUsPerRequest'), unit: 'µs CPU an event' },
      parseOnlyBatch100CpuUs: {
        value: rounded(limit('batch100', 'cpuUsPerRequest') / batchSize),
        unit: 'µs CPU an event',
      },
    },
    ratios: {
      single: ratio('single'),
      batch100: ratio('batch100'),
      singleCpu: rounded(limit('single', 'cpuUsPerRequest') / ours('single', 'cpuUsPerRequest')),
      batch100Cpu: rounded(limit('batch100', 'cpuUsPerRequest') / ours('batch100', 'cpuUsPerRequest')),
    },
  };
}

const roundSeconds = 2;
const roundWarmUpMs = 200;

async function measure(server: BenchServer, mode: Mode): Promise<Round> {
  const before = await server.stats();
  const result = await load(server.port, mode, roundSeconds * 1_000);
  const after = await server.stats();
  if (result.refused > 0) throw new Error(`${result.refused} requests were refused`);
  // What was answered in the round's warm-up cost CPU too.
  const answered = (result.requests * (roundSeconds * 1_000 + roundWarmUpMs)) / (roundSeconds * 1_000);
  return {
    ...result,
    groups: after.groups - before.groups,
    events: after.events - before.events,
    rssMb: after.rssMb,
    mappedLogMb: after.mappedLogMb,
    cpuUsPerRequest: rounded(((after.cpuMs - before.cpuMs) * 1_000) / Math.max(1, answered)),
  };
}

async function measureRelaxed(ratePerSecond: number, runtime: Runtime, pinned: boolean): Promise<LoadResult> {
  const server = await startCollectorServer('collector', runtime, pinned);
  try {
    await load(server.port, 'single', roundSeconds * 1_000);
    return await load(server.port, 'single', roundSeconds * 2_000, ratePerSecond);
  } finally {
    await server.stop();
  }
}

function median(rounds: readonly Round[], figure: keyof Round): number {
  return medianOf(rounds.map((round) => round[figure]));
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

const rounded = (value: number): number => Number(value.toPrecision(3));

/** Bodies are made before a round and sent once each; ids stay unique since each is made once. */
async function load(port: number, mode: Mode, durationMs: number, ratePerSecond?: number): Promise<LoadResult> {
  const now = Date.now();
  const make = mode === 'single' ? () => makeEvent(now) : () => makeBatch(now, batchSize);
  const prepared: Buffer[] = [];
  const wanted = mode === 'single' ? 20_000 : 1_000;
  for (let index = 0; index < wanted; index += 1) prepared.push(buildRequest('/v1/events', benchKey, make()));
  let sent = 0;
  // Beyond the prepared ones, bodies are made on the way: the generator has a core of its own.
  const next = () => (sent < prepared.length ? prepared[sent++]! : buildRequest('/v1/events', benchKey, make()));
  return applyLoad({
    host: '127.0.0.1',
    port,
    // Fewer, and all of them wait for the same flush: the rate would be the disk's.
    connections: mode === 'single' ? 256 : 32,
    durationMs,
    warmUpMs: roundWarmUpMs,
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
