import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { createLogger } from '@tributary/platform/logger';
import type { CollectorRequest, CollectorResponse } from '../core.ts';
import type { ListeningServer, ServerLimits } from '../server.ts';
import { nodeServer } from '../server-node.ts';

type Done = (response: CollectorResponse) => void;

let server: ListeningServer;
let asked: { readonly request: CollectorRequest; readonly done: Done }[] = [];
let sockets: Socket[] = [];

const textOf = ({ body }: CollectorRequest) => Buffer.from(body).toString('utf8');
const answerOf = (body: string, headers: Record<string, string> = {}): CollectorResponse => ({
  status: 200,
  headers: { 'content-type': 'text/plain', ...headers },
  body,
});
/** Says what it was sent. */
const echo = (request: CollectorRequest, done: Done) => done(answerOf(`<${textOf(request)}>`));

async function open(
  answer: (request: CollectorRequest, done: Done) => void = echo,
  limits: Partial<ServerLimits> = {},
): Promise<void> {
  server = await nodeServer.listen({
    host: '127.0.0.1',
    port: 0,
    logger: createLogger('collector', 'silent'),
    now: () => 1,
    isTrustedProxy: (address) => address === '127.0.0.1',
    answer: (request, done) => {
      asked.push({ request, done });
      answer(request, done);
    },
    ops: () => null,
    limits,
  });
}

/** A connection that remembers what it heard. */
async function dial(): Promise<{
  readonly socket: Socket;
  heard: () => string;
  hears: (text: string) => Promise<void>;
}> {
  const socket = connect({ port: Number(new URL(server.url).port), host: '127.0.0.1', noDelay: true });
  sockets.push(socket);
  let text = '';
  let isClosed = false;
  socket
    .on('error', () => undefined)
    .on('data', (chunk) => {
      text += chunk.toString('utf8');
    });
  socket.on('close', () => {
    isClosed = true;
  });
  await once(socket, 'connect');
  const hears = async (wanted: string) => {
    while (!text.includes(wanted)) {
      if (isClosed) throw new Error(`closed after: ${text}`);
      await Promise.race([once(socket, 'data'), once(socket, 'close')]);
    }
  };
  return { socket, heard: () => text, hears };
}

const post = (body: string | Buffer, more = '') =>
  Buffer.concat([
    Buffer.from(`POST /v1/events?q=1 HTTP/1.1\r\nHost: x\r\n${more}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n`),
    Buffer.from(body),
  ]);
