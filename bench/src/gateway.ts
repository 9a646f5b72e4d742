import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Pool } from 'undici';
import { cachedQuery, nestedQuery, smallQuery } from './gateway-graph.ts';
import { applyLoad } from './load-generator.ts';
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
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** A persisted GET that hits the response cache, against node:http answering the same bytes. */
async function measureCached(
  options: BenchOptions,
  server: Server,
  start: (kind: string, given?: string) => Promise<Server>,
): Promise<Cached> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const extensions = { persistedQuery: { version: 1, sha256Hash: hashOf(cachedQuery) } };
  const gateway = server.urls['url'] as string;
  await register(gateway, cachedQuery);
  const path = `/graphql?extensions=${encodeURIComponent(JSON.stringify(extensions))}`;
  const lines = `Host: bench\r\nAuthorization: Bearer ${key}\r\napollo-require-preflight: 1\r\nAccept: application/json`;
  const request = Buffer.from(`GET ${path} HTTP/1.1\r\n${lines}\r\n\r\n`);
  const sample = await fetch(`${new URL(gateway).origin}${path}`, {
    headers: { ...headers, 'apollo-require-preflight': '1' },
  });
  const body = await sample.text();
  if (!sample.headers.get('etag') || !body.includes('"actual":1')) throw new Error(`not a cached answer: ${body}`);
  const bare = await start('bare', body);
  const durationMs = options.quick ? 2_000 : 3_000;
  const run = async ({ urls, cpuMs }: Server) => {
    const before = await cpuMs();
    let sent = 0;
    const result = await applyLoad({
      host: '127.0.0.1',
      port: Number(new URL(urls['url'] as string).port),
      connections,
      durationMs,
      warmUpMs: 300,
      next: () => {
        sent += 1;
        return request;
      },
    });
    return { ...result, cpuUs: (((await cpuMs()) - before) * 1_000) / sent };
  };
  const [ours, theirs] = [[], []] as [Awaited<ReturnType<typeof run>>[], Awaited<ReturnType<typeof run>>[]];
  for (let round = 0; round < (options.quick ? 3 : 5); round += 1) {
    ours.push(await run(server));
    theirs.push(await run(bare));
    options.log(
      `round ${round + 1} cached ${ours.at(-1)?.perSecond} req/s ${ours.at(-1)?.cpuUs.toFixed(1)} µs, bare ${theirs.at(-1)?.perSecond} req/s ${theirs.at(-1)?.cpuUs.toFixed(1)} µs`,
    );
  }
  if (ours.some(({ refused }) => refused > 0)) throw new Error('some cached answers were refused');
  return {
    cachedPerSecond: median(ours.map(({ perSecond }) => perSecond)),
    barePerSecond: median(theirs.map(({ perSecond }) => perSecond)),
    ratio: median(ours.map(({ perSecond }, at) => perSecond / (theirs[at]?.perSecond ?? Number.NaN))),
    cpuRatio: median(theirs.map(({ cpuUs }) => cpuUs)) / median(ours.map(({ cpuUs }) => cpuUs)),
    p50Ms: median(ours.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(ours.map(({ p99Ms }) => p99Ms)),
  };
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
