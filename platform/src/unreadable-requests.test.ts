import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { answerUnreadable } from './unreadable-requests.ts';

let server: Server;

beforeEach(async () => {
  server = createServer(
    { maxHeaderSize: 1_024, headersTimeout: 200, connectionsCheckingInterval: 50 },
    (request, response) => {
      if (request.url === '/begun') response.write('begun');
      else response.end('read');
    },
  );
  answerUnreadable(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** All that comes back until the connection ends. */
function send(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1', () => socket.write(text));
    socket.setEncoding('latin1').on('data', (part) => {
      answer += part;
    });
    socket.on('error', reject).on('close', () => resolve(answer));
  });
}

describe('a request that cannot be read', () => {
  it.each([
    ['a long address', `GET /${'x'.repeat(2_000)} HTTP/1.1\r\nhost: a\r\n\r\n`, 431, 'HEADERS_TOO_LARGE'],
    ['large headers', `GET / HTTP/1.1\r\nhost: a\r\nx: ${'x'.repeat(2_000)}\r\n\r\n`, 431, 'HEADERS_TOO_LARGE'],
    ['a head that does not end', 'GET / HTTP/1.1\r\nhost: a\r\n', 408, 'BODY_TIMEOUT'],
    ['another protocol', '\u0016\u0003\u0001\u0002\r\n\r\n', 400, 'BODY_UNPARSABLE'],
  ])(
    'is answered with a code: %s',
    async (_, text, status, code) => {
      const answer = await send(text);
      const [head = '', body = ''] = answer.split('\r\n\r\n');
      expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} [\\w ]+\r\nconnection: close\r\n`));
      expect(head).toContain(`\r\ncontent-length: ${body.length}\r\n`);
      const { error } = JSON.parse(body);
      expect(error).toMatchObject({ code, requestId: expect.stringMatching(/^req_[0-9a-f]{16}$/) });
      expect(head).toContain(`x-request-id: ${error.requestId}`);
    },
    20_000,
  );

  it('adds nothing to an answer that has begun', async () => {
    const answer = await send('GET /begun HTTP/1.1\r\nhost: a\r\n\r\nno request\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1.1 200 OK/);
    expect(answer).not.toContain('BODY_UNPARSABLE');
  }, 20_000);
});
