import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BlobStore } from '@tributary/platform/blob-store';
import { openDirectoryBlobStore } from '@tributary/platform/blob-store/directory';
import { createMemoryCache } from '@tributary/platform/cache/memory';
import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { openWarehouseStreams, type WarehouseStreams } from '@tributary/platform/warehouse/stream';
import { startTestWarehouse, type TestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import { CodedError, loadConfig } from '@tributary/schema';
import { aCallerToken, aDirectory, aDirectoryApp, ask, someDeps, testSecret, until } from '../src/kit.testing.ts';
import type { Subgraph } from '../src/kit.ts';
import { anEventRow, insert } from '../src/rows.testing.ts';
import { follow } from '../src/stream.testing.ts';
import { signDownload } from './export-download.ts';
import { createEventsSubgraph, createExportHandler } from './index.ts';

const directory = aDirectory({
  apps: [aDirectoryApp({ appId: 'app_a', tenantId: 'ten_a' }), aDirectoryApp({ appId: 'app_b', tenantId: 'ten_b' })],
});
const reader = aCallerToken({ tenantId: 'ten_a' });
const partner = aCallerToken({ tenantId: 'ten_a', partnerId: 'par_1', keyId: 'key_partner' });
const foreigner = aCallerToken({ tenantId: 'ten_b' });
const dir = mkdtempSync(join(tmpdir(), 'tributary-exports-'));
const liveBus = createMemoryLiveBus();
const from = Date.parse('2026-11-20T00:00:00Z');
const range = { from: new Date(from).toISOString(), to: new Date(from + 4 * 86_400_000).toISOString() };

let test: TestWarehouse;
let streams: WarehouseStreams;
let blobs: BlobStore;
let subgraph: Subgraph;
let nowMs = Date.parse('2026-11-24T12:00:00Z');
const clock = { now: () => (nowMs += 1) };
const opened: Subgraph[] = [];

/** As a process of its own would have it: its own cache. */
function open(over: Partial<WarehouseStreams> = {}, cache = createMemoryCache()): Subgraph {
  const config = loadConfig({ TRIBUTARY_PUBLIC_URL: 'https://api.example/' });
  const made = createEventsSubgraph(someDeps({ warehouse: test.warehouse, directory, liveBus, clock, cache, config }), {
    exports: { streams: { ...streams, ...over }, blobs, leaseMs: 200, tickMs: 30 },
  });
  opened.push(made);
  return made;
}

beforeAll(async () => {
  test = await startTestWarehouse();
  streams = openWarehouseStreams({ url: test.url, database: 'tributary', user: 'default', password: '' });
  blobs = await openDirectoryBlobStore({ dir });
  await insert(
    test.warehouse,
    'events',
    Array.from({ length: 4_000 }, (_, index) =>
      anEventRow({
        event_kind: 'purchase',
        event_name: index % 2 === 0 ? `say "hi",\nthen ${index % 700}` : `name-${index % 1_500}`,
        occurred_at: from + index * 60_000,
        revenue_amount: '1.10',
        revenue_currency: index % 10 === 0 ? 'EUR' : 'USD',
        country: 'DE',
      }),
    ),
  );
  subgraph = open();
});
afterAll(async () => {
  for (const one of opened) await one.dispose();
  await streams?.dispose();
  await blobs?.dispose();
  await liveBus.dispose();
  await test?.dispose();
  rmSync(dir, { recursive: true, force: true });
});

const fields = 'id state format bytes attempt errorCode errorMessage downloadUrl downloadUrlExpiresAt';
const mutation = `mutation ($input: ExportReportInput!) { exportReport(input: $input) { repeated job { ${fields} } userErrors { code field } } }`;
let serial = 0;
const begin = async (input: object = {}, token = reader, where = subgraph) => {
  serial += 1;
  const question = {
    appIds: ['app_a'],
    metrics: ['EVENTS', 'REVENUE'],
    dimensions: ['EVENT_NAME'],
    range,
    format: 'NDJSON',
    idempotencyKey: `key-${serial}`,
  };
  const { data, codes } = await ask(where, token, mutation, { input: { ...question, ...input } });
  return codes.length > 0 ? { codes } : data.exportReport;
};
const jobOf = async (id: string, token = reader, where = subgraph) => {
  const { data, codes } = await ask(where, token, `{ exportJob(id: "${id}") { ${fields} } }`);
  return codes.length > 0 ? { codes } : data.exportJob;
};
const finished = (id: string, where = subgraph) =>
  until(async () => {
    const job = await jobOf(id, reader, where);
    return ['DONE', 'FAILED'].includes(job.state) ? job : null;
  }, 20_000);
const handler = () => createExportHandler({ blobs, signingSecret: testSecret, clock });
const fetchFile = (url: string, init: RequestInit = {}) => handler()(new Request(url, init));

describe('exportReport', () => {
  it('writes every row of the report, as the report itself gives them', async () => {
    const { job, userErrors } = await begin();
    expect(userErrors).toEqual([]);
    const done = await finished(job.id);
    expect(done).toMatchObject({ state: 'DONE', attempt: 1, errorCode: null });
    expect(done.downloadUrl).toMatch(/^https:\/\/api\.example\/exports\/exp_[0-9a-f]{24}\?token=/);
    const response = await fetchFile(done.downloadUrl);
    expect(response.headers.get('content-type')).toBe('application/x-ndjson');
    const rows = (await response.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const pages: { node: { eventName: string; events: number; revenue: { amount: string } } }[] = [];
    let after: string | null = null;
    do {
      const { data } = await ask(
        subgraph,
        reader,
        `query ($range: TimeRange!, $after: String) { report(appIds: ["app_a"], metrics: [EVENTS, REVENUE], dimensions: [EVENT_NAME], range: $range, first: 1000, after: $after) {
        pageInfo { hasNextPage endCursor } edges { node { eventName events revenue { amount } } } } }`,
        { range, after },
      );
      pages.push(...data.report.edges);
      after = data.report.pageInfo.hasNextPage ? data.report.pageInfo.endCursor : null;
    } while (after);
    expect(rows).toHaveLength(pages.length);
    expect(rows.length).toBeGreaterThan(1_000);
    expect(rows.map((row) => [row.eventName, row.events, Number(row.revenue)])).toEqual(
      pages.map(({ node }) => [node.eventName, node.events, Number(node.revenue.amount)]),
    );
    expect(rows[0]).toMatchObject({ currency: 'USD', revenueRest: expect.anything() });
    expect(done.bytes).toBe(Number(response.headers.get('content-length')));
  });

  it('writes CSV with quoted texts, and Parquet that the engine reads back', async () => {
    const csv = await finished((await begin({ format: 'CSV' })).job.id);
    const text = await (await fetchFile(csv.downloadUrl)).text();
    expect(text.split('\n')[0]).toBe('"eventName","events","revenue","revenueRest","currency"');
    expect(text).toContain('"say ""hi"",\nthen 0"');
    const parquet = await finished((await begin({ format: 'PARQUET' })).job.id);
    const bytes = Buffer.from(await (await fetchFile(parquet.downloadUrl)).arrayBuffer());
    expect(bytes.subarray(0, 4).toString()).toBe('PAR1');
    const path = join(dir, `${parquet.id}.parquet`);
    const counted = await fetch(`${test.url}/?default_format=TSV`, {
      method: 'POST',
      body: `SELECT count(), sum(events) FROM file('${path}', 'Parquet')`,
    });
    const { data } = await ask(
      subgraph,
      reader,
      `query ($range: TimeRange!) { report(appIds: ["app_a"], metrics: [EVENTS], range: $range) { edges { node { events } } } }`,
      { range },
    );
    expect((await counted.text()).trim().split('\t')[1]).toBe(String(data.report.edges[0].node.events));
  });

  it('is begun once under its key, and refuses the key for another report', async () => {
    const idempotencyKey = 'the same';
    const first = await begin({ idempotencyKey });
    const second = await begin({ idempotencyKey });
    expect(second).toMatchObject({ repeated: true, job: { id: first.job.id } });
    expect(await begin({ idempotencyKey, format: 'CSV' })).toMatchObject({
      job: null,
      userErrors: [{ code: 'IDEMPOTENCY_CONFLICT' }],
    });
  });

  it('holds to the bounds of reports and to the caller’s apps', async () => {
    expect(await begin({ range: { lastDays: 500 } })).toMatchObject({
      job: null,
      userErrors: [{ code: 'RANGE_TOO_LARGE' }],
    });
    expect(await begin({ appIds: ['app_b'] })).toMatchObject({ job: null, userErrors: [{ code: 'NOT_FOUND' }] });
    expect(await begin({ metrics: ['COST'] })).toMatchObject({ job: null, userErrors: [{ code: 'BAD_USER_INPUT' }] });
  });

  it('writes a partner’s file with the partner’s rows only, and shows the job to nobody else', async () => {
    await insert(
      test.warehouse,
      'campaigns_mirror',
      [1, 2].map((number) => ({
        tenant_id: 'ten_a',
        app_id: 'app_a',
        campaign_id: `cmp_${number}`,
        name: '',
        network: 'n',
        partner_id: `par_${number}`,
        version: 1,
      })),
    );
    await insert(
      test.warehouse,
      'events',
      [1, 2, 2].map((number) =>
        anEventRow({ event_kind: 'click', occurred_at: from + 1_000, campaign_id: `cmp_${number}` }),
      ),
    );
    const { job } = await begin({ metrics: ['CLICKS'], dimensions: ['CAMPAIGN'] }, partner);
    const done = await until(async () => {
      const found = await jobOf(job.id, partner);
      return found.state === 'DONE' ? found : null;
    });
    expect(await (await fetchFile(done.downloadUrl)).text()).toBe('{"campaign":"cmp_1","clicks":1,"currency":"USD"}\n');
    expect(await jobOf(job.id, reader)).toEqual({ codes: ['NOT_FOUND'] });
    expect(await jobOf(job.id, foreigner)).toEqual({ codes: ['NOT_FOUND'] });
  });

  it('fails with its code and leaves no file when the statement may not finish', async () => {
    const failing = open({
      read: async function* () {
        yield Buffer.from('half a ');
        throw new CodedError('QUERY_TOO_LARGE');
      },
    });
    const { job } = await begin({}, reader, failing);
    const failed = await finished(job.id, failing);
    expect(failed).toMatchObject({ state: 'FAILED', errorCode: 'QUERY_TOO_LARGE', downloadUrl: null });
    expect(failed.errorMessage).toContain('memory');
    expect(readdirSync(dir).filter((name) => name.includes(job.id) || name.startsWith('.part'))).toEqual([]);
    await failing.dispose();
  });

  it('is begun anew by the next process when its own stopped, whole and once', async () => {
    let chunks = 0;
    const stuck = open({
      read: async function* ({ signal }: { signal?: AbortSignal }) {
        chunks += 1;
        yield Buffer.from('{"half":"a line');
        // It may have been stopped before this is reached, as a request of the client's would notice too.
        signal?.throwIfAborted();
        await new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(new Error('stopped'))));
      } as WarehouseStreams['read'],
    });
    await subgraph.dispose();
    const { job } = await begin({}, reader, stuck);
    await until(() => chunks > 0);
    await stuck.dispose();
    expect((await jobOf(job.id, reader, stuck)).state).toBe('RUNNING');
    nowMs += 1_000;
    subgraph = open();
    const done = await finished(job.id);
    expect(done).toMatchObject({ state: 'DONE', attempt: 2 });
    const text = readFileSync(join(dir, `${job.id}.ndjson`), 'utf8');
    expect(text).not.toContain('half');
    expect(text.endsWith('}\n')).toBe(true);
  });

  it('fails after its third attempt instead of being begun for ever', async () => {
    const { createExportStore } = await import('./export-store.ts');
    const store = createExportStore(test.warehouse);
    const { job } = await begin();
    await finished(job.id);
    const stored = await store.read('ten_a', '', job.id);
    await store.write({
      ...stored!,
      jobId: 'exp_tried',
      state: 'RUNNING',
      attempt: 3,
      version: 9,
      updatedAt: nowMs - 10_000,
    });
    expect(await finished('exp_tried')).toMatchObject({ state: 'FAILED', errorCode: 'INTERNAL' });
  });

  it('says NOT_READY where no exports are run', async () => {
    const alone = createEventsSubgraph(someDeps({ warehouse: test.warehouse, directory, clock }));
    expect(await begin({}, reader, alone)).toEqual({ codes: ['NOT_READY'] });
    await alone.dispose();
  });
});

