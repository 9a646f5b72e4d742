import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { makeEvent } from './bodies.ts';
import { benchKey, startCollectorServer } from './collector-process.ts';
import { applyLoad, buildRequest, type LoadResult } from './load-generator.ts';
import type { BenchOptions, BenchResult } from './result.ts';

const lorisSockets = 1_000;
const ratePerSecond = 1_000;
const connections = 64;

/**
 * Normal traffic at a fixed rate, alone and while 1,000 slow-loris sockets, gzip bombs of 10 GB and bodies of 100 MB come at
 * once from another address: what the attack does to those who behave.
 */
export async function benchCollectorAbuse(options: BenchOptions): Promise<BenchResult> {
  const seconds = options.quick ? 15 : 40;
  const runtime = options.runtime ?? 'node';
  const server = await startCollectorServer('collector', runtime, false);
  let attacker: ChildProcess | null = null;
  try {
    await traffic(server.port, 4);
    const calm = await traffic(server.port, Math.min(10, seconds));
    options.log(`alone: p50 ${calm.p50Ms} ms, p99 ${calm.p99Ms} ms`);
    const before = await server.stats();
    attacker = fork(
      fileURLToPath(new URL('./abuse-attacker.ts', import.meta.url)),
      [String(server.port), benchKey, String(lorisSockets)],
      { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
    );
    const attacked = await traffic(server.port, seconds);
    const answer = once(attacker, 'message') as Promise<[Record<string, number>]>;
    attacker.send('stats');
    const [counts] = await answer;
    const after = await server.stats();
    options.log(`attacked: p50 ${attacked.p50Ms} ms, p99 ${attacked.p99Ms} ms; ${JSON.stringify(counts)}`);
    const unit = `ms, ${runtime}, ${ratePerSecond} req/s on ${connections} connections`;
    return {
      name: 'collector-abuse',
      figures: {
        p50Ms: { value: attacked.p50Ms, unit: `${unit}, under attack` },
        p99Ms: { value: attacked.p99Ms, unit: `${unit}, under attack` },
        refused: { value: attacked.refused, unit: 'requests of the normal traffic' },
        rssMb: { value: Math.round(after.rssMb), unit: `MB, ${runtime}, after the attack` },
        rssBeforeMb: { value: Math.round(before.rssMb), unit: `MB, ${runtime}, before the attack` },
        bombs: { value: counts['bombs'] ?? 0, unit: 'gzip bombs of 10 GB, one after another' },
        bombsRefused: { value: counts['bombsRefused'] ?? 0, unit: 'answered 413' },
        bombMs: { value: Math.round(counts['bombMs'] ?? 0), unit: 'ms to the answer, the last one' },
        large: { value: counts['large'] ?? 0, unit: 'bodies of 100 MB, one after another' },
        largeRefused: { value: counts['largeRefused'] ?? 0, unit: 'answered 413' },
        lorisOpen: { value: counts['lorisOpen'] ?? 0, unit: 'slow-loris sockets at the end' },
        lorisClosed: { value: counts['lorisClosed'] ?? 0, unit: 'of them thrown out, and come again' },
      },
      against: {
        calmP50Ms: { value: calm.p50Ms, unit: 'ms, without the attack' },
        calmP99Ms: { value: calm.p99Ms, unit: 'ms, without the attack' },
      },
      ratios: { p99: Number((attacked.p99Ms / calm.p99Ms).toPrecision(3)) },
    };
  } finally {
    attacker?.kill('SIGKILL');
    await server.stop();
  }
}

function traffic(port: number, seconds: number): Promise<LoadResult> {
  return applyLoad({
    host: '127.0.0.1',
    port,
    connections,
    durationMs: seconds * 1_000,
    warmUpMs: 200,
    next: () => buildRequest('/v1/events', benchKey, makeEvent(Date.now())),
    ratePerSecond,
  });
}
