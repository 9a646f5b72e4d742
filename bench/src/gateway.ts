import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Pool } from 'undici';
import { cachedQuery, nestedQuery, smallQuery } from './gateway-graph.ts';
import { applyLoad, type LoadResult } from './load-generator.ts';
import type { BenchOptions, BenchResult } from './result.ts';

const key = 'tk_api_bench_gateway';
const connections = 50;
const peers = ['apollo', 'hive', 'hiveRust', 'ours', 'full'] as const;
type Peer = (typeof peers)[number];

interface Server {
  readonly urls: Readonly<Record<string, string>>;
  /** CPU time so far, user and system. */
  cpuMs(): Promise<number>;
  stop(): void;
}

/**
 * The Guild's gateway benchmark: four subgraphs with memoised answers over HTTP, one nested query, 50 connections; every answer is
 * compared with the expected one. The gateways take turns, each a process of its own on core 0; generator and subgraphs have core 1.
 */
export async function benchGateway(options: BenchOptions): Promise<BenchResult> {
  const servers: Server[] = [];
  const start = async (kind: string, given = '', core = 0) => {
    const server = await startServer(kind, given, core);
    servers.push(server);
    return server;
  };
  pin(process.pid, 1);
  try {
    const subgraphs = await start('subgraphs', '', 1);
    const gateways = new Map<Peer, Server>();
    for (const peer of peers) {
      const server = await start(peer, JSON.stringify(subgraphs.urls)).catch((error: unknown) => {
        if (peer !== 'hiveRust') throw error;
        options.log(`hiveRust does not start here: ${String(error)}`);
        return null;
      });
      if (server) gateways.set(peer, server);
    }
    const expected = await expectedAnswer(gateways.get('apollo')?.urls['url'] as string);
    options.log(`the answer has ${expected.length} bytes`);
    const full = gateways.get('full')?.urls['url'] as string;
    await register(full, nestedQuery);
    const rates = await measureThroughput(options, gateways, expected);
    const added = await measureAdded(full, subgraphs.urls['accounts'] as string, options.quick ? 1_000 : 4_000);
    const cached = await measureCached(options, gateways.get('full') as Server, start);
    return resultOf(rates, expected.length, added, cached);
  } finally {
    for (const server of servers) server.stop();
  }
}

interface Sample {
  readonly perSecond: number;
  /** Of the gateway's process; says more than the rate on a busy machine. */
  readonly cpuMsPerRequest: number;
}
type Rates = ReadonlyMap<Peer, readonly Sample[]>;

async function measureThroughput(
  options: BenchOptions,
  gateways: ReadonlyMap<Peer, Server>,
  expected: string,
): Promise<Rates> {
  const roundMs = options.quick ? 2_500 : 4_000;
  const rounds = options.quick ? 3 : 5;
  const rates = new Map<Peer, Sample[]>([...gateways.keys()].map((peer) => [peer, []]));
  for (const [peer, server] of gateways) await load(peer, server, expected, 1_500);
  for (let round = 0; round < rounds; round += 1) {
    for (const [peer, server] of gateways) {
      const sample = await load(peer, server, expected, roundMs);
      rates.get(peer)?.push(sample);
      const { perSecond, cpuMsPerRequest } = sample;
      options.log(
        `round ${round + 1} ${peer.padEnd(9)} ${perSecond.toFixed(1)} req/s, ${cpuMsPerRequest.toFixed(2)} ms CPU`,
      );
    }
  }
  return rates;
}

/** Throws for an answer other than the expected. */
async function load(peer: Peer, server: Server, expected: string, durationMs: number): Promise<Sample> {
  const { origin, pathname } = new URL(server.urls['url'] as string);
  const pool = new Pool(origin, { connections, pipelining: 1 });
  const { headers, body } = requestOf(peer, nestedQuery);
  const cpuBefore = await server.cpuMs();
  const startedAt = performance.now();
  const endAt = startedAt + durationMs;
  let answers = 0;
  const compare = comparerOf(expected);
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (performance.now() < endAt) {
        const response = await pool.request({ method: 'POST', path: pathname, headers, body });
        compare(peer, Buffer.from(await response.body.arrayBuffer()));
        answers += 1;
      }
    }),
  );
  const seconds = (performance.now() - startedAt) / 1_000;
  await pool.close();
  return { perSecond: answers / seconds, cpuMsPerRequest: ((await server.cpuMs()) - cpuBefore) / answers };
}

