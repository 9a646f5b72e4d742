import { randomUUID } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import type { Ask } from './bare-insert.ts';
import { createBatchTemplate } from './batch-template.ts';
import { familyUsage, type Memory, memoryOf, type ProcessUsage } from './family-usage.ts';

export interface EndToEndLoadOptions {
  readonly collectorPort: number;
  readonly writeKey: string;
  readonly appId: string;
  readonly seconds: number;
  readonly warehouse: Ask;
  /** Of the family's first process. */
  readonly pid: number;
  readonly log: (line: string) => void;
  /** Events; absent = as fast as answers come. */
  readonly ratePerSecond?: number;
}

export interface EndToEndLoad {
  /** Events that were acknowledged. */
  readonly sent: number;
  readonly sendingSeconds: number;
  /** Rows in the warehouse, and distinct event ids among them. */
  readonly rows: number;
  readonly distinct: number;
  /** From the first request until all rows could be queried. */
  readonly seconds: number;
  readonly peak: Memory;
  /** Ascending ms from sending a marked event until a question found it. */
  readonly freshness: readonly number[];
}

const connections = 8;
const batchSize = 100;
const probeEveryMs = 250;
/** Counts in full: what is found is up to that much fresher. */
const askEveryMs = 100;
const giveUpMs = 180_000;
/** Looking takes 40 ms of CPU: the page tables of all processes are walked. */
const watchEveryMs = 4_000;

/**
 * Sends batches of 100 over raw sockets, one request at a time on each of 8, and marked events beside them, each after its
 * time whether the one before was found or not. With a rate, batches are due by the clock: one that waits for a free
 * connection is made up for.
 */
export async function applyEndToEndLoad(options: EndToEndLoadOptions): Promise<EndToEndLoad> {
  const sinceMs = Date.now();
  const before = await familyUsage(options.pid);
  const ownBefore = process.cpuUsage();
  const startedAt = performance.now();
  const endAt = startedAt + options.seconds * 1_000;
  let sent = 0;
  let due = startedAt;
  let peak: Memory = { rssMb: 0, logMb: 0, ownMb: 0 };
  let watched = true;
  const worker = async () => {
    const connection = await openConnection(options.collectorPort);
    const batch = createBatchTemplate(batchSize, requestHead(options.writeKey));
    while (performance.now() < endAt) {
      if (options.ratePerSecond !== undefined) {
        const waitMs = due - performance.now();
        due += (batchSize * 1_000) / options.ratePerSecond;
        if (waitMs > 0) await pause(waitMs);
      }
      const status = await connection.send(batch.next(Date.now()));
      if (status === 200) sent += batchSize;
      else if (status === 429 || status === 503) await pause(50);
      else throw new Error(`The collector answered ${status}.`);
    }
    connection.close();
  };
  const watcher = async () => {
    for (; watched; await pause(watchEveryMs)) {
      const now = memoryOf(await familyUsage(options.pid));
      peak = {
        rssMb: Math.max(peak.rssMb, now.rssMb),
        logMb: Math.max(peak.logMb, now.logMb),
        ownMb: Math.max(peak.ownMb, now.ownMb),
      };
    }
  };
  const probes = createProbes(options, sinceMs);
  const watching = watcher();
  const [probed] = await Promise.all([probes.send(endAt), ...Array.from({ length: connections }, worker)]);
  sent += probed;
  const sendingSeconds = (performance.now() - startedAt) / 1_000;
  const own = process.cpuUsage(ownBefore);
  let rows = 0;
  const giveUpAt = performance.now() + giveUpMs;
  while (performance.now() < giveUpAt) {
    const askedAt = performance.now();
    rows = await countEvents(options, sinceMs);
    if (rows >= sent) break;
    // Rarely, so that the questions don't keep what they wait for.
    await pause(Math.max(50, 3 * (performance.now() - askedAt)));
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  const freshness = await probes.found();
  watched = false;
  await watching;
  options.log(usageLine(before, await familyUsage(options.pid), own, sent));
  const distinct = await countDistinct(options, sinceMs);
  options.log(`${sent} events sent in ${sendingSeconds.toFixed(1)} s, all queryable after ${seconds.toFixed(1)} s`);
  return { sent, rows, distinct, seconds, sendingSeconds, peak, freshness: freshness.toSorted((a, b) => a - b) };
}

export const percentile = (sorted: readonly number[], share: number): number =>
  Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN);

/** CPU of each process an event that was acknowledged meanwhile, and the memory of each. */
function usageLine(
  before: readonly ProcessUsage[],
  after: readonly ProcessUsage[],
  own: NodeJS.CpuUsage,
  events: number,
): string {
  const family = after.map((one) => {
    const cpuMs = one.cpuMs - (before.find(({ pid }) => pid === one.pid)?.cpuMs ?? 0);
    return `${one.name} ${((cpuMs * 1_000) / events).toFixed(1)} µs ${Math.round(one.ownMb)} MB`;
  });
  return `CPU an event until all were stored, and own memory: ${family.join(', ')}, generator ${((own.user + own.system) / events).toFixed(1)} µs`;
}

