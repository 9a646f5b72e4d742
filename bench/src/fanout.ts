import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import type { BenchOptions, BenchResult } from './result.ts';

const key = 'tk_api_bench_fanout';
const socketsOf = (subscribers: number) => Math.ceil(subscribers / 50);
const updatesPerSecond = 12;
/** A peer that answers no ping is cut at the second one after: the gateway pings every 12 s. */
const stalledBoundMs = 24_000;

interface Server {
  readonly port: number;
  ask(what: 'stats' | 'gc'): Promise<Stats>;
  start(updates: number): void;
  stop(): void;
}
interface Stats {
  readonly entityCalls: number;
  readonly updates: number;
  readonly opened: number;
  readonly subscribers: number;
  readonly sockets: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
  readonly cpuMs: number;
}

/**
 * One live metric with a joined entity of another subgraph, to 1,000 subscribers over WebSockets of 50 operations each, at 12
 * updates a second; the same with one subscriber that stops reading; then the memory of 10,000 subscribers. The gateway with its subgraphs is a process of its own on core 0, the
 * subscribers are on core 1. Latency runs from the update's being published to a subscriber's having its message.
 */
export async function benchFanout(options: BenchOptions): Promise<BenchResult> {
  pin(process.pid, 1);
  const seconds = options.quick ? 8 : 30;
  const server = await startServer();
  try {
    const run = await deliver(server, 1_000, seconds, options.log);
    await untilNobody(server);
    const beside = await deliver(server, 999, stalledBoundMs / 1_000 + 2, options.log, true);
    const memory = await measureMemory(server, 10_000, options.log);
    return {
      name: 'fanout',
      figures: {
        deliveriesPerSecond: { value: Math.round(run.deliveries / run.seconds), unit: 'messages/s' },
        p50Ms: { value: run.p50Ms, unit: 'ms' },
        p99Ms: { value: run.p99Ms, unit: 'ms' },
        entityCallsPerUpdate: { value: run.entityCalls / run.updates, unit: 'calls' },
        upstreams: { value: run.upstreams, unit: 'subscriptions' },
        missed: { value: run.expected - run.deliveries, unit: 'messages' },
        gatewayCpuShare: { value: Number((run.cpuMs / (run.seconds * 1_000)).toFixed(2)), unit: 'of a core' },
        p99MsBesideStalled: { value: beside.p99Ms, unit: 'ms, of 999 subscribers beside one that stops reading' },
        missedBesideStalled: { value: beside.expected - beside.deliveries, unit: 'messages, of the 999' },
        stalledCutAfterMs: { value: beside.cutAfterMs, unit: `ms, at most ${stalledBoundMs} by the gateway's pings` },
        kbPerSubscriber: { value: memory, unit: 'KB' },
      },
      against: {
        neededPerSecond: { value: 10_000, unit: 'messages/s' },
        updatesPerSecond: { value: updatesPerSecond, unit: '1/s' },
      },
      ratios: { deliveriesVsNeeded: Number((run.deliveries / run.seconds / 10_000).toFixed(2)) },
    };
  } finally {
    server.stop();
  }
}

/** @param besideStalled one more subscriber, on a connection of its own, reads nothing once it has subscribed. */
async function deliver(
  server: Server,
  subscribers: number,
  seconds: number,
  log: (line: string) => void,
  besideStalled = false,
) {
  const latencies: number[] = [];
  const clients = await subscribe(server, subscribers, 2, (text) => {
    const at = /"at":(\d+(?:\.\d+)?)/.exec(text)?.[1];
    // The first payload is the state before the first update.
    if (at !== undefined && Number(at) > 0) latencies.push(performance.timeOrigin + performance.now() - Number(at));
  });
  const stalled = besideStalled ? await openClient(server.port, `${key}_0`, 1, () => {}) : null;
  while (stalled && (await server.ask('stats')).subscribers <= subscribers) await pause(50);
  const before = await server.ask('stats');
  log(`${before.subscribers} subscribers on ${before.opened} upstream`);
  stalled?.pause();
  const updates = seconds * updatesPerSecond;
  const startedAt = performance.now();
  server.start(updates);
  const expected = updates * subscribers;
  const deadline = startedAt + seconds * 1_000 + 5_000;
  let cutAfterMs = Number.NaN;
  while (latencies.length < expected && performance.now() < deadline) {
    await pause(stalled ? 100 : 20);
    if (!stalled || !Number.isNaN(cutAfterMs)) continue;
    if ((await server.ask('stats')).sockets < before.sockets) cutAfterMs = Math.round(performance.now() - startedAt);
  }
  const took = (performance.now() - startedAt) / 1_000;
  const after = await server.ask('stats');
  for (const client of clients) client.terminate();
  stalled?.terminate();
  latencies.sort((a, b) => a - b);
  const at = (share: number) => Number((latencies[Math.floor(latencies.length * share)] ?? Number.NaN).toFixed(1));
  return {
    deliveries: latencies.length,
    expected,
    seconds: took,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    updates: after.updates - before.updates,
    entityCalls: after.entityCalls - before.entityCalls,
    upstreams: before.opened,
    cpuMs: after.cpuMs - before.cpuMs,
    cutAfterMs,
  };
}

