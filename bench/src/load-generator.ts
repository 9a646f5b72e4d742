import { connect, type Socket } from 'node:net';

/**
 * A raw-socket HTTP/1.1 load generator: one request at a time on each of `connections` keep-alive connections (no
 * pipelining), as many clients would. It reads only what it must of an answer (status line, content-length), so that it
 * costs less than the server it loads.
 */
export interface LoadOptions {
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  readonly durationMs: number;
  /** Requests not counted at the start. */
  readonly warmUpMs: number;
  /** The next request, whole (head and body). */
  readonly next: () => Buffer;
  /** Requests per second over all connections; absent = as fast as answers come. */
  readonly ratePerSecond?: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers other than 200. */
  readonly refused: number;
}

export async function applyLoad(options: LoadOptions): Promise<LoadResult> {
  const startedAt = performance.now();
  const countFrom = startedAt + options.warmUpMs;
  const endAt = countFrom + options.durationMs;
  const latencies: number[] = [];
  let refused = 0;
  const onAnswer = (status: number, sentAt: number, now: number) => {
    if (status !== 200) refused += 1;
    if (sentAt >= countFrom && now <= endAt) latencies.push(now - sentAt);
  };
  const pacer = createPacer();
  await Promise.all(
    Array.from({ length: options.connections }, (_, index) => drive(options, pacer, index, endAt, onAnswer)),
  );
  pacer.dispose();
  latencies.sort((a, b) => a - b);
  const seconds = options.durationMs / 1_000;
  const at = (share: number) =>
    Number((latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? Number.NaN).toFixed(2));
  return {
    requests: latencies.length,
    seconds,
    perSecond: Math.round(latencies.length / seconds),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    refused,
  };
}

/** Calls back when it is time, within a millisecond. */
interface Pacer {
  at(dueAt: number, run: () => void): void;
  dispose(): void;
}

/** One timer for all: a timer a request makes so much garbage that the generator's own collections were most of p99. */
function createPacer(): Pacer {
  let waiting: { readonly dueAt: number; readonly run: () => void }[] = [];
  const timer = setInterval(() => {
    const now = performance.now();
    const due = waiting.filter(({ dueAt }) => dueAt <= now);
    if (due.length === 0) return;
    waiting = waiting.filter(({ dueAt }) => dueAt > now);
    for (const { run } of due) run();
  }, 1);
  return {
    at: (dueAt, run) => void waiting.push({ dueAt, run }),
    dispose: () => clearInterval(timer),
  };
}

function drive(
  options: LoadOptions,
  pacer: Pacer,
  index: number,
  endAt: number,
  onAnswer: (status: number, sentAt: number, now: number) => void,
): Promise<void> {
  const intervalMs = options.ratePerSecond ? (options.connections * 1_000) / options.ratePerSecond : 0;
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ host: options.host, port: options.port, noDelay: true });
    let sentAt = 0;
    // With a rate, a late request counts from when it was due, so that a stall is not hidden.
    let dueAt = performance.now() + (intervalMs * index) / options.connections;
    let held = '';
    const send = () => {
      const now = performance.now();
      if (now >= endAt) return void socket.end(() => resolve());
      if (intervalMs > 0 && now < dueAt) return pacer.at(dueAt, send);
      sentAt = intervalMs > 0 ? dueAt : now;
      dueAt += intervalMs;
      socket.write(options.next());
    };
    socket.on('connect', send);
    socket.on('data', (chunk: Buffer) => {
      held += chunk.toString('latin1');
      const headEnd = held.indexOf('\r\n\r\n');
      if (headEnd < 0) return;
      const length = /content-length: (\d+)/i.exec(held)?.[1];
      if (length === undefined) return reject(new Error(`an answer without content-length: ${held.slice(0, 200)}`));
      if (held.length < headEnd + 4 + Number(length)) return;
      onAnswer(Number(held.slice(9, 12)), sentAt, performance.now());
      held = '';
      send();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve());
  });
}

/** Head and body of a POST. */
export function buildRequest(path: string, key: string, body: string): Buffer {
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
