import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openRedisCache } from './cache/redis.ts';

const run = promisify(execFile);
const url = process.env['TRIBUTARY_TEST_REDIS_URL'];

if (url) describeTls(url);
else {
  describe.skip('Redis over TLS (TRIBUTARY_TEST_REDIS_URL is not set)', () => {
    it('is spoken with a server whose certificate is trusted, and with no other', () => undefined);
  });
}

function describeTls(url: string): void {
  describe('Redis over TLS', () => {
    let dir: string;
    let server: Server;
    let secureUrl: string;
    const certificate = () => join(dir, 'cert.pem');

    beforeAll(async () => {
      dir = await mkdtemp(join(tmpdir(), 'tributary-redis-tls-'));
      const key = join(dir, 'key.pem');
      const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
      const made = ['-keyout', key, '-out', certificate(), '-days', '2', ...subject];
      await run('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', ...made]);
      const { hostname, port } = new URL(url);
      server = createServer({ key: await readFile(key), cert: await readFile(certificate()) }, (client) => {
        const upstream = connect(Number(port || 6379), hostname);
        client.on('error', () => upstream.destroy()).on('close', () => upstream.destroy());
        upstream.on('error', () => client.destroy()).on('close', () => client.destroy());
        client.pipe(upstream).pipe(client);
      });
      server.on('tlsClientError', () => undefined);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      secureUrl = `rediss://localhost:${(server.address() as AddressInfo).port}`;
    });
    afterAll(async () => {
      server.close();
      await rm(dir, { recursive: true, force: true });
    });

    it('is spoken with a server whose certificate is trusted', async () => {
      // Node reads whom to trust when it starts.
      const cache = fileURLToPath(new URL('cache/redis.ts', import.meta.url));
      const program = `import { openRedisCache } from ${JSON.stringify(cache)};
        const cache = await openRedisCache({ url: ${JSON.stringify(secureUrl)}, commandTimeoutMs: 30000 });
        await cache.set('system:test:tls', 'over TLS', { ttlMs: 60000 });
        console.log(await cache.get('system:test:tls'));
        await cache.dispose();`;
      const { stdout } = await run(process.execPath, ['--no-warnings', '--input-type=module', '--eval', program], {
        env: { PATH: process.env['PATH'], NODE_EXTRA_CA_CERTS: certificate() },
      });
      expect(stdout.trim()).toBe('over TLS');
    }, 60_000);

    it('is not spoken with one that nobody vouches for', async () => {
      const failed: unknown[] = [];
      const cache = await openRedisCache({ url: secureUrl, onFailure: (_, error) => failed.push(error) });
      expect(await cache.get('system:test:tls')).toBeNull();
      expect(failed).toHaveLength(1);
      await cache.dispose();
    });
  });
}
