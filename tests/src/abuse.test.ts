import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { limits } from '@tributary/schema';
import { WebSocket } from 'ws';
import { type AbusiveOperation, abusesOf } from '../../bench/src/gateway-abuses.ts';
import { openTransports, searchOf, type Transport } from '../../bench/src/gateway-transports.ts';
import { type Family, freePorts, startFamily, temporaryDir } from './family.testing.ts';

/**
 * The product as `npm start` runs it, and a caller with a good key who means it ill. What is measured is printed, not asserted: a
 * busy machine decides on milliseconds (`bench -- gateway-abuse` has the figures). The bounds here only see what is beyond reason.
 */
const repeats = 3;
const longestMs = 1_000;
const grownMb = 128;

let folder: Awaited<ReturnType<typeof temporaryDir>>;
let family: Family;
let transports: readonly Transport[];
let apiKey: string;
let appId: string;

beforeAll(async () => {
  folder = await temporaryDir();
  const [gateway, collector, warehouse] = (await freePorts(3)) as [number, number, number];
  const args = ['--demo', '--rate', '0', '--installs-per-day', '0'];
  // The heap's bound is that of `npm start`: without one, V8 lets garbage lie until the machine is full.
  const env = { NODE_OPTIONS: '--max-old-space-size=512' };
  family = await startFamily({ dataDir: folder.dir, ports: { gateway, collector, warehouse }, args, env });
  const read = async (name: string) => JSON.parse(await readFile(join(folder.dir, name), 'utf8'));
  apiKey = (await read('demo.json')).apiKey;
  appId = (await read('demo-world.json')).apps[0].appId;
  transports = openTransports(family.gatewayUrl, apiKey);
}, 240_000);

afterAll(async () => {
  for (const transport of transports ?? []) await transport.dispose();
  await family?.stop();
  await folder?.dispose();
}, 60_000);

