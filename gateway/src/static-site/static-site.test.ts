import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inlineScripts } from './content-security-policy.ts';
import { createStaticServer } from './static-server.ts';

const files: Record<string, string> = {
  'index.html': '<html><script>start(1)</script><script src="/_next/static/a.js"></script></html>',
  'overview.html': '<html><script>self.__next_f.push([1,"a </b>"])</script><script>start(1)</script></html>',
  'overview.txt': '1:["$"]',
  'apps/index.html': '<html>apps</html>',
  '404.html': '<html>lost</html>',
  '_next/static/a.js': 'console.log(1)',
  'logo.svg': '<svg/>',
};

describe('a static site', () => {
  let dir: string;
  let server: Awaited<ReturnType<typeof createStaticServer>>;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'tributary-site-'));
    await writeFile(`${dir}.secret`, 'not yours');
    for (const [name, text] of Object.entries(files)) {
      await mkdir(join(dir, 'site', name, '..'), { recursive: true });
      await writeFile(join(dir, 'site', name), text);
    }
    server = await createStaticServer({
      dir: join(dir, 'site'),
      host: '127.0.0.1',
      port: 0,
      opsHandler: (_request, response) => response.end('ops'),
    });
  });
  afterAll(async () => {
    await server.dispose();
    await rm(dir, { recursive: true });
    await rm(`${dir}.secret`);
  });
  const get = (path: string, headers: Record<string, string> = {}) => fetch(`${server.url}${path}`, { headers });

  it.each([
    ['/', 'index.html', 'text/html; charset=utf-8'],
    ['/overview', 'overview.html', 'text/html; charset=utf-8'],
    ['/overview?a=1', 'overview.html', 'text/html; charset=utf-8'],
    ['/overview/', 'overview.html', 'text/html; charset=utf-8'],
    ['/overview.txt?_rsc=x', 'overview.txt', 'text/plain; charset=utf-8'],
    ['/apps', 'apps/index.html', 'text/html; charset=utf-8'],
    ['/_next/static/a.js', '_next/static/a.js', 'text/javascript; charset=utf-8'],
    ['/logo.svg', 'logo.svg', 'image/svg+xml'],
  ])('answers %s with %s', async (path, name, type) => {
    const response = await get(path);
    expect([response.status, response.headers.get('content-type'), await response.text()]).toEqual([
      200,
      type,
      files[name],
    ]);
  });

  it.each(['/nothing', '/_next', '/index.html/x', '/%00', '/%E0%A4%A'])(
    'answers %s with its own 404 page',
    async (path) => {
      const response = await get(path);
      expect([response.status, await response.text()]).toEqual([404, files['404.html']]);
    },
  );

  it.each(['/../secret', '/..%2f..%2fetc%2fpasswd', '/%2e%2e/site.secret', '/apps/../../x', '//etc/passwd', '/..\\x'])(
    'lets no path such as %s lead out of the directory',
    async (path) => {
      const status = await new Promise((resolve) => {
        request(`${server.url}`, { path }, (response) => resolve(response.resume().statusCode)).end();
      });
      expect(status).toBe(404);
    },
  );

  it('allows exactly the inline scripts of the page', async () => {
    const policy = (await get('/overview')).headers.get('content-security-policy') ?? '';
    const hashOf = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
    expect(policy).toContain(`script-src 'self' ${hashOf('self.__next_f.push([1,"a </b>"])')} ${hashOf('start(1)')};`);
    expect(policy).toContain("frame-ancestors 'none'");
    expect((await get('/')).headers.get('content-security-policy')).not.toContain(
      hashOf('self.__next_f.push([1,"a </b>"])'),
    );
    expect((await get('/nothing')).headers.get('x-content-type-options')).toBe('nosniff');
  });

  it('lets browsers keep what never changes and ask again for the rest', async () => {
    expect((await get('/_next/static/a.js')).headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    const page = await get('/overview');
    expect(page.headers.get('cache-control')).toBe('no-cache');
    const again = await get('/overview', { 'if-none-match': page.headers.get('etag') ?? '' });
    expect([again.status, await again.text()]).toEqual([304, '']);
    expect((await get('/overview', { 'if-none-match': '"other"' })).status).toBe(200);
  });

  it('takes GET and HEAD only, and leaves operational paths to their handler', async () => {
    const head = await fetch(`${server.url}/overview`, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([
      200,
      String(files['overview.html']!.length),
      '',
    ]);
    expect((await fetch(`${server.url}/overview`, { method: 'POST' })).status).toBe(405);
    expect(await (await get('/health')).text()).toBe('ops');
  });
});

describe('inlineScripts', () => {
  it('takes the text exactly as between the tags, and none with src', () => {
    expect(
      inlineScripts(
        '<script>\n a < b </script><SCRIPT type="x"> c</SCRIPT ><script src=x></script><script async src="y">z</script><script data-src="q">d</script>',
      ),
    ).toEqual(['\n a < b ', ' c', 'd']);
  });
});
