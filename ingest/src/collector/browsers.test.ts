import { gzipSync } from 'node:zlib';
import { eventsOf, openTestCollector, type TestCollector, writeKey } from './collector.testing.ts';

let collector: TestCollector;
beforeEach(async () => {
  collector = await openTestCollector();
});
afterEach(() => collector.dispose());

const post = (path: string, body: string | Uint8Array, headers: Record<string, string> = {}) =>
  fetch(collector.url + path, { method: 'POST', body: body as BodyInit, headers });

/** What each vendor's browser build sends beside the headers that need no leave. */
const preflights = [
  ['/v1/events', 'authorization,content-type,content-encoding'],
  ['/v1/batch', 'authorization,content-type'],
  ['/v1/track', 'anonymousid,authorization,content-type'],
  ['/i/v0/e/', 'content-type'],
  [
    '/i/v1/analytics/events',
    'authorization,content-type,posthog-attempt,posthog-request-id,posthog-request-timestamp,posthog-sdk-info',
  ],
  ['/2/httpapi', 'content-type'],
  ['/track/', 'content-type'],
  ['/com.snowplowanalytics.snowplow/tp2', 'content-type,sp-anonymous'],
  ['/api/s/track', 'content-type,x-enable-debug,x-ip-policy,x-write-key'],
  ['/track', 'content-type,openpanel-client-id,openpanel-client-secret,openpanel-sdk-name,openpanel-sdk-version'],
] as const;

it.each(preflights)('lets a browser send to %s with %s, and remember it for a day', async (path, headers) => {
  const response = await fetch(collector.url + path, {
    method: 'OPTIONS',
    headers: {
      origin: 'https://shop.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': headers,
    },
  });
  expect(response.status).toBe(204);
  expect(response.headers.get('access-control-allow-origin')).toBe('*');
  expect(response.headers.get('access-control-max-age')).toBe('86400');
  const allowed = response.headers.get('access-control-allow-headers')!.split(/,\s*/);
  expect(headers.split(',').filter((name) => !allowed.includes(name))).toEqual([]);
});

/** Bodies of sendBeacon: no header can be set, so the key travels in the body or the query. */
const beacons = [
  ['native', '/v1/events', { event_name: 'e', anonymous_id: 'a', write_key: writeKey }],
  ['segment', '/v1/batch', { writeKey, batch: [{ type: 'track', event: 'e', userId: 'u' }] }],
  ['rudderstack', `/beacon/v1/batch?writeKey=${writeKey}`, { batch: [{ type: 'track', event: 'e', userId: 'u' }] }],
  ['posthog', '/e/', { api_key: writeKey, event: 'e', distinct_id: 'u' }],
  ['amplitude', '/2/httpapi', { api_key: writeKey, events: [{ event_type: 'e', user_id: 'u' }] }],
  ['mixpanel', '/track/', [{ event: 'e', properties: { token: writeKey, distinct_id: 'u' } }]],
  ['snowplow', '/com.snowplowanalytics.snowplow/tp2', { data: [{ e: 'pv', uid: 'u', aid: writeKey }] }],
] as const;

it.each(beacons)('takes a beacon of %s to %s as text/plain', async (format, path, body) => {
  const response = await post(path, JSON.stringify(body), { 'content-type': 'text/plain;charset=UTF-8' });
  expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([200, '*']);
  expect(eventsOf(await collector.stored())[0]).toMatchObject({ source_format: format });
});

it.each(beacons)('takes gzip of %s to %s that no header tells of', async (format, path, body) => {
  const response = await post(path, gzipSync(JSON.stringify(body)), { 'content-type': 'text/plain' });
  expect(response.status).toBe(200);
  expect(eventsOf(await collector.stored())[0]).toMatchObject({ source_format: format });
});
