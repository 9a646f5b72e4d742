import { createServer, type IncomingMessage, request as requestOf, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a bad network and a busy balancer do to a request. */
type Mishap = 'none' | 'cut before the answer' | 'cut within the answer' | '429' | '503';

export interface FaultyProxy {
  readonly url: string;
  readonly counts: Readonly<Record<Mishap, number>>;
  dispose(): Promise<void>;
}

/** Of twenty requests two lose their answer after the commit, and one is turned away; in an order of the seed's. */
const deck: readonly Mishap[] = [
  ...Array.from({ length: 17 }, () => 'none' as const),
  'cut before the answer',
  'cut within the answer',
  '429',
];

/** xorshift32: the same draws on every machine. */
function createDraws(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 4_294_967_296;
  };
}

function createMishaps(seed: number): () => Mishap {
  const draw = createDraws(seed);
  let left: Mishap[] = [];
  let turnedAway = 0;
  return () => {
    if (left.length === 0) left = [...deck];
    const [mishap = 'none'] = left.splice(Math.floor(draw() * left.length), 1);
    if (mishap !== '429') return mishap;
    turnedAway += 1;
    return turnedAway % 2 === 0 ? '503' : '429';
  };
}

/**
 * Stands before a collector: passes requests on, cuts the connection of 10 % after the collector has answered, and answers
 * 5 % itself with 429 or 503.
 */
export async function openFaultyProxy(target: string, seed: number): Promise<FaultyProxy> {
  const next = createMishaps(seed);
  const counts: Record<Mishap, number> = {
    none: 0,
    'cut before the answer': 0,
    'cut within the answer': 0,
    '429': 0,
    '503': 0,
  };
  const server = createServer((request, response) => {
    const mishap = next();
    counts[mishap] += 1;
    if (mishap === '429' || mishap === '503') return turnAway(request, response, Number(mishap));
    passOn(target, request, response, mishap);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts,
    dispose: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** As a balancer does: without a body that an SDK could read. */
function turnAway(request: IncomingMessage, response: ServerResponse, status: number): void {
  request.resume();
  request.on('end', () => response.writeHead(status, { 'retry-after': '1', 'content-length': 0 }).end());
}

function passOn(target: string, request: IncomingMessage, response: ServerResponse, mishap: Mishap): void {
  const { method, url, headers } = request;
  const passed = requestOf(`${target}${url}`, { method: method!, headers, agent: false }, (answer) => {
    const chunks: Buffer[] = [];
    answer.on('data', (chunk: Buffer) => chunks.push(chunk));
    answer.on('end', () => {
      if (mishap === 'cut before the answer') return void request.socket.destroy();
      const body = Buffer.concat(chunks);
      response.writeHead(answer.statusCode!, { ...answer.headers, 'content-length': body.length, connection: 'close' });
      if (mishap === 'none') return void response.end(body);
      // The head and all but the last byte.
      response.write(body.subarray(0, -1), () => request.socket.destroy());
    });
  });
  passed.on('error', () => request.socket.destroy());
  request.pipe(passed);
}

/** Sends again what was not delivered, as an application would, until all is or the rounds are over. Resolves on what is left. */
export async function untilDelivered<T>(
  items: readonly T[],
  deliver: (items: readonly T[]) => Promise<readonly T[]>,
  rounds = 10,
): Promise<readonly T[]> {
  let left = items;
  for (let round = 0; round < rounds && left.length > 0; round += 1) left = await deliver(left);
  return left;
}

/** A `fetch` that sends the same body again while the network or the server fails; for SDKs that give up at once. */
export function retryingFetch(attempts = 10): typeof fetch {
  return async (input, init) => {
    for (let attempt = 1; ; attempt += 1) {
      const response = await attemptOf(input, init);
      if (response && response.status !== 429 && response.status < 500) return response;
      if (attempt >= attempts) throw new Error('not delivered');
      await new Promise((resolve) => setTimeout(resolve, 5 * attempt));
    }
  };
}

/** Null where there was no whole answer. */
async function attemptOf(...[input, init]: Parameters<typeof fetch>): Promise<Response | null> {
  try {
    const response = await fetch(input, init);
    return new Response(await response.arrayBuffer(), { status: response.status, headers: response.headers });
  } catch {
    return null;
  }
}

export const quietLogger = {
  trace: () => undefined,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
