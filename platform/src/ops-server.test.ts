import { CodedError } from '@tributary/schema';
import { createMetrics } from './metrics.ts';
import { createOpsHandler, type OpsServer, type ReadyReport, serveOps } from './ops-server.ts';

describe('the operational server', () => {
  let ready: () => Promise<ReadyReport>;
  let server: OpsServer;
  beforeEach(async () => {
    ready = async () => ({ ok: true, checks: { log: 'ok' } });
    server = await serveOps({
      host: '127.0.0.1',
      port: 0,
      handler: createOpsHandler({
        role: 'collector',
        ready: () => ready(),
        metrics: createMetrics('collector'),
        readyTimeoutMs: 50,
      }),
    });
  });
  afterEach(() => server.dispose());
  const ask = async (path: string, init?: RequestInit) => {
    const response = await fetch(server.url + path, init);
    return { status: response.status, headers: response.headers, text: await response.text() };
  };

  it('is alive whatever readiness says', async () => {
    ready = async () => ({ ok: false, checks: {} });
    const { status, text } = await ask('/health');
    expect([status, JSON.parse(text)]).toEqual([200, { status: 'alive', role: 'collector' }]);
  });

  it('answers 200 with its checks when it is ready, 503 when it is not', async () => {
    const yes = await ask('/ready?probe=1');
    expect([yes.status, JSON.parse(yes.text)]).toEqual([
      200,
      { status: 'ready', role: 'collector', checks: { log: 'ok' } },
    ]);
    ready = async () => ({ ok: false, checks: { log: 'LOG_UNAVAILABLE' } });
    const no = await ask('/ready');
    expect([no.status, JSON.parse(no.text).checks]).toEqual([503, { log: 'LOG_UNAVAILABLE' }]);
  });

  it.each([
    [
      'a coded error by its code',
      async () => Promise.reject(new CodedError('WAREHOUSE_UNAVAILABLE')),
      'WAREHOUSE_UNAVAILABLE',
    ],
    ['any other error without its text', async () => Promise.reject(new Error('password=x')), 'INTERNAL'],
    ['silence', () => new Promise<ReadyReport>(() => undefined), 'no answer within 50 ms'],
  ])('is not ready after %s', async (_, answer, wanted) => {
    ready = answer;
    const { status, text } = await ask('/ready');
    expect([status, JSON.parse(text).checks]).toEqual([503, { ready: wanted }]);
  });

  it('exposes metrics in the text form of Prometheus', async () => {
    const { status, headers, text } = await ask('/metrics');
    expect([status, headers.get('content-type')]).toEqual([200, expect.stringContaining('text/plain')]);
    expect(text).toContain('nodejs_eventloop_lag_seconds');
  });

  it('answers HEAD without a body, other methods with 405, other paths with 404', async () => {
    const head = await ask('/health', { method: 'HEAD' });
    expect([head.status, head.text]).toEqual([200, '']);
    const post = await ask('/health', { method: 'POST' });
    expect([post.status, post.headers.get('allow'), JSON.parse(post.text).error.code]).toEqual([
      405,
      'GET, HEAD',
      'METHOD_NOT_ALLOWED',
    ]);
    const other = await ask('/healthy');
    expect([other.status, JSON.parse(other.text).error.code]).toEqual([404, 'NOT_FOUND']);
  });

  it('rejects when its port is taken, and may be disposed twice', async () => {
    const port = Number(new URL(server.url).port);
    await expect(serveOps({ host: '127.0.0.1', port, handler: () => false })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
    await Promise.all([server.dispose(), server.dispose()]);
  });
});
