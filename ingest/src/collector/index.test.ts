import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { brotliCompress, deflate, deflateRaw, gzip, zstdCompress } from 'node:zlib';
import { Analytics } from '@segment/analytics-node';
import { systemClock } from '@tributary/platform/clock';
import { createMetrics } from '@tributary/platform/metrics';
import { createOpsAnswers } from '@tributary/platform/ops-server';
import { limits, loadConfig } from '@tributary/schema';
import {
  aGate,
  anEvent,
  deadLettersOf,
  eventsOf,
  openTestCollector,
  type TestCollector,
  writeKey,
} from './collector.testing.ts';

const compress = {
  gzip: promisify(gzip),
  'x-gzip': promisify(gzip),
  deflate: promisify(deflate),
  br: promisify(brotliCompress),
  zstd: promisify(zstdCompress),
};

let opened: TestCollector[] = [];
const open = async (...args: Parameters<typeof openTestCollector>) => {
  const collector = await openTestCollector(...args);
  opened.push(collector);
  return collector;
};
afterEach(async () => {
  await Promise.all(opened.map((collector) => collector.dispose()));
  opened = [];
});

const codeOf = async (response: Response): Promise<unknown> => {
  const { error } = (await response.json()) as { error: { code: string } };
  return [response.status, error.code];
};
async function until(isDone: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!isDone()) {
    if (Date.now() > deadline) throw new Error('waited too long');
    await new Promise((resolve) => setImmediate(resolve));
  }
}
const storedIds = async (collector: TestCollector) =>
  eventsOf(await collector.stored()).map(({ event_id }) => event_id);

describe('an event', () => {
  it('is in the log when the answer comes', async () => {
    const collector = await open();
    const response = await collector.post(JSON.stringify(anEvent()));
    expect([response.status, await response.json()]).toEqual([
      200,
      { success: true, accepted: 1, event_ids: ['e-1'], rejected: [] },
    ]);
    expect(response.headers.get('x-request-id')).toMatch(/^req_/);
    expect(eventsOf(await collector.stored())).toMatchObject([{ event_id: 'e-1', ip: '127.0.0.0' }]);
  });

  it('that is refused is in the log as a dead letter when the answer comes', async () => {
    const collector = await open();
    const batch = [anEvent(), anEvent({ event_id: 'bad', country: 'X' })];
    expect(await (await collector.post(JSON.stringify({ batch }))).json()).toMatchObject({
      accepted: 1,
      rejected: [{ index: 1, id: 'bad', code: 'SCHEMA_VIOLATION', field: 'country' }],
    });
    expect(deadLettersOf(await collector.stored())).toMatchObject([{ event_id: 'bad', code: 'SCHEMA_VIOLATION' }]);
  });

  it('is not acknowledged before the log says it is durable', async () => {
    const gate = aGate();
    let appends = 0;
    const collector = await open({
      wrapLog: (log) => ({
        ...log,
        append: async (blocks) => {
          await log.append(blocks);
          appends += 1;
          await gate.opened;
        },
      }),
    });
    let isAnswered = false;
    const answered = collector.post(JSON.stringify(anEvent())).then((response) => {
      isAnswered = true;
      return response;
    });
    await until(() => appends === 1);
    // Other requests go through all of the server meanwhile: this one had every chance to be answered.
    for (let count = 0; count < 20; count += 1) await fetch(`${collector.url}/sink-health`);
    expect(isAnswered).toBe(false);
    gate.open();
    expect((await answered).status).toBe(200);
  });

  it('is answered 503 with Retry-After and not acknowledged when the log refuses it', async () => {
    let isFull = true;
    const collector = await open({
      wrapLog: (log) => ({
        ...log,
        append: (blocks) => (isFull ? Promise.reject(new Error('no space left')) : log.append(blocks)),
      }),
    });
    const response = await collector.post(JSON.stringify(anEvent()));
    expect(response.headers.get('retry-after')).toBe('1');
    const text = await response.text();
    expect([response.status, text]).toEqual([503, expect.stringContaining('LOG_UNAVAILABLE')]);
    expect(text).not.toMatch(/accepted|no space/);
    expect(await collector.stored()).toEqual([]);
    isFull = false;
    expect((await collector.post(JSON.stringify(anEvent()))).status).toBe(200);
  });
});