describe('exportProgress', () => {
  it('gives the state now and on, and ends with the job', async () => {
    const { job } = await begin();
    const stream = await follow(
      subgraph,
      reader,
      `subscription { exportProgress(id: "${job.id}") { state downloadUrl } }`,
    );
    const states: string[] = [];
    for (let payload = await stream.next(); payload; payload = await stream.next())
      states.push(payload.exportProgress.state);
    expect(states.at(-1)).toBe('DONE');
  });

  it('refuses the job of another tenant', async () => {
    const { job } = await begin();
    await expect(
      follow(subgraph, foreigner, `subscription { exportProgress(id: "${job.id}") { state } }`),
    ).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('the download handler', () => {
  let url = '';
  let whole = '';
  let etag = '';
  beforeAll(async () => {
    url = (await finished((await begin()).job.id)).downloadUrl;
    const response = await fetchFile(url);
    etag = response.headers.get('etag')!;
    whole = await response.text();
  });

  it('goes on where a download broke off', async () => {
    const first = await fetchFile(url, { headers: { range: 'bytes=0-999' } });
    expect(first.status).toBe(206);
    expect(first.headers.get('content-range')).toBe(`bytes 0-999/${whole.length}`);
    const rest = await fetchFile(url, { headers: { range: 'bytes=1000-', 'if-range': etag } });
    expect((await first.text()) + (await rest.text())).toBe(whole);
  });

  it.each([
    ['bytes=-5', 206, -5],
    ['bytes=0-0', 206, 1],
    ['bytes=5-2', 200, 0],
    ['bytes=0-1,4-5', 200, 0],
    ['lines=0-1', 200, 0],
  ])('answers the range %s with %i', async (value, status, expected) => {
    const response = await fetchFile(url, { headers: { range: value } });
    expect(response.status).toBe(status);
    const wanted = expected < 0 ? whole.slice(expected) : expected > 0 ? whole.slice(0, expected) : whole;
    expect(await response.text()).toBe(wanted);
  });

  it('answers a range beyond the file with 416, and one of another version with the whole', async () => {
    const beyond = await fetchFile(url, { headers: { range: `bytes=${whole.length}-` } });
    expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, `bytes */${whole.length}`]);
    const other = await fetchFile(url, { headers: { range: 'bytes=5-', 'if-range': '"other"' } });
    expect([other.status, await other.text()]).toEqual([200, whole]);
  });

  it('answers HEAD without a body', async () => {
    const response = await fetchFile(url, { method: 'HEAD' });
    expect([response.status, response.headers.get('content-length'), await response.text()]).toEqual([
      200,
      String(whole.length),
      '',
    ]);
  });

  it('refuses links that are forged, of another job, expired, or of another method', async () => {
    const jobId = /exports\/([^?]+)/.exec(url)![1]!;
    const link = (token: string, id = jobId) => `https://api.example/exports/${id}?token=${token}`;
    const statusOf = async (target: string, init?: RequestInit) => (await fetchFile(target, init)).status;
    expect(await statusOf(link(signDownload(jobId, 'NDJSON', nowMs + 60_000, testSecret)))).toBe(200);
    expect(await statusOf(link(signDownload(jobId, 'NDJSON', nowMs + 60_000, 'another secret')))).toBe(404);
    expect(await statusOf(link(signDownload('exp_other', 'NDJSON', nowMs + 60_000, testSecret)))).toBe(404);
    expect(await statusOf(link(signDownload(jobId, 'NDJSON', nowMs - 1, testSecret)))).toBe(403);
    expect(await statusOf(`https://api.example/exports/${jobId}`)).toBe(404);
    expect(await statusOf(`https://api.example/exports/..%2f..%2fetc?token=x`)).toBe(404);
    expect(await statusOf(url, { method: 'POST' })).toBe(405);
  });

  it('shows a job as EXPIRED without a URL a day after its file was written', async () => {
    const { job } = await begin();
    await finished(job.id);
    nowMs += 25 * 3_600_000;
    expect(await jobOf(job.id)).toMatchObject({ state: 'EXPIRED', downloadUrl: null });
    nowMs -= 25 * 3_600_000;
  });
});