const eventsOf = ({ appId }: EndToEndLoadOptions, sinceMs: number) =>
  `FROM events WHERE app_id = '${appId}' AND received_at >= fromUnixTimestamp64Milli(${sinceMs})`;

async function countEvents(options: EndToEndLoadOptions, sinceMs: number): Promise<number> {
  return Number(await options.warehouse(`SELECT count() ${eventsOf(options, sinceMs)}`));
}

/** In parts: all ids at once are more than a query may hold. */
async function countDistinct(options: EndToEndLoadOptions, sinceMs: number): Promise<number> {
  const parts = 16;
  let distinct = 0;
  for (let part = 0; part < parts; part += 1) {
    const ids = `SELECT uniqExact(event_id) ${eventsOf(options, sinceMs)} AND cityHash64(event_id) % ${parts} = ${part}`;
    distinct += Number(await options.warehouse(ids));
  }
  return distinct;
}

/** Marked events, and how long each takes to be found. One question asks for all of them: it is a load of its own. */
function createProbes(options: EndToEndLoadOptions, sinceMs: number) {
  const waiting = new Map<string, number>();
  const found: number[] = [];
  const question =
    `SELECT event_id FROM events WHERE app_id = '${options.appId}' AND event_name = 'freshness_probe'` +
    ` AND occurred_at >= fromUnixTimestamp64Milli(${sinceMs})`;
  const ask = async () => {
    const lines = await options.warehouse(question);
    const now = performance.now();
    for (const id of lines.split('\n')) {
      const sentAt = waiting.get(id);
      if (sentAt !== undefined && waiting.delete(id)) found.push(now - sentAt);
    }
  };
  const keepAsking = async (goesOn: () => boolean) => {
    while (goesOn()) {
      const askedAt = performance.now();
      await ask();
      await pause(Math.max(1, askEveryMs - (performance.now() - askedAt)));
    }
  };
  let asking: Promise<void> = Promise.resolve();
  return {
    /** Resolves when the last is acknowledged, to their number; asking goes on. */
    async send(endAt: number): Promise<number> {
      const giveUpAt = endAt + giveUpMs;
      let sending = true;
      asking = keepAsking(() => (sending || waiting.size > 0) && performance.now() < giveUpAt);
      const connection = await openConnection(options.collectorPort);
      let sent = 0;
      for (let due = performance.now(); due < endAt; due += probeEveryMs) {
        await pause(Math.max(0, due - performance.now()));
        const event_id = `probe-${randomUUID()}`;
        const event = { event_name: 'freshness_probe', event_id, anonymous_id: 'probe', occurred_at: Date.now() };
        const body = JSON.stringify(event);
        // From when it was due, so that a stall of the collector is not hidden.
        waiting.set(event_id, due);
        const status = await connection.send(Buffer.from(requestHead(options.writeKey)(body.length) + body));
        if (status !== 200) waiting.delete(event_id);
        else sent += 1;
      }
      connection.close();
      sending = false;
      return sent;
    },
    async found(): Promise<readonly number[]> {
      await asking;
      if (waiting.size > 0) throw new Error(`${waiting.size} marked events were never found.`);
      return found;
    },
  };
}

const requestHead = (writeKey: string) => (bodyBytes: number) =>
  `POST /v1/events HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${writeKey}\r\nContent-Type: application/json\r\nContent-Length: ${bodyBytes}\r\n\r\n`;

interface Connection {
  /** One request at a time; resolves to the status when the answer is there whole. */
  send(request: Buffer): Promise<number>;
  close(): void;
}

function openConnection(port: number): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ host: '127.0.0.1', port, noDelay: true });
    let answered: PromiseWithResolvers<number> | null = null;
    let held: Buffer | null = null;
    const fail = (error: Error) => {
      answered?.reject(error);
      reject(error);
    };
    socket.on('data', (chunk: Buffer) => {
      held = held ? Buffer.concat([held, chunk]) : chunk;
      if (!isWhole(held)) return;
      const status = Number(held.toString('latin1', 9, 12));
      held = null;
      answered?.resolve(status);
    });
    socket.on('error', fail);
    socket.on('close', () => fail(new Error('The collector closed a connection.')));
    socket.on('connect', () =>
      resolve({
        send(request) {
          answered = Promise.withResolvers();
          socket.write(request);
          return answered.promise;
        },
        close: () => void socket.removeAllListeners('close').end(),
      }),
    );
  });
}

/** Head and as much body as it says. */
function isWhole(answer: Buffer): boolean {
  const headEnd = answer.indexOf('\r\n\r\n');
  if (headEnd < 0) return false;
  const length = /content-length: (\d+)/i.exec(answer.toString('latin1', 0, headEnd + 2))?.[1];
  if (length === undefined) throw new Error(`an answer without content-length: ${answer.toString('latin1', 0, 200)}`);
  return answer.length >= headEnd + 4 + Number(length);
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