describe('a body', () => {
  it.each(Object.entries(compress))('may be compressed by %s', async (encoding, encode) => {
    const collector = await open();
    const body = await encode(JSON.stringify(anEvent({ properties: { text: 'ä'.repeat(1_000) } })));
    expect((await collector.post(body, { 'content-encoding': encoding })).status).toBe(200);
    expect(await storedIds(collector)).toEqual(['e-1']);
  });

  it('may be deflated without the header of zlib', async () => {
    const collector = await open();
    const body = await promisify(deflateRaw)(JSON.stringify(anEvent()));
    expect((await collector.post(body, { 'content-encoding': 'deflate' })).status).toBe(200);
    expect((await collector.post('{}', { 'content-encoding': 'deflate' })).status).toBe(400);
  });

  it.each([
    ['gzip', compress.gzip],
    ['zstd', compress.zstd],
  ])('may be %s without saying so', async (_, encode) => {
    const collector = await open();
    const body = await encode(JSON.stringify(anEvent()));
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    expect((await collector.post(body, headers)).status).toBe(200);
  });

  it('may come as text/plain, as sendBeacon sends it', async () => {
    const collector = await open();
    expect((await collector.post(JSON.stringify(anEvent()), { 'content-type': 'text/plain' })).status).toBe(200);
  });

  it('is refused where its encoding is unknown or not what it says', async () => {
    const collector = await open();
    const send = (encoding: string) => collector.post(JSON.stringify(anEvent()), { 'content-encoding': encoding });
    expect(await codeOf(await send('lzma'))).toEqual([415, 'UNSUPPORTED_ENCODING']);
    expect(await codeOf(await send('constructor'))).toEqual([415, 'UNSUPPORTED_ENCODING']);
    expect(await codeOf(await send('gzip'))).toEqual([400, 'BODY_UNPARSABLE']);
    expect((await send('identity')).status).toBe(200);
  });

  it.each(Object.entries(compress))('that unpacks beyond 10 MB from %s is refused', async (encoding, encode) => {
    const collector = await open();
    const bomb = await encode(Buffer.alloc(limits.batchBytes + 1, ' '));
    expect(bomb.length).toBeLessThan(100_000);
    expect(await codeOf(await collector.post(bomb, { 'content-encoding': encoding }))).toEqual([
      413,
      'PAYLOAD_TOO_LARGE',
    ]);
  });

  it('over 10 MB is refused, with and without a length, and its sender hears why', async () => {
    const collector = await open();
    const body = Buffer.alloc(limits.batchBytes + 1, ' ');
    expect(await codeOf(await collector.post(body))).toEqual([413, 'PAYLOAD_TOO_LARGE']);
    const chunks = Array.from({ length: 12 }, () => Buffer.alloc(1_048_576, ' '));
    const stream = Readable.toWeb(Readable.from(chunks)) as unknown as ReadableStream;
    expect(await codeOf(await collector.post(stream))).toEqual([413, 'PAYLOAD_TOO_LARGE']);
  });

  it('of just 10 MB is taken', async () => {
    const collector = await open();
    const event = JSON.stringify(anEvent());
    expect((await collector.post(event.padEnd(limits.batchBytes, ' '))).status).toBe(200);
  });

  it('that does not arrive in time is answered 408', async () => {
    const collector = await open({ limits: { bodyTimeoutMs: 50 } });
    const { port } = new URL(collector.url);
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), '127.0.0.1');
      let text = '';
      socket.on('error', reject);
      socket.on('data', (chunk) => {
        text += chunk.toString();
        if (text.includes('}}')) {
          socket.destroy();
          resolve(text);
        }
      });
      socket.write(
        `POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${writeKey}\r\nContent-Length: 100\r\n\r\n{"event_name":`,
      );
    });
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(answer.toLowerCase()).toContain('connection: close');
    expect(answer).toContain('BODY_TIMEOUT');
    expect(await collector.stored()).toEqual([]);
  });

  it('that is cut off stores nothing, and the collector lives on', async () => {
    const collector = await open();
    const { port } = new URL(collector.url);
    await new Promise<void>((resolve, reject) => {
      const socket = connect(Number(port), '127.0.0.1');
      socket.on('error', reject);
      socket.on('close', () => resolve());
      socket.write(
        `POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${writeKey}\r\nContent-Length: 100\r\n\r\n{"event_name":`,
        () => socket.destroy(),
      );
    });
    expect((await collector.post(JSON.stringify(anEvent()))).status).toBe(200);
    expect(await storedIds(collector)).toEqual(['e-1']);
  });
});