/** KB of the gateway's resident memory for each of so many subscribers of seven tenants, beside what it held before. */
async function measureMemory(server: Server, subscribers: number, log: (line: string) => void): Promise<number> {
  await untilNobody(server);
  const before = await server.ask('gc');
  const clients = await subscribe(server, subscribers, 8, () => {});
  const after = await server.ask('gc');
  log(
    `${after.subscribers} subscribers: heap ${before.heapBytes >> 20} → ${after.heapBytes >> 20} MiB, resident ${before.rssBytes >> 20} → ${after.rssBytes >> 20} MiB`,
  );
  for (const client of clients) client.terminate();
  return Number(((after.rssBytes - before.rssBytes) / 1_024 / after.subscribers).toFixed(1));
}

async function untilNobody(server: Server): Promise<void> {
  const end = performance.now() + 10_000;
  while ((await server.ask('stats')).subscribers > 0 && performance.now() < end) await pause(50);
}

const query = `subscription { liveMetrics(appId: "app_1") { at rows { installs campaign { id name } } } }`;

/** @param keys of the first two is one tenant, each further one has its own. */
async function subscribe(
  server: Server,
  subscribers: number,
  keys: number,
  onNext: (text: string) => void,
): Promise<WebSocket[]> {
  const clients: WebSocket[] = [];
  for (let left = subscribers, at = 0; left > 0; left -= 50, at += 1) {
    clients.push(await openClient(server.port, `${key}_${at % keys}`, Math.min(50, left), onNext));
  }
  if (clients.length !== socketsOf(subscribers)) throw new Error('not all sockets opened');
  const end = performance.now() + 30_000;
  while ((await server.ask('stats')).subscribers < subscribers) {
    if (performance.now() > end) throw new Error('not all subscriptions began');
    await pause(50);
  }
  return clients;
}

async function openClient(
  port: number,
  apiKey: string,
  operations: number,
  onNext: (text: string) => void,
): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/graphql`, 'graphql-transport-ws', { perMessageDeflate: false });
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('open', () =>
      socket.send(JSON.stringify({ type: 'connection_init', payload: { Authorization: `Bearer ${apiKey}` } })),
    );
    socket.on('message', (data) => {
      const text = String(data);
      if (text.includes('"type":"next"')) onNext(text);
      else if (text.includes('connection_ack')) resolve();
      else if (text.includes('"type":"error"')) reject(new Error(text));
    });
  });
  for (let id = 0; id < operations; id += 1) {
    socket.send(JSON.stringify({ id: String(id), type: 'subscribe', payload: { query } }));
  }
  return socket;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function pin(pid: number | undefined, core: number): void {
  try {
    execFileSync('taskset', ['-acp', String(core), String(pid)], { stdio: 'ignore' });
  } catch {
    // Without taskset they share the cores.
  }
}

async function startServer(): Promise<Server> {
  const file = fileURLToPath(new URL('./fanout-server.ts', import.meta.url));
  const child: ChildProcess = fork(file, [key, String(updatesPerSecond)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: ['--expose-gc'],
    env: { ...process.env, NODE_ENV: 'production' },
  });
  const answer = <T>() => new Promise<T>((resolve) => child.once('message', (message) => resolve(message as T)));
  const { port } = await answer<{ port: number }>();
  pin(child.pid, 0);
  return {
    port,
    ask(what) {
      const stats = answer<Stats>();
      child.send(what);
      return stats;
    },
    start: (updates) => void child.send(updates),
    stop: () => void child.kill('SIGKILL'),
  };
}