const chunked = (body: string) =>
  `POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
/** node:http writes names of headers as it likes. */
const isPlain = (answer: string) => answer.includes('\r\nconnection: keep-alive\r\n');

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await server.dispose();
  asked = [];
  sockets = [];
});

it('a request is the same, read here or by node:http', async () => {
  await open();
  const headers = 'Authorization: Bearer k\r\nUser-Agent: \t agent/1 \r\nX-Forwarded-For: 10.0.0.7\r\nX-Other: o\r\n';
  const { socket, hears, heard } = await dial();
  socket.write(post('{"a":"é"}', headers));
  await hears('<{"a":"é"}>');
  expect(isPlain(heard())).toBe(true);
  socket.write(post('{"a":"é"}', `${headers}Connection: close\r\n`));
  await once(socket, 'close');
  const [plain, byHttp] = asked.map(({ request: { header, requestId, ...rest } }) => ({
    ...rest,
    body: Buffer.from(rest.body).toString('utf8'),
    headers: ['x-other', 'host', 'none'].map(header),
  }));
  expect(plain).toEqual(byHttp);
  expect(plain).toMatchObject({ remoteAddress: '10.0.0.7', userAgent: 'agent/1', query: 'q=1', receivedAt: 1 });
  expect(new Set(asked.map(({ request }) => request.requestId)).size).toBe(2);
});

it('answers the same, but for the case of names', async () => {
  await open((_, done) => done(answerOf('é', { 'retry-after': '2' })));
  const { socket, hears, heard } = await dial();
  socket.write(post('1'));
  await hears('é');
  const plain = heard();
  socket.write(chunked('1'));
  while (heard().length < plain.length * 2) await once(socket, 'data');
  const linesOf = (answer: string) =>
    answer
      .toLowerCase()
      .replace(/date: [^\r]*/, 'date')
      .replace(/x-request-id: [^\r]*/, 'id')
      .split('\r\n')
      .sort();
  expect(linesOf(plain)).toEqual(linesOf(heard().slice(plain.length)));
});

it.each([1, 20, 60, 75, 90, 105])('takes a request that comes in two pieces, cut at %i', async (at) => {
  await open();
  const { socket, hears } = await dial();
  const bytes = post('{"some":"text of a body"}', 'X-Pad: some more\r\n');
  for (let turn = 1; turn <= 2; turn += 1) {
    socket.write(bytes.subarray(0, at));
    await new Promise((resolve) => setTimeout(resolve, 20));
    socket.write(bytes.subarray(at));
    while (asked.length < turn) await once(socket, 'data');
  }
  await hears('<{"some":"text of a body"}>');
  expect(asked).toHaveLength(2);
});

it('unpacks', async () => {
  await open();
  const { socket, hears } = await dial();
  socket.write(post(gzipSync('{"packed":1}'), 'Content-Encoding: gzip\r\n'));
  await hears('<{"packed":1}>');
});

it('answers requests that were sent ahead one after another, in their order', async () => {
  await open(() => undefined);
  const { socket, hears, heard } = await dial();
  socket.write(Buffer.concat([post('first'), post('second'), post('third').subarray(0, 70)]));
  for (const [index, text] of ['first', 'second', 'third'].entries()) {
    while (asked.length <= index) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(asked).toHaveLength(index + 1);
    if (index === 1) socket.write(post('third').subarray(70));
    asked[index]!.done(answerOf(`<${textOf(asked[index]!.request)}>`));
    await hears(`<${text}>`);
  }
  expect(heard().match(/<\w+>/g)).toEqual(['<first>', '<second>', '<third>']);
});

it('goes on with node:http from the first request that is unusual', async () => {
  await open();
  const { socket, hears, heard } = await dial();
  socket.write(post('one'));
  await hears('<one>');
  // Ahead of an answer, too.
  socket.write(Buffer.concat([post('two'), Buffer.from(chunked('three')), post('four')]));
  await hears('<four>');
  socket.write(post('five'));
  await hears('<five>');
  expect(heard().match(/<\w+>/g)).toEqual(['<one>', '<two>', '<three>', '<four>', '<five>']);
});

it('leaves a body that is slow, or larger than what is gathered, to node:http', async () => {
  await open(echo, { bodyTimeoutMs: 200 });
  const slow = await dial();
  slow.socket.write(post('slow').subarray(0, 60));
  const large = await dial();
  large.socket.write(post('x'.repeat(1_000_000)));
  await large.hears('xx>');
  expect(asked[0]?.request.body).toHaveLength(1_000_000);
  await slow.hears('HTTP/1.1 408 ');
});

it('answers who has already ended their side', async () => {
  await open(() => undefined);
  const { socket, heard } = await dial();
  socket.end(post('last'));
  while (asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  asked[0]!.done(answerOf('<last>'));
  // It ends, whether the answer could still say so or not.
  await once(socket, 'close');
  expect(heard()).toMatch(/\r\n\r\n<last>$/);
});

it('outlives who leaves before the answer, or within a body', async () => {
  await open(() => undefined);
  const gone = await dial();
  gone.socket.write(post('gone'));
  while (asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  gone.socket.destroy();
  const cut = await dial();
  cut.socket.end(post('cut off').subarray(0, 62));
  await once(cut.socket, 'close');
  asked[0]!.done(answerOf('late'));
  asked[0]!.done(answerOf('twice'));
  const next = await dial();
  next.socket.write(post('next'));
  while (asked.length === 1) await new Promise((resolve) => setTimeout(resolve, 1));
  asked[1]!.done(answerOf('<next>'));
  await next.hears('<next>');
  expect(next.heard()).not.toMatch(/late|twice/);
});

it('writes no answer whose headers hold a line break', async () => {
  await open((_, done) => done(answerOf('x', { 'x-evil': 'a\r\nset-cookie: b' })));
  const { socket, heard } = await dial();
  socket.write(post('1'));
  await once(socket, 'close');
  expect(heard()).toBe('');
});

it('ends connections that ask nothing, and those that ask nothing more', async () => {
  await open(echo, { headerTimeoutMs: 600, idleTimeoutMs: 1_200 });
  const silent = await dial();
  const idle = await dial();
  idle.socket.write(post('once'));
  await idle.hears('<once>');
  await Promise.all([once(silent.socket, 'close'), once(idle.socket, 'close')]);
  const next = await dial();
  next.socket.write(post('next'));
  await next.hears('<next>');
});