describe('@segment/analytics-node', () => {
  const track = async (collector: TestCollector, key = writeKey) => {
    const analytics = new Analytics({
      writeKey: key,
      host: collector.url,
      path: '/v1/batch',
      maxRetries: 3,
      disable: false,
    });
    const errors: unknown[] = [];
    analytics.on('error', (error) => errors.push(error));
    analytics.identify({ userId: 'u-1', traits: { plan: 'pro' } });
    analytics.track({ userId: 'u-1', event: 'Order Completed', properties: { revenue: 4.99, currency: 'USD' } });
    analytics.page({ anonymousId: 'a-1', name: 'Home', properties: { url: 'https://example.com/' } });
    await analytics.closeAndFlush({ timeout: 20_000 });
    return errors;
  };

  it('delivers to it as it is', async () => {
    const collector = await open({ clock: systemClock });
    expect(await track(collector)).toEqual([]);
    const events = eventsOf(await collector.stored());
    const byName = Object.fromEntries(events.map((event) => [event.event_name, event]));
    expect(events).toHaveLength(3);
    expect(byName['identify']).toMatchObject({ user_id: 'u-1', event_kind: 'identify', source_format: 'segment' });
    expect(byName['Order Completed']).toMatchObject({
      event_kind: 'purchase',
      revenue_amount: '4.99',
      revenue_currency: 'USD',
      sdk: expect.stringMatching(/^@segment\/analytics-node\/3\./),
    });
    expect(byName['page']).toMatchObject({ anonymous_id: 'a-1', device_key: 'a-1' });
    for (const event of events) expect(Math.abs(event.occurred_at - Date.now())).toBeLessThan(60_000);
  });

  it('delivers once, under the same ids, though the log refused it at first', async () => {
    let refusals = 0;
    const collector = await open({
      clock: systemClock,
      wrapLog: (log) => ({
        ...log,
        append: async (blocks) => {
          if (refusals < 1) {
            refusals += 1;
            throw new Error('disk full');
          }
          await log.append(blocks);
        },
      }),
    });
    expect(await track(collector)).toEqual([]);
    expect(refusals).toBe(1);
    expect(new Set(await storedIds(collector)).size).toBe(3);
  });

  it('is told when its key is wrong', async () => {
    const collector = await open();
    expect(await track(collector, 'wrong')).not.toEqual([]);
    expect(await collector.stored()).toEqual([]);
  });
});

describe('a tracking link', () => {
  it('stores the click, then sends the person on', async () => {
    const collector = await open();
    const response = await fetch(`${collector.url}/c/summer?source=a`, { redirect: 'manual' });
    const [click] = eventsOf(await collector.stored());
    expect([response.status, response.headers.get('location')]).toEqual([
      302,
      `https://example.com/get?click_id=${click!.click_id}`,
    ]);
    const head = await fetch(`${collector.url}/c/summer`, { method: 'HEAD', redirect: 'manual' });
    expect([head.status, await head.text()]).toEqual([302, '']);
  });
});

