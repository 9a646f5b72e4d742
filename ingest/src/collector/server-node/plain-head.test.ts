import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import fc from 'fast-check';
import { createHeadReader } from './plain-head.ts';

const headOf = (lines: readonly string[], body = '{}') => Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`, 'latin1');
const common = ['POST /v1/events?a=1 HTTP/1.1', 'Host: x', 'Content-Length: 2'];
const read = (bytes: Buffer) => createHeadReader(16_384, 100)(bytes);

describe('a head', () => {
  it('reads what is common', () => {
    const bytes = headOf([...common, 'X-Some:  a, b\t ', 'User-Agent:', 'connection: Keep-Alive']);
    const head = read(bytes);
    expect(head).toMatchObject({ url: '/v1/events?a=1', bodyAt: bytes.length - 2, bodyBytes: 2 });
    expect(['x-some', 'user-agent', 'host', 'authorization'].map((name) => head?.header(name))).toEqual([
      'a, b',
      '',
      'x',
      undefined,
    ]);
  });

  it.each<[string, readonly string[]]>([
    ['another method', ['GET / HTTP/1.1', 'Host: x', 'Content-Length: 2']],
    ['another protocol', ['POST / HTTP/1.0', 'Host: x', 'Content-Length: 2']],
    ['a whole URL', ['POST http://x/ HTTP/1.1', 'Host: x', 'Content-Length: 2']],
    ['two spaces', ['POST  / HTTP/1.1', 'Host: x', 'Content-Length: 2']],
    ['no host', ['POST / HTTP/1.1', 'Content-Length: 2']],
    ['no length', ['POST / HTTP/1.1', 'Host: x']],
    ['two lengths', [...common, 'content-length: 2']],
    ['a header twice', [...common, 'X-A: 1', 'x-a: 1']],
    ['a length with a sign', ['POST / HTTP/1.1', 'Host: x', 'Content-Length: +2']],
    ['a list of lengths', ['POST / HTTP/1.1', 'Host: x', 'Content-Length: 2, 2']],
    ['a length beyond any', ['POST / HTTP/1.1', 'Host: x', 'Content-Length: 9999999999']],
    ['an empty length', ['POST / HTTP/1.1', 'Host: x', 'Content-Length:']],
    ['a transfer encoding', [...common, 'Transfer-Encoding: chunked']],
    ['a condition', [...common, 'Expect: 100-continue']],
    ['an upgrade', [...common, 'Connection: upgrade', 'Upgrade: h2c']],
    ['a connection that ends', [...common, 'Connection: close']],
    ['a proxy connection', [...common, 'Proxy-Connection: close']],
    ['a space before the colon', [...common, 'X-A : 1']],
    ['a folded line', [...common, 'X-A: 1', ' 2']],
    ['a bare line feed', [...common, 'X-A: 1\nTransfer-Encoding: chunked']],
    ['a bare carriage return', [...common, 'X-A: 1\rX-B: 2']],
    ['a NUL', [...common, 'X-A: \0']],
    ['a byte beyond ASCII', [...common, 'X-A: \xe9']],
    ['no name', [...common, ': 1']],
    ['no colon', [...common, 'X-A']],
    ['101 headers', [...common, ...Array.from({ length: 99 }, (_, index) => `X-${index}: 1`)]],
    ['16 KB of headers', [...common, `X-A: ${'x'.repeat(16_384)}`]],
  ])('leaves %s to a full parser', (_, lines) => {
    expect(read(headOf(lines))).toBeNull();
  });

  it('that is not all there is left to a full parser', () => {
    const whole = headOf(common, '');
    for (let length = 0; length < whole.length; length += 1) expect(read(whole.subarray(0, length))).toBeNull();
    expect(read(whole)).not.toBeNull();
  });

  it('reads what differs from the one before, too', () => {
    const readNext = createHeadReader(16_384, 100);
    const next = (...lines: string[]) => {
      const head = readNext(headOf(['POST /v1/events HTTP/1.1', 'Host: x', ...lines]));
      return head === null ? null : [head.bodyBytes, head.header('x-a'), head.header('x-b')];
    };
    expect(next('Content-Length: 2', 'X-A: 1')).toEqual([2, '1', undefined]);
    expect(next('Content-Length: 2', 'X-A: 1')).toEqual([2, '1', undefined]);
    expect(next('Content-Length: \t1234 ', 'X-A: 1')).toEqual([1234, '1', undefined]);
    expect(next('Content-Length: 2', 'X-A: 22')).toEqual([2, '22', undefined]);
    expect(next('Content-Length: 2', 'X-B: 3', 'X-A: 22')).toEqual([2, '22', '3']);
    // The same before and after, and more between.
    expect(next('Content-Length: 2', 'X-C: 3', 'X-B: 3', 'X-A: 22')).toEqual([2, '22', '3']);
    expect(next('Content-Length: 2', 'Content-Length: 3', 'X-A: 22')).toBeNull();
    expect(next('Content-Length: 2', 'Transfer-Encoding: chunked', 'X-C: 3', 'X-B: 3', 'X-A: 22')).toBeNull();
    expect(next('Content-Length: 2,2', 'X-C: 3', 'X-B: 3', 'X-A: 22')).toBeNull();
    expect(next('Content-Length: ', 'X-C: 3', 'X-B: 3', 'X-A: 22')).toBeNull();
    expect(next('Content-Length: 5', 'X-C: 3', 'X-B: 3', 'X-A: 22')).toEqual([5, '22', '3']);
  });

  it('takes no longer than the text is, whatever it is', () => {
    const startedAt = performance.now();
    for (const part of [' ', '\t', 'a', ':', ' :', 'a:', 'a: \r\n']) {
      const bytes = Buffer.from(`POST / HTTP/1.1\r\n${part.repeat(4_000)}\x01\r\n\r\n`, 'latin1');
      for (let turn = 0; turn < 20; turn += 1) expect(read(bytes)).toBeNull();
    }
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });
});

describe('what is read of a head, node:http reads the same:', () => {
  let server: Server;
  let seen: { url: string | undefined; headers: IncomingMessage['headers']; body: string }[] = [];

  beforeAll(async () => {
    server = createServer((request, response) => {
      let body = '';
      request.setEncoding('latin1').on('data', (text: string) => {
        body += text;
      });
      request.on('end', () => {
        seen.push({ url: request.url, headers: request.headers, body });
        response.end();
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterAll(() => void server.close());

  /** All requests that node:http finds in these bytes. */
  async function byNode(bytes: Buffer): Promise<typeof seen> {
    seen = [];
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.on('error', () => undefined).resume();
    socket.write(Buffer.concat([bytes, last]));
    await once(socket, 'close');
    return seen;
  }
  const last = Buffer.from('GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');

  const anyOf = fc.constantFrom;
  const line = fc.oneof(
    { weight: 6, arbitrary: anyOf('X: 1', 'Connection: keep-alive', 'User-Agent: a b', 'Authorization: x') },
    anyOf(
      'content-length: 02',
      'Content-Length: 0x2',
      'Content-Length : 2',
      'Content-Length: 2 ',
      'HOST:',
      'TE: trailers',
    ),
    anyOf('Transfer-Encoding: chunked', 'transfer-encoding: identity', 'Expect: 100-continue', 'Connection: close, x'),
    anyOf(
      'X: \t',
      '  folded',
      'X-A: 1\nX-B: 2',
      'X-A: 1\rX-B: 2',
      'X\u0000: 1',
      'X: \u0001',
      'X: \u00e9',
      ':',
      '',
      'x',
    ),
    fc.tuple(fc.string({ maxLength: 5 }), fc.string({ maxLength: 8 })).map(([name, value]) => `${name}:${value}`),
  );
  const start = fc.oneof(
    { weight: 4, arbitrary: anyOf('POST /v1/events HTTP/1.1', 'POST /?a=%20 HTTP/1.1') },
    anyOf(
      'POST / HTTP/1.1 ',
      'POST /a b HTTP/1.1',
      'POST /# HTTP/1.1',
      'POST /\u007f HTTP/1.1',
      'POST *',
      'GET / HTTP/1.1',
    ),
    fc.string({ maxLength: 12 }).map((text) => `POST /${text} HTTP/1.1`),
  );
  const lineEnd = fc.oneof({ weight: 30, arbitrary: fc.constant('\r\n') }, anyOf('\n', '\r', '\r\n '));

  it('the URL, each header, the body and where the next request begins', async () => {
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(
        start,
        fc.array(fc.tuple(line, lineEnd), { maxLength: 4 }),
        fc.nat(4),
        anyOf('{}', '{}{}', ''),
        async (first, more, at, body) => {
          const lines = more.map((parts) => parts.join(''));
          lines.splice(at, 0, `Host: x\r\nContent-Length: ${body.length}\r\n`);
          const bytes = Buffer.from(`${first}\r\n${lines.join('')}\r\n${body}`, 'latin1');
          const head = read(bytes);
          if (head === null || bytes.length !== head.bodyAt + head.bodyBytes) return;
          taken += 1;
          const requests = await byNode(bytes);
          expect(requests.map(({ url }) => url)).toEqual([head.url, '/last']);
          expect(requests[0]?.body).toBe(bytes.toString('latin1', head.bodyAt));
          const { 'content-length': _, ...headers } = requests[0]!.headers;
          for (const [name, value] of Object.entries(headers)) expect(head.header(name)).toBe(value);
        },
      ),
      { numRuns: 5_000 },
    );
    expect(taken).toBeGreaterThan(200);
  }, 120_000);
});
