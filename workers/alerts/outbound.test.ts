import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createOutbound, isPublicAddress } from './outbound.ts';

describe('addresses', () => {
  it.each([
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '::1',
    '::',
    'fe80::1',
    'fc00::1',
    'ff02::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    '2001:db8::1',
    'not an address',
  ])('%s is not of the public internet', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  it.each(['1.1.1.1', '93.184.216.34', '172.32.0.1', '2606:4700:4700::1111', '::ffff:8.8.8.8'])('%s is', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });
});

describe('outbound requests', () => {
  let server: Server;
  let port: number;
  const seen: { url: string | undefined; authorization: string | undefined }[] = [];
  const wanted = { method: 'GET', timeoutMs: 2_000, maxBytes: 1_000 } as const;

  beforeAll(async () => {
    server = createServer((request, response) => {
      seen.push({ url: request.url, authorization: request.headers.authorization });
      const path = request.url ?? '';
      if (path === '/big') return response.end('x'.repeat(2_000));
      if (path === '/never') return undefined;
      if (path === '/loop') return response.writeHead(302, { location: '/loop' }).end();
      if (path === '/away') return response.writeHead(302, { location: `http://localhost:${port}/here` }).end();
      if (path === '/file') return response.writeHead(302, { location: 'file:///etc/passwd' }).end();
      return response.end('hello');
    });
    await new Promise<void>((resolve) => server.listen(0, resolve));
    port = (server.address() as AddressInfo).port;
  });

  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it('reach no private address, by number or by name', async () => {
    const outbound = createOutbound({ allowPrivate: false });
    const before = seen.length;
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '0x7f000001', '2130706433']) {
      const answer = await outbound({ ...wanted, url: `http://${host}:${port}/` });
      expect([host, answer]).toEqual([host, { ok: false, reason: 'the address is private' }]);
    }
    expect(seen.length).toBe(before);
  });

  it('are bounded in size, time and redirects', async () => {
    const outbound = createOutbound({ allowPrivate: true });
    const url = (path: string) => `http://127.0.0.1:${port}${path}`;
    expect(await outbound({ ...wanted, url: url('/') })).toMatchObject({ ok: true, status: 200, body: 'hello' });
    expect(await outbound({ ...wanted, url: url('/big') })).toEqual({
      ok: false,
      reason: 'the answer is over 1000 bytes',
    });
    expect(await outbound({ ...wanted, url: url('/never'), timeoutMs: 100 })).toEqual({
      ok: false,
      reason: 'no answer within 0.1 s',
    });
    expect(await outbound({ ...wanted, url: url('/loop'), redirects: 3 })).toEqual({
      ok: false,
      reason: 'too many redirects',
    });
    expect(await outbound({ ...wanted, url: url('/file'), redirects: 3 })).toEqual({
      ok: false,
      reason: 'only http and https are called',
    });
  });

  it('give their headers to no other origin', async () => {
    const outbound = createOutbound({ allowPrivate: true });
    const headers = { authorization: 'Bearer x' };
    await outbound({ ...wanted, url: `http://127.0.0.1:${port}/away`, headers, redirects: 3 });
    expect(seen.slice(-2)).toEqual([
      { url: '/away', authorization: 'Bearer x' },
      { url: '/here', authorization: undefined },
    ]);
  });
});