describe('a browser', () => {
  it('is allowed to send from any origin', async () => {
    const collector = await open();
    const preflight = await fetch(`${collector.url}/v1/events`, { method: 'OPTIONS' });
    expect(preflight.status).toBe(204);
    expect(Object.fromEntries(preflight.headers)).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': expect.stringContaining('POST'),
      'access-control-allow-headers': expect.stringContaining('authorization'),
    });
    const response = await collector.post(JSON.stringify(anEvent()), { origin: 'https://game.example' });
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    const refused = await collector.post('{', { origin: 'https://game.example' });
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([400, '*']);
  });
});

describe('behind a proxy', () => {
  const config = (trustedProxies: string[]) => ({ ...loadConfig({ TRIBUTARY_COLLECTOR_PORT: '0' }), trustedProxies });
  const ipOf = async (trustedProxies: string[]) => {
    const collector = await open({ config: config(trustedProxies) });
    await collector.post(JSON.stringify(anEvent()), { 'x-forwarded-for': '6.6.6.6, 198.51.100.7, 127.0.0.9' });
    return eventsOf(await collector.stored())[0]!.ip;
  };

  it('the address is the last that no trusted proxy wrote', async () => {
    expect(await ipOf(['127.0.0.0/8'])).toBe('198.51.100.0');
  });

  it('the header is not believed of strangers', async () => {
    expect(await ipOf([])).toBe('127.0.0.0');
  });
});

describe('health', () => {
  it('is told by /health, /ready, /metrics and /sink-health', async () => {
    const metrics = createMetrics('collector');
    const ops = createOpsAnswers({ role: 'collector', metrics, ready: async () => ({ ok: true, checks: {} }) });
    const collector = await open({ metrics, ops });
    await collector.post(JSON.stringify({ batch: [anEvent(), 7] }));
    await collector.post('{');
    for (const path of ['/health', '/ready', '/sink-health']) {
      expect([path, (await fetch(collector.url + path)).status]).toEqual([path, 200]);
    }
    const text = await (await fetch(`${collector.url}/metrics`)).text();
    expect(text).toMatch(/tributary_collector_events_total\{verdict="accepted",role="collector"\} 1/);
    expect(text).toMatch(/tributary_collector_events_total\{verdict="rejected",role="collector"\} 1/);
    expect(text).toMatch(/tributary_collector_refused_requests_total\{status="400",role="collector"\} 1/);
    expect(text).toContain('tributary_collector_append_seconds_bucket');
  });

  it('of the log is 503 while it takes nothing', async () => {
    const collector = await open({
      wrapLog: (log) => ({ ...log, checkHealth: () => Promise.reject(new Error('disk full')) }),
    });
    expect(await codeOf(await fetch(`${collector.url}/sink-health`))).toEqual([503, 'LOG_UNAVAILABLE']);
  });
});

it('is disposed at once though connections are open that never sent a request', async () => {
  const collector = await open();
  const socket = connect(Number(new URL(collector.url).port), '127.0.0.1');
  await new Promise((resolve) => socket.once('connect', resolve));
  await collector.post(JSON.stringify(anEvent()));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  const startedAt = performance.now();
  await collector.collector.dispose();
  await closed;
  expect(performance.now() - startedAt).toBeLessThan(3_000);
});

it('answers what is under way when it is disposed, and takes nothing more', async () => {
  const gate = aGate();
  let appends = 0;
  const collector = await open({
    wrapLog: (log) => ({
      ...log,
      append: async (blocks) => {
        appends += 1;
        await gate.opened;
        await log.append(blocks);
      },
    }),
  });
  const answered = collector.post(JSON.stringify(anEvent()));
  await until(() => appends === 1);
  const disposed = collector.collector.dispose();
  await expect(fetch(`${collector.url}/sink-health`)).rejects.toThrow();
  gate.open();
  const response = await answered;
  expect(response.status).toBe(200);
  await response.text();
  await disposed;
  expect(await storedIds(collector)).toEqual(['e-1']);
});
