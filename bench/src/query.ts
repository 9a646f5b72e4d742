import { startTestWarehouse, type TestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import { processCpuMs } from './process-cpu.ts';
import { fillWarehouse } from './query-data.ts';
import { type BenchQuery, benchQueries } from './query-list.ts';
import type { BenchOptions, BenchResult, Figure } from './result.ts';

/**
 * The console's ten queries, as the readers ask them, one at a time on an embedded warehouse, at two sizes of the same 90
 * days, apps and cardinalities.
 *
 * - p95Ms10m: the 95th percentile of the slowest of the ten, over HTTP, at the smaller size.
 * - growth50m: the largest growth, larger over smaller size, of the medians of those that aggregates answer; growth50mCpu: of
 *   their CPU time, which other work on the machine disturbs less.
 * - peakQueryMb: the least memory limit, of powers of two, under which every one of the ten passes at the larger size.
 *
 * Caches of results, conditions and uncompressed blocks are off; the operating system's page cache is what it is.
 * `--quick`: 200,000 and 1 million events; the figures keep their names and say the sizes.
 */
export async function benchQuery(options: BenchOptions): Promise<BenchResult> {
  const sizes = options.quick ? ([200_000, 1_000_000] as const) : ([10_000_000, 50_000_000] as const);
  if (options.quick) options.log('quick: 200,000 and 1 million events in place of 10 and 50 million');
  const nowMs = Math.floor(Date.now() / 60_000) * 60_000;
  const small = await measureAt(sizes[0], nowMs, options);
  const large = await measureAt(sizes[1], nowMs, options);
  const slowest = small.timings.toSorted((a, b) => b.p95Ms - a.p95Ms)[0];
  const figures: Record<string, Figure> = {
    p95Ms10m: { value: slowest?.p95Ms ?? 0, unit: `ms, slowest of ten (${slowest?.query.name}), ${sizes[0]} events` },
    peakQueryMb: { value: large.peakMb, unit: `MB, memory limit that all ten pass at ${sizes[1]} events` },
  };
  for (const [label, found] of [
    ['small', small],
    ['large', large],
  ] as const) {
    for (const { query, p50Ms, p95Ms, cpuMs } of found.timings) {
      figures[`${label} ${query.name}`] = { value: p95Ms, unit: `ms p95 (p50 ${p50Ms}, CPU ${cpuMs} a query)` };
    }
  }
  const worst = (of: 'p50Ms' | 'cpuMs') => largestGrowth(small.timings, large.timings, of);
  options.log(`grows most: ${worst('p50Ms').name}; in CPU time: ${worst('cpuMs').name}`);
  const ratios = { growth50m: worst('p50Ms').growth, growth50mCpu: worst('cpuMs').growth };
  return { name: 'query', figures, against: {}, ratios };
}

/** Of those that aggregates answer. */
function largestGrowth(small: readonly Timing[], large: readonly Timing[], of: 'p50Ms' | 'cpuMs') {
  const growths = small.flatMap((one, index) => {
    const growth = Number(((large[index]?.[of] ?? 0) / one[of]).toFixed(2));
    return one.query.onAggregates && Number.isFinite(growth) ? [{ name: one.query.name, growth }] : [];
  });
  return growths.toSorted((a, b) => b.growth - a.growth)[0] ?? { name: 'none', growth: 0 };
}

interface Timing {
  readonly query: BenchQuery;
  readonly p50Ms: number;
  readonly p95Ms: number;
  /** The warehouse's, a query. */
  readonly cpuMs: number;
}

async function measureAt(rows: number, nowMs: number, { quick, log }: BenchOptions) {
  const test = await startTestWarehouse({ memoryBytes: 2_000_000_000 });
  try {
    log(`generating ${rows} events`);
    await fillWarehouse(test.warehouse, { rows, nowMs, log });
    await mergesAtRest(test.url, quick ? 10_000 : 300_000, log);
    const timings: Timing[] = [];
    for (const query of benchQueries(nowMs)) {
      const timing = await timed(test, query, quick ? 10 : 40);
      timings.push(timing);
      log(`${rows} ${query.name}: p50 ${timing.p50Ms} ms, p95 ${timing.p95Ms} ms, CPU ${timing.cpuMs} ms`);
    }
    return { timings, peakMb: await peakMbOf(test.url, benchQueries(nowMs)) };
  } finally {
    await test.dispose();
  }
}

async function timed({ url, pid }: TestWarehouse, query: BenchQuery, rounds: number): Promise<Timing> {
  // Warm: code and the page cache, as on a server that runs.
  for (let round = 0; round < 3; round += 1) await runOnce(url, query);
  const took: number[] = [];
  const cpuBefore = processCpuMs(pid());
  for (let round = 0; round < rounds; round += 1) {
    const startedAt = performance.now();
    await runOnce(url, query);
    took.push(performance.now() - startedAt);
  }
  const cpuMs = Number(((processCpuMs(pid()) - cpuBefore) / rounds).toFixed(1));
  const sorted = took.toSorted((a, b) => a - b);
  const at = (share: number) =>
    Number((sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0).toFixed(1));
  return { query, p50Ms: at(0.5), p95Ms: at(0.95), cpuMs };
}

/** The smallest limit, doubling from 16 MB, under which all of them pass. */
async function peakMbOf(url: string, queries: readonly BenchQuery[]): Promise<number> {
  let limitMb = 16;
  for (const query of queries) {
    for (;;) {
      const failed = await runOnce(url, query, limitMb * 1_048_576).then(
        () => null,
        (error: Error) => error,
      );
      if (!failed) break;
      if (!failed.message.includes('Code: 241.') || limitMb >= 4_096) throw failed;
      limitMb *= 2;
    }
  }
  return limitMb;
}

/** A parameter as ClickHouse's HTTP interface reads it. */
function paramText(value: unknown): string {
  if (!Array.isArray(value))
    return String(value).replaceAll('\\', '\\\\').replaceAll('\t', '\\t').replaceAll('\n', '\\n');
  return `[${value.map((one) => `'${String(one).replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`).join(',')}]`;
}

async function runOnce(url: string, query: BenchQuery, memoryBytes = 1_073_741_824): Promise<string> {
  const settings = {
    use_query_cache: 0,
    use_query_condition_cache: 0,
    use_uncompressed_cache: 0,
    max_memory_usage: memoryBytes,
  };
  const search = new URLSearchParams({ database: 'tributary', default_format: 'JSONEachRow' });
  for (const [name, value] of Object.entries(settings)) search.set(name, String(value));
  for (const [name, value] of Object.entries(query.params)) search.set(`param_${name}`, paramText(value));
  const response = await fetch(`${url}/?${search}`, { method: 'POST', body: query.sql });
  const text = await response.text();
  if (!response.ok) throw new Error(`${query.name}: ${text.slice(0, 500)}`);
  return text;
}

async function mergesAtRest(url: string, withinMs: number, log: (line: string) => void): Promise<void> {
  const giveUpAt = Date.now() + withinMs;
  while (Date.now() < giveUpAt) {
    const response = await fetch(`${url}/?default_format=TSV`, {
      method: 'POST',
      body: 'SELECT count() FROM system.merges',
    });
    if ((await response.text()).trim() === '0') return;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  log('merges still run; the figures include them');
}
