import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AbusiveOperation, abusesOf } from './gateway-abuses.ts';
import { openTransports, type Transport } from './gateway-transports.ts';
import { processCpuMs } from './process-cpu.ts';
import { freePorts, startProduct } from './product-process.ts';
import type { BenchOptions, BenchResult } from './result.ts';

/** What one abuse over one transport took, of many repeats. */
interface Taken {
  readonly name: string;
  readonly p50Ms: number;
  readonly maxMs: number;
  /** Of the process that holds gateway, subgraphs and relational store; mean. */
  readonly cpuMs: number;
}

/**
 * Each abuse of the table over each transport, against the whole family as `npm start` runs it: how long until its coded error, and
 * what it costs the gateway. Every request is another text, so that nothing is known of it yet. An ordinary question, asked in the
 * same way, stands beside.
 */
export async function benchGatewayAbuse(options: BenchOptions): Promise<BenchResult> {
  const repeats = options.quick ? 20 : 100;
  const dir = await mkdtemp(join(tmpdir(), 'tributary-bench-'));
  const ports = await freePorts(3);
  const url = `http://127.0.0.1:${ports[0]}`;
  const product = await startProduct(dir, ports);
  const pid = product.child.pid!;
  try {
    const { apiKey } = await readJson<{ apiKey: string }>(join(dir, 'demo.json'));
    const world = await readJson<{ apps: { appId: string }[] }>(join(dir, 'demo-world.json'));
    const transports = openTransports(url, apiKey);
    const abuses = abusesOf(world.apps[0]!.appId, Date.now());
    const before = await rssMbOf(pid);
    const ordinary = await measure(transports[0]!, 'ordinary', { query: '{ apps { id name } }' }, null, pid, repeats);
    const taken: Taken[] = [];
    for (const transport of transports) {
      for (const { name, operation, code } of abuses) {
        taken.push(await measure(transport, `${transport.name} ${name}`, operation, code, pid, repeats));
      }
      const worst = taken
        .filter((one) => one.name.startsWith(transport.name))
        .toSorted((a, b) => b.p50Ms - a.p50Ms)[0]!;
      options.log(
        `${transport.name}: ${abuses.length} abuses; slowest: ${worst.name.slice(transport.name.length + 1)}, p50 ${worst.p50Ms} ms`,
      );
    }
    for (const transport of transports) await transport.dispose();
    const after = await rssMbOf(pid);
    const slowest = taken.toSorted((a, b) => b.p50Ms - a.p50Ms)[0]!;
    const costliest = taken.toSorted((a, b) => b.cpuMs - a.cpuMs)[0]!;
    return {
      name: 'gateway-abuse',
      figures: {
        worstMs: { value: slowest.p50Ms, unit: `ms, p50 of ${repeats}, until the coded error: ${slowest.name}` },
        worstMaxMs: {
          value: Math.max(...taken.map(({ maxMs }) => maxMs)),
          unit: 'ms, the slowest single answer of all',
        },
        worstCpuMs: { value: costliest.cpuMs, unit: `ms of CPU, mean: ${costliest.name}` },
        abuses: { value: taken.length, unit: 'abuses × transports, each refused by its code' },
        rssMb: { value: after, unit: 'MB of the gateway’s process, after all of them' },
        rssBeforeMb: { value: before, unit: 'MB, before' },
      },
      against: {
        ordinaryMs: { value: ordinary.p50Ms, unit: 'ms, p50, an ordinary question in a new text by POST' },
        ordinaryCpuMs: { value: ordinary.cpuMs, unit: 'ms of CPU, mean' },
      },
      ratios: { worst: Number((slowest.p50Ms / ordinary.p50Ms).toPrecision(3)) },
    };
  } finally {
    await product.stop();
    await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

let asked = 0;

/** Throws where an answer is not the wanted one: a figure of something else would be none. */
async function measure(
  transport: Transport,
  name: string,
  operation: AbusiveOperation,
  code: string | null,
  pid: number,
  repeats: number,
): Promise<Taken> {
  const ask = async () => {
    asked += 1;
    const startedAt = performance.now();
    const answered = await transport.ask({ ...operation, query: `${operation.query} #${asked}` });
    // A URL may be longer than a head; it is refused before anything reads it.
    if (answered !== code && !(transport.name === 'GET' && answered === 'HEADERS_TOO_LARGE'))
      throw new Error(`${name} was answered ${answered}, not ${code}.`);
    return performance.now() - startedAt;
  };
  for (let warmUp = 0; warmUp < 3; warmUp += 1) await ask();
  const cpuBefore = processCpuMs(pid);
  const took: number[] = [];
  for (let at = 0; at < repeats; at += 1) took.push(await ask());
  const cpuMs = (processCpuMs(pid) - cpuBefore) / repeats;
  took.sort((a, b) => a - b);
  const rounded = (ms: number) => Number(ms.toPrecision(3));
  return { name, p50Ms: rounded(took[repeats >> 1]!), maxMs: rounded(took.at(-1)!), cpuMs: rounded(cpuMs) };
}

const readJson = async <T>(file: string): Promise<T> => JSON.parse(await readFile(file, 'utf8'));

async function rssMbOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1_024);
}
