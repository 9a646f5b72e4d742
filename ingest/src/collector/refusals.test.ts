import { connect } from 'node:net';
import { CodedError } from '@tributary/schema';
import { aDirectory, aKey, aSnapshot, openTestCollector, type TestCollector, writeKey } from './collector.testing.ts';

/** Bodies that each vendor's route takes, and where its SDK looks for the verdict. */
const vendors = [
  { name: 'native', path: '/v1/events', body: { event_name: 'e', anonymous_id: 'a' }, said: jsonCode },
  { name: 'Segment', path: '/v1/batch', body: { batch: [{ type: 'track', event: 'e', userId: 'u' }] }, said: jsonCode },
  { name: 'PostHog', path: '/batch/', body: { batch: [{ event: 'e', distinct_id: 'u' }] }, said: jsonCode },
  {
    name: 'PostHog v1',
    path: '/i/v1/analytics/events',
    body: { batch: [{ event: 'e', distinct_id: 'u', uuid: 'p' }] },
    said: jsonCode,
    throttled: 503,
  },
  { name: 'Amplitude', path: '/2/httpapi', body: { events: [{ event_type: 'e', user_id: 'u' }] }, said: amplitudeCode },
  { name: 'Mixpanel', path: '/track', body: [{ event: 'e', properties: { distinct_id: 'u' } }], said: mixpanelCode },
  {
    name: 'Snowplow',
    path: '/com.snowplowanalytics.snowplow/tp2',
    body: { data: [{ e: 'pv', uid: 'u' }] },
    said: jsonCode,
    final: 422,
  },
  { name: 'Jitsu', path: '/api/s/s2s/track', body: { event: 'e', userId: 'u' }, said: jsonCode },
  { name: 'AppsFlyer', path: '/inappevent/id1', body: { eventName: 'e', idfa: 'f' }, said: jsonCode },
  { name: 'Adjust', path: '/event', body: { s2s: 1, event_token: 'e', idfa: 'f' }, said: jsonCode },
] as const;

async function jsonCode(response: Response): Promise<unknown> {
  return ((await response.json()) as { error: { code: string } }).error.code;
}

/** The SDK reads `code`, and retries a 4xx without `missing_field`. */
async function amplitudeCode(response: Response): Promise<unknown> {
  const body = (await response.json()) as { code: number; error: string; missing_field?: string };
  expect(body.code).toBe(response.status);
  expect(body.missing_field === undefined).toBe([408, 413, 429].includes(body.code) || body.code >= 500);
  return body.error.split(':')[0];
}

/** The SDK reads the body: anything but `1` is a failure. */
async function mixpanelCode(response: Response): Promise<unknown> {
  expect(await response.text()).toBe('0');
  return response.headers.get('x-error-code');
}

describe('a body that is refused before the core has it', () => {
  let collector: TestCollector;
  beforeAll(async () => {
    collector = await openTestCollector({ limits: { bodyTimeoutMs: 200 } });
  });
  afterAll(() => collector.dispose());

  it.each(vendors)('is told in the form of $name’s SDK: over the limit', async ({ path, said, ...vendor }) => {
    const response = await collector.post(new Uint8Array(10_485_761), {}, path);
    expect(response.status).toBe('final' in vendor ? vendor.final : 413);
    expect(await said(response)).toBe('PAYLOAD_TOO_LARGE');
  });

  it.each(vendors)('is told in the form of $name’s SDK: of an unknown encoding', async ({ path, said, ...vendor }) => {
    const response = await collector.post('{}', { 'content-encoding': 'lzma' }, path);
    expect(response.status).toBe('final' in vendor ? vendor.final : 415);
    expect(await said(response)).toBe('UNSUPPORTED_ENCODING');
  });

  it.each(vendors)('is told in the form of $name’s SDK: too slow', async ({ path, said }) => {
    const response = await slowly(collector.url, path);
    expect(response.status).toBe(408);
    expect(await said(response)).toBe('BODY_TIMEOUT');
  });
});

describe('a request that the log does not take', () => {
  let collector: TestCollector;
  beforeAll(async () => {
    collector = await openTestCollector({
      wrapLog: (log) => ({ ...log, append: () => Promise.reject(new CodedError('LOG_UNAVAILABLE')) }),
    });
  });
  afterAll(() => collector.dispose());

  it.each(vendors)('is answered 503 in the form of $name’s SDK, which sends it again', async ({ path, body, said }) => {
    const response = await collector.post(JSON.stringify(body), {}, path);
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await said(response)).toBe('LOG_UNAVAILABLE');
  });
});

describe('a request over the rate of its key', () => {
  let collector: TestCollector;
  beforeAll(async () => {
    const limited = aKey(writeKey, { rate: { perSecond: 0.001, burst: 1 } });
    collector = await openTestCollector({ directory: aDirectory(aSnapshot({ keys: [limited] })) });
    await collector.post(JSON.stringify(vendors[0].body));
  });
  afterAll(() => collector.dispose());

  it.each(vendors)(
    'is answered in the form of $name’s SDK, which sends it again',
    async ({ path, body, said, ...vendor }) => {
      const response = await collector.post(JSON.stringify(body), {}, path);
      expect(response.status).toBe('throttled' in vendor ? vendor.throttled : 429);
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(await said(response)).toBe('RATE_LIMITED');
    },
  );
});

/** Sends a head and the first byte of a body, and no more. */
function slowly(url: string, path: string): Promise<Response> {
  const { hostname, port } = new URL(url);
  const head = `POST ${path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${writeKey}\r\ncontent-length: 100\r\n\r\n{`;
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(head));
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
      const [start = '', body] = text.split('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(start)?.[1]);
      if (body === undefined || body.length < length) return;
      socket.destroy();
      const headers = start
        .split('\r\n')
        .slice(1)
        .map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]);
      resolve(new Response(body, { status: Number(start.split(' ')[1]), headers }));
    });
    socket.on('error', reject);
  });
}