/** The whole pipeline is asked by hash, with a key; the others by text. */
function requestOf(peer: Peer, query: string): { headers: Record<string, string>; body: string } {
  const headers = { 'content-type': 'application/json', accept: 'application/json' };
  if (peer !== 'full') return { headers, body: JSON.stringify({ query }) };
  const extensions = { persistedQuery: { version: 1, sha256Hash: hashOf(query) } };
  return { headers: { ...headers, authorization: `Bearer ${key}` }, body: JSON.stringify({ extensions }) };
}

/** Shows the text once, so that the hash alone does from then on. */
async function register(url: string, query: string): Promise<void> {
  const { headers, body } = requestOf('full', query);
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ query, ...JSON.parse(body) }) });
  if (!response.ok) throw new Error(`a document was not taken: ${await response.text()}`);
}

const hashOf = (text: string) => createHash('sha256').update(text).digest('hex');

/** By bytes: the first answer of a peer is compared by content and its data's bytes stand for the rest. */
function comparerOf(expected: string): (peer: Peer, body: Buffer) => void {
  const known = new Map<Peer, Buffer>();
  return (peer, body) => {
    const first = known.get(peer);
    // Behind the data our pipeline says what it cost, which differs from answer to answer.
    if (first && body.length >= first.length && body.subarray(0, first.length).equals(first)) return;
    const text = body.toString('utf8');
    const { data } = JSON.parse(text) as { data: unknown };
    if (canonical(data) !== expected) throw new Error(`${peer} gave another answer: ${text.slice(0, 300)}`);
    const dataText = JSON.stringify(data);
    const at = text.indexOf(dataText);
    if (at >= 0) known.set(peer, Buffer.from(text.slice(0, at + dataText.length)));
  };
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

async function expectedAnswer(url: string): Promise<string> {
  const { headers, body } = requestOf('apollo', nestedQuery);
  const { data } = (await (await fetch(url, { method: 'POST', headers, body })).json()) as { data: unknown };
  return canonical(data);
}

interface Added {
  readonly directP50Ms: number;
  readonly gatewayP50Ms: number;
}

/** One connection, request by request, gateway and subgraph in turns. */
async function measureAdded(gateway: string, subgraph: string, requests: number): Promise<Added> {
  await register(gateway, smallQuery);
  const ways = [
    { url: gateway, ...requestOf('full', smallQuery), times: [] as number[] },
    { url: subgraph, ...requestOf('apollo', smallQuery), times: [] as number[] },
  ].map((way) => ({ ...way, pool: new Pool(new URL(way.url).origin, { connections: 1 }) }));
  for (let at = 0; at < requests; at += 1) {
    for (const { pool, url, headers, body, times } of ways) {
      const before = performance.now();
      const response = await pool.request({ method: 'POST', path: new URL(url).pathname, headers, body });
      await response.body.text();
      // The first ones warm up.
      if (at >= requests / 4) times.push(performance.now() - before);
    }
  }
  await Promise.all(ways.map(({ pool }) => pool.close()));
  return { gatewayP50Ms: median(ways[0]?.times ?? []), directP50Ms: median(ways[1]?.times ?? []) };
}

interface Cached {
  readonly cachedPerSecond: number;
  readonly barePerSecond: number;
  readonly ratio: number;
  /** CPU time a request, bare over cached. */
  readonly cpuRatio: number;
  readonly cachedCpuUs: number;
  readonly bareCpuUs: number;
  /** At `latencyShare` of `cachedPerSecond`, from when a request was due. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** As fast as answers come: what 50 clients that never rest wait for each other. */
  readonly saturatedP50Ms: number;
  readonly saturatedP99Ms: number;
}

/** Latency is asked at this share of the highest rate. */
const latencyShare = 0.7;

/** A persisted GET that hits the response cache, against node:http answering the same bytes. */
async function measureCached(
  options: BenchOptions,
  server: Server,
  start: (kind: string, given?: string) => Promise<Server>,
): Promise<Cached> {
  const { request, body } = await cachedRequest(server.urls['url'] as string);
  const bare = await start('bare', body);
  const durationMs = options.quick ? 1_500 : 3_000;
  const rounds = options.quick ? 5 : 9;
  await runSlice(server, request, durationMs);
  await runSlice(bare, request, durationMs);
  const [ours, theirs, paced]: [Slice[], Slice[], Slice[]] = [[], [], []];
  for (let round = 0; round < rounds; round += 1) {
    const [own, other] = [await runSlice(server, request, durationMs), await runSlice(bare, request, durationMs)];
    ours.push(own);
    theirs.push(other);
    options.log(
      `round ${round + 1} cached ${own.perSecond} req/s ${own.cpuUs.toFixed(1)} µs, bare ${other.perSecond} req/s ${other.cpuUs.toFixed(1)} µs`,
    );
  }
  const cachedPerSecond = median(ours.map(({ perSecond }) => perSecond));
  const ratePerSecond = Math.round(cachedPerSecond * latencyShare);
  for (let round = 0; round < rounds; round += 1) {
    const slice = await runSlice(server, request, durationMs, ratePerSecond);
    paced.push(slice);
    options.log(`round ${round + 1} at ${ratePerSecond} req/s: p50 ${slice.p50Ms} ms, p99 ${slice.p99Ms} ms`);
  }
  if ([...ours, ...paced].some(({ refused }) => refused > 0)) throw new Error('some cached answers were refused');
  const cachedCpuUs = median(ours.map(({ cpuUs }) => cpuUs));
  const bareCpuUs = median(theirs.map(({ cpuUs }) => cpuUs));
  return {
    cachedPerSecond,
    barePerSecond: median(theirs.map(({ perSecond }) => perSecond)),
    ratio: median(ours.map(({ perSecond }, at) => perSecond / (theirs[at]?.perSecond ?? Number.NaN))),
    cpuRatio: bareCpuUs / cachedCpuUs,
    cachedCpuUs,
    bareCpuUs,
    p50Ms: median(paced.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(paced.map(({ p99Ms }) => p99Ms)),
    saturatedP50Ms: median(ours.map(({ p50Ms }) => p50Ms)),
    saturatedP99Ms: median(ours.map(({ p99Ms }) => p99Ms)),
  };
}

/** A GET whose answer the gateway keeps, as bytes, and that answer. Throws when it is not kept. */
async function cachedRequest(gateway: string): Promise<{ request: Buffer; body: string }> {
  const extensions = { persistedQuery: { version: 1, sha256Hash: hashOf(cachedQuery) } };
  await register(gateway, cachedQuery);
  const path = `/graphql?extensions=${encodeURIComponent(JSON.stringify(extensions))}`;
  const headers = { authorization: `Bearer ${key}`, 'apollo-require-preflight': '1', accept: 'application/json' };
  const sample = await fetch(`${new URL(gateway).origin}${path}`, { headers });
  const body = await sample.text();
  if (!sample.headers.get('etag') || !body.includes('"actual":1')) throw new Error(`not a cached answer: ${body}`);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return { request: Buffer.from(`GET ${path} HTTP/1.1\r\nHost: bench\r\n${lines.join('')}\r\n`), body };
}

interface Slice extends LoadResult {
  /** Of the server, user and system, a request. */
  readonly cpuUs: number;
}

async function runSlice(
  { urls, cpuMs }: Server,
  request: Buffer,
  durationMs: number,
  ratePerSecond?: number,
): Promise<Slice> {
  const before = await cpuMs();
  let sent = 0;
  const result = await applyLoad({
    host: '127.0.0.1',
    port: Number(new URL(urls['url'] as string).port),
    connections,
    durationMs,
    warmUpMs: 300,
    ...(ratePerSecond === undefined ? {} : { ratePerSecond }),
    next: () => {
      sent += 1;
      return request;
    },
  });
  return { ...result, cpuUs: (((await cpuMs()) - before) * 1_000) / sent };
}

function resultOf(rates: Rates, answerBytes: number, added: Added, cached: Cached): BenchResult {
  const rate = (peer: Peer) => ({
    value: round(median((rates.get(peer) ?? []).map(({ perSecond }) => perSecond)), 1),
    unit: 'req/s',
  });
  const cpu = (peer: Peer) => median((rates.get(peer) ?? []).map(({ cpuMsPerRequest }) => cpuMsPerRequest));
  const ratio = (a: Peer, b: Peer) =>
    round(
      median(
        (rates.get(a) ?? []).map(({ perSecond }, at) => perSecond / (rates.get(b)?.[at]?.perSecond ?? Number.NaN)),
      ),
      2,
    );
  return {
    name: 'gateway',
    figures: {
      barePerSecond: rate('ours'),
      fullPerSecond: rate('full'),
      bareCpuMs: { value: round(cpu('ours'), 2), unit: 'ms/req' },
      fullCpuMs: { value: round(cpu('full'), 2), unit: 'ms/req' },
      answerBytes: { value: answerBytes, unit: 'bytes' },
      addedP50Ms: { value: round(added.gatewayP50Ms - added.directP50Ms, 3), unit: 'ms' },
      gatewayP50Ms: { value: round(added.gatewayP50Ms, 3), unit: 'ms' },
      cachedPerSecond: { value: cached.cachedPerSecond, unit: 'req/s' },
      cachedP50Ms: { value: cached.p50Ms, unit: 'ms' },
      cachedP99Ms: { value: cached.p99Ms, unit: 'ms' },
      cachedSaturatedP50Ms: { value: cached.saturatedP50Ms, unit: 'ms' },
      cachedSaturatedP99Ms: { value: cached.saturatedP99Ms, unit: 'ms' },
      cachedCpuUs: { value: round(cached.cachedCpuUs, 1), unit: 'µs/req' },
    },
    against: {
      stockApolloPerSecond: rate('apollo'),
      hivePerSecond: rate('hive'),
      ...(rates.has('hiveRust') ? { hiveRustPerSecond: rate('hiveRust') } : {}),
      stockApolloCpuMs: { value: round(cpu('apollo'), 2), unit: 'ms/req' },
      hiveCpuMs: { value: round(cpu('hive'), 2), unit: 'ms/req' },
      ...(rates.has('hiveRust') ? { hiveRustCpuMs: { value: round(cpu('hiveRust'), 2), unit: 'ms/req' } } : {}),
      directP50Ms: { value: round(added.directP50Ms, 3), unit: 'ms' },
      bareHttpPerSecond: { value: cached.barePerSecond, unit: 'req/s' },
      bareHttpCpuUs: { value: round(cached.bareCpuUs, 1), unit: 'µs/req' },
    },
    ratios: {
      vsStockApollo: ratio('ours', 'apollo'),
      vsHive: ratio('ours', 'hive'),
      ...(rates.has('hiveRust') ? { vsHiveRust: ratio('ours', 'hiveRust') } : {}),
      fullVsStockApollo: ratio('full', 'apollo'),
      cpuVsStockApollo: round(cpu('apollo') / cpu('ours'), 2),
      cpuVsHive: round(cpu('hive') / cpu('ours'), 2),
      ...(rates.has('hiveRust') ? { cpuVsHiveRust: round(cpu('hiveRust') / cpu('ours'), 2) } : {}),
      cpuFullVsStockApollo: round(cpu('apollo') / cpu('full'), 2),
      cachedVsBareCpu: round(cached.cpuRatio, 3),
      cachedVsBareHttp: round(cached.ratio, 3),
    },
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

function pin(pid: number | undefined, core: number): void {
  try {
    execFileSync('taskset', ['-acp', String(core), String(pid)], { stdio: 'ignore' });
  } catch {
    // Without taskset they share the cores.
  }
}

async function startServer(kind: string, given: string, core: number): Promise<Server> {
  const file = fileURLToPath(new URL('./gateway-server.ts', import.meta.url));
  const child: ChildProcess = fork(file, [kind, given, key], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // For all alike; libraries check more without it.
    env: { ...process.env, NODE_ENV: 'production' },
  });
  pin(child.pid, core);
  const urls = await new Promise<Record<string, string>>((resolve, reject) => {
    child.once('message', (message) => resolve(message as Record<string, string>));
    child.once('exit', (code) => reject(new Error(`the ${kind} server ended with ${code}`)));
  });
  pin(child.pid, core);
  return {
    urls,
    cpuMs: () =>
      new Promise((resolve) => {
        child.once('message', (message) => resolve((message as { cpuMs: number }).cpuMs));
        child.send('cpu');
      }),
    stop: () => void child.kill('SIGKILL'),
  };
}