const post = (body: string, path = '/graphql') =>
  fetch(family.gatewayUrl + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${apiKey}` },
    body,
  });

/** A question that any caller may ask, answered from the stores. */
async function isWell(): Promise<boolean> {
  const response = await post(
    JSON.stringify({ query: '{ app(id: "' + appId + '") { id name trackingLinks { id } } }' }),
  );
  const { data, errors } = (await response.json()) as {
    data: { app: { id: string; name: string; trackingLinks: unknown[] } | null } | null;
    errors?: unknown;
  };
  return errors === undefined && data?.app?.id === appId && data.app.trackingLinks.length > 0;
}

/** Of the process that holds the gateway, the subgraphs and the relational store. */
async function rssMb(): Promise<number> {
  const status = await readFile(`/proc/${family.main.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1_024;
}

/** Its CPU time, user and system, in ms; the kernel counts in steps of 10. */
async function cpuMs(): Promise<number> {
  const fields = (await readFile(`/proc/${family.main.pid}/stat`, 'utf8')).split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

let asked = 0;
/** The same operation in another text: what is known of a text is kept. */
function anew(operation: AbusiveOperation): AbusiveOperation {
  asked += 1;
  return { ...operation, query: `${operation.query} #${asked}` };
}

// The names stand before the product does, so that each is a test of its own; ids and times are filled in when it runs.
const names = abusesOf('app', 0).map(({ name }) => name);

describe.each(['POST', 'GET', 'SSE', 'graphql-ws'] as const)('over %s', (transportName) => {
  it.each(names)(
    '%s gets its coded error, and the gateway goes on answering',
    async (name) => {
      const transport = transports.find((one) => one.name === transportName)!;
      const { operation, code } = abusesOf(appId, Date.now()).find((abuse) => abuse.name === name)!;
      // A URL has a head's room; a longer one is refused before anything reads it.
      const isTooLong = transportName === 'GET' && searchOf(operation).length > limits.headerBytes;
      const wanted = isTooLong ? 'HEADERS_TOO_LARGE' : code;
      expect(await transport.ask(operation)).toBe(wanted);
      const took: number[] = [];
      const before = await cpuMs();
      for (let at = 0; at < repeats; at += 1) {
        const startedAt = performance.now();
        expect(await transport.ask(anew(operation))).toBe(wanted);
        took.push(performance.now() - startedAt);
      }
      const cpu = (await cpuMs()) - before;
      took.sort((a, b) => a - b);
      process.stdout.write(
        `${transportName} ${name}: p50 ${took[Math.floor(repeats / 2)]!.toFixed(1)} ms, max ${took.at(-1)!.toFixed(1)} ms, CPU ${(cpu / repeats).toFixed(0)} ms\n`,
      );
      expect(took[Math.floor(repeats / 2)]).toBeLessThan(longestMs);
      expect(await isWell()).toBe(true);
    },
    60_000,
  );
});

describe('a request as such is refused with its code', () => {
  const batch = JSON.stringify(Array.from({ length: 1_000 }, () => ({ query: '{ apps { id } }' })));
  const deep = `{"query":"{ __typename }","variables":${'{"a":'.repeat(40_000)}1${'}'.repeat(40_000)}}`;
  const large = JSON.stringify({ query: '{ __typename }', variables: { x: 'x'.repeat(2 * limits.graphqlBodyBytes) } });

  it.each([
    ['a batched array', batch, 'BODY_UNPARSABLE'],
    ['JSON of 40,000 levels', deep, 'OPERATION_TOO_LARGE'],
    ['a body of twice the limit', large, 'PAYLOAD_TOO_LARGE'],
    ['half a JSON text', '{"query":', 'BODY_UNPARSABLE'],
  ])('that is %s', async (_what, body, code) => {
    for (const path of ['/graphql', '/graphql/stream']) {
      const { errors } = (await (await post(body, path)).json()) as { errors: { extensions: { code: string } }[] };
      expect([path, errors[0]?.extensions.code]).toEqual([path, code]);
    }
    expect(await isWell()).toBe(true);
  });

  it('that is a batched array over graphql-ws, which ends the connection with 4400', async () => {
    const socket = new WebSocket(`${family.gatewayUrl.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    const send = (message: object) => socket.send(JSON.stringify(message));
    socket.once('open', () => send({ type: 'connection_init', payload: { Authorization: `Bearer ${apiKey}` } }));
    socket.once('message', () => send({ id: '1', type: 'subscribe', payload: JSON.parse(batch) }));
    expect(await new Promise((resolve) => socket.once('close', resolve))).toBe(4400);
    expect(await isWell()).toBe(true);
  });
});

it('who asks honestly is answered while all of it comes at once, and memory does not grow with it', async () => {
  const abuses = abusesOf(appId, Date.now());
  const rounds = async (count: number) => {
    for (let round = 0; round < count; round += 1) {
      for (const { operation } of abuses) await Promise.all(transports.map((one) => one.ask(anew(operation))));
    }
  };
  await rounds(3);
  const before = await rssMb();
  let isOver = false;
  const honest = (async () => {
    const took: number[] = [];
    while (!isOver) {
      const startedAt = performance.now();
      expect(await isWell()).toBe(true);
      took.push(performance.now() - startedAt);
    }
    return took.sort((a, b) => a - b);
  })();
  await rounds(8);
  isOver = true;
  const took = await honest;
  const after = await rssMb();
  process.stdout.write(
    `${8 * abuses.length * transports.length} abuses: ${took.length} honest questions, p50 ${took[Math.floor(took.length / 2)]!.toFixed(1)} ms, p99 ${took[Math.floor(took.length * 0.99)]!.toFixed(1)} ms; memory ${before.toFixed(0)} → ${after.toFixed(0)} MB\n`,
  );
  expect(took.length).toBeGreaterThan(10);
  expect(after - before).toBeLessThan(grownMb);
}, 180_000);
