import { request } from 'node:http';
import { availableParallelism } from 'node:os';
import { gzipSync } from 'node:zlib';
import { z } from 'zod';
import { createLogger } from '../logger.ts';
import { defineQuery } from '../warehouse.ts';
import { startChdbServer } from './chdb-server.ts';
import { engineCodeOf } from './clickhouse-errors.ts';
import { startTestWarehouse, type TestWarehouse } from './test-warehouse.testing.ts';

const tenantFree = 'test';
const count = (sql: string) =>
  defineQuery({ name: 'count', sql, tenantFree, params: z.object({}), row: z.object({ n: z.coerce.number() }) });

const aboutEver = 'SELECT count() AS n FROM numbers_mt(1000000000000) WHERE sipHash64(number) = 1';

describe('the HTTP front of chDB', () => {
  let test: TestWarehouse;
  beforeAll(async () => {
    test = await startTestWarehouse();
  });
  afterAll(() => test?.dispose());

  const post = (path: string, body: string | Uint8Array = '', headers: Record<string, string> = {}) =>
    fetch(`${test.url}${path}`, { method: 'POST', body: new Uint8Array(Buffer.from(body)), headers });
  const at = (search: Record<string, string>) => `/?${new URLSearchParams(search)}`;

  it('answers a ping and a bare GET as ClickHouse does', async () => {
    for (const path of ['/ping', '/']) {
      const response = await fetch(test.url + path);
      expect([response.status, await response.text()]).toEqual([200, 'Ok.\n']);
    }
  });

  it('takes the statement from the URL, the body or both, and the format from the URL or the statement', async () => {
    const answers = await Promise.all([
      fetch(test.url + at({ query: 'SELECT 1 AS x', default_format: 'JSONEachRow' })),
      post('/', 'SELECT 1 AS x FORMAT JSONEachRow'),
      post(at({ query: 'SELECT 1' }), 'AS x FORMAT JSONEachRow'),
    ]);
    for (const answer of answers) await expect(answer.text()).resolves.toBe('{"x":1}\n');
    await expect((await post('/', 'SELECT 1, 2')).text()).resolves.toBe('1\t2\n');
  });

  it('tells the query id and a summary', async () => {
    const insert = {
      query: 'INSERT INTO worker_positions FORMAT JSONEachRow',
      database: 'tributary',
      query_id: 'my-id',
    };
    const response = await post(at(insert), '{"worker":"w","position_ms":1,"version":1}\n');
    expect(response.status).toBe(200);
    expect(response.headers.get('x-clickhouse-query-id')).toBe('my-id');
    expect(JSON.parse(response.headers.get('x-clickhouse-summary') ?? '')).toMatchObject({ written_rows: '1' });
  });

  it.each([
    ['SELECT nothing', 404, '47', /^Code: 47\. DB::Exception: .*\(UNKNOWN_IDENTIFIER\) \(version \d+\.\d+/s],
    ['SELEC 1', 400, '62', /SYNTAX_ERROR/],
    ['SELECT {x:String}', 400, '456', /UNKNOWN_QUERY_PARAMETER/],
    ['SET max_threads = 1', 500, '1', /UNSUPPORTED_METHOD/],
    ['', 400, '36', /BAD_ARGUMENTS/],
  ])('answers %j with status %i and code %s', async (sql, status, code, text) => {
    const response = await post('/', sql);
    expect([response.status, response.headers.get('x-clickhouse-exception-code')]).toEqual([status, code]);
    await expect(response.text()).resolves.toMatch(text);
  });

  it('refuses unknown settings and databases, and goes on with the next statement', async () => {
    expect((await post(at({ no_such_setting: '1' }), 'SELECT 1')).status).toBe(404);
    expect((await post(at({ max_threads: 'many' }), 'SELECT 1')).status).not.toBe(200);
    expect((await post(at({ database: 'nowhere' }), 'SELECT 1')).headers.get('x-clickhouse-exception-code')).toBe('81');
    for (let turn = 0; turn < 6; turn += 1) await expect((await post('/', 'SELECT 1')).text()).resolves.toBe('1\n');
  });

  it('takes compressed bodies and answers compressed when asked to', async () => {
    const body = gzipSync('{"worker":"zip","position_ms":7,"version":1}\n');
    const insert = { query: 'INSERT INTO worker_positions FORMAT JSONEachRow', database: 'tributary' };
    expect((await post(at(insert), body, { 'content-encoding': 'gzip' })).status).toBe(200);
    const response = await post(
      at({ database: 'tributary', enable_http_compression: '1' }),
      "SELECT position_ms FROM worker_positions WHERE worker = 'zip'",
      { 'accept-encoding': 'gzip' },
    );
    expect(response.headers.get('content-encoding')).toBe('gzip');
    await expect(response.text()).resolves.toBe('7\n');
    expect((await post(at(insert), body, { 'content-encoding': 'rot13' })).status).toBe(400);
    expect((await post(at(insert), 'no gzip', { 'content-encoding': 'gzip' })).status).toBe(500);
  });

  it('lets GET read only', async () => {
    const response = await fetch(test.url + at({ query: 'DROP TABLE tributary.events' }));
    expect([response.status, response.headers.get('x-clickhouse-exception-code')]).toEqual([403, '164']);
  });

  it.each([
    ['from a page', { origin: 'https://example.com' }],
    ['from a page of the same name', { 'sec-fetch-site': 'same-origin' }],
    ['under a foreign name', { host: 'rebound.example.com' }],
  ])('refuses requests %s', async (_what, headers) => {
    const status = await new Promise((resolve, reject) => {
      request(`${test.url}/?query=SELECT+1`, { headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
    });
    expect(status).toBe(403);
  });

  it('ends the statement of a caller who leaves', async () => {
    const running = count(
      "SELECT count() AS n FROM system.processes WHERE query LIKE '%sipHash64(number) = 1 + 555%' AND query NOT LIKE '%processes%'",
    );
    const until = async (wanted: number) => {
      const giveUpAt = Date.now() + 10_000;
      while ((await test.warehouse.query(running, {}))[0]?.n !== wanted) {
        if (Date.now() > giveUpAt) throw new Error(`never ${wanted} running`);
      }
    };
    const leaving = request(`${test.url}/`, { method: 'POST' }).on('error', () => undefined);
    leaving.end(`${aboutEver} + 555`);
    await until(1);
    leaving.destroy();
    await until(0);
  });

  it('gives a query as many threads as the engine may use, though it has little memory', async () => {
    const threads = Math.min(4, availableParallelism());
    const plan = await (await post('/', 'EXPLAIN PIPELINE SELECT sum(number) FROM numbers_mt(10000000)')).text();
    expect(plan.includes(`NumbersRange × ${threads}`)).toBe(threads > 1);
  });

  it('serves four readers while rows come in, and what they see only grows', async () => {
    const line = (id: number) => `{"worker":"load","position_ms":${id},"version":${id}}\n`;
    const body = Buffer.from(Array.from({ length: 20_000 }, (_, id) => line(id)).join(''));
    let writing = true;
    const writer = (async () => {
      for (let turn = 0; turn < 10; turn += 1) {
        await test.warehouse.insertBytes({ name: 'load', table: 'worker_positions', format: 'JSONEachRow', body });
      }
      writing = false;
    })();
    const seen = count("SELECT max(position_ms) AS n FROM worker_positions WHERE worker = 'load'");
    const reader = async () => {
      let reads = 0;
      for (let before = 0; writing; reads += 1) {
        const now = (await test.warehouse.query(seen, {}))[0]?.n ?? 0;
        expect(now).toBeGreaterThanOrEqual(before);
        before = now;
      }
      return reads;
    };
    const reads = await Promise.all([reader(), reader(), reader(), reader()]);
    await writer;
    for (const made of reads) expect(made).toBeGreaterThan(1);
  });

  it('waits out an insert of bytes that is ended by its id, and stores all of it or nothing', async () => {
    const line = (id: number) => `{"worker":"killed","position_ms":${id},"version":${id}}\n`;
    const body = Buffer.from(Array.from({ length: 400_000 }, (_, id) => line(id)).join(''));
    const insert = test.warehouse
      .insertBytes({ name: 'i', table: 'worker_positions', format: 'JSONEachRow', body, queryId: 'epoch-1-a' })
      .catch((error) => error);
    await new Promise((resolve) => setImmediate(resolve));
    await test.warehouse.killQueries('epoch-1-');
    const outcome = await insert;
    const stored = count("SELECT uniqExact(position_ms) AS n FROM worker_positions WHERE worker = 'killed'");
    // The kill may come before the insert is there, while it runs, or after; it is never half done.
    const rows = (await test.warehouse.query(count(stored.sql.replace('uniqExact(position_ms)', 'count()')), {}))[0]?.n;
    if (outcome instanceof Error) {
      expect(engineCodeOf(outcome)).toBe(394);
      expect(rows).toBe(0);
    } else expect((await test.warehouse.query(stored, {}))[0]?.n).toBe(rows === 0 ? 0 : 1);
  });
});

describe('starting and stopping chDB', () => {
  const common = { port: 0, memoryBytes: 500_000_000, logger: createLogger('test', 'silent') };

  it('refuses to listen beyond loopback', async () => {
    await expect(startChdbServer({ ...common, dir: '/nonexistent', host: '0.0.0.0' })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    });
  });

  it('ends in order on SIGTERM while a statement runs, and opens again with all rows', async () => {
    const test = await startTestWarehouse();
    try {
      const body = Buffer.from('{"worker":"w","position_ms":1,"version":1}\n');
      await test.warehouse.insertBytes({ name: 'i', table: 'worker_positions', format: 'JSONEachRow', body });
      const slow = test.warehouse.query(count(`${aboutEver} + 7`), {}, { timeoutMs: 60_000 }).catch((error) => error);
      await test.restart();
      expect(await slow).toMatchObject({ code: 'WAREHOUSE_UNAVAILABLE' });
      await expect(test.warehouse.query(count('SELECT count() AS n FROM worker_positions'), {})).resolves.toEqual([
        { n: 1 },
      ]);
    } finally {
      await test.dispose();
    }
  });
});
