import { aRequest, aSnapshot, collect, now, secretKey, writeKey } from '../collector.testing.ts';
import type { CollectorRequest } from '../request.ts';

const authentication = (key: string) => ({ header: (name: string) => (name === 'authentication' ? key : undefined) });
const send = (body: unknown, overrides: Partial<CollectorRequest> = {}) =>
  collect(
    aRequest(body, {
      path: '/inappevent/id123456789',
      authorization: undefined,
      ...authentication(secretKey),
      ...overrides,
    }),
  );

it('takes an in-app event as partners post it', () => {
  const { status, events } = send({
    appsflyer_id: '1600-77',
    customer_user_id: 'u-1',
    advertising_id: 'g-1',
    eventName: 'af_purchase',
    eventValue: '{"af_revenue":"4.99","af_content_id":"gem_9"}',
    eventCurrency: 'USD',
    eventTime: '2026-11-24 11:59:00.000',
    ip: '198.51.100.9',
    af_events_api: 'true',
  });
  expect(status).toBe(200);
  expect(events[0]).toMatchObject({
    source_format: 'appsflyer',
    event_kind: 'purchase',
    anonymous_id: '1600-77',
    user_id: 'u-1',
    gaid: 'g-1',
    platform: 'android',
    revenue_amount: '4.99',
    revenue_currency: 'USD',
    occurred_at: now - 60_000,
    ip: '198.51.100.0',
    flags: ['generated_id'],
  });
  expect(JSON.parse(events[0]!.properties)).toEqual({
    af_revenue: '4.99',
    af_content_id: 'gem_9',
    appsflyer_app_id: 'id123456789',
    eventCurrency: 'USD',
    af_events_api: 'true',
  });
});

it.each([
  ['click', 'click', 200],
  ['impression', 'impression', 200],
  ['first_open', 'install', 202],
  ['session', 'session', 202],
])('takes a %s for %s', (action, kind, expected) => {
  const body = {
    device_ids: [{ type: 'idfa', value: 'f-1' }],
    timestamp: now - 60_000,
    ip: '198.51.100.9',
    request_id: 'r-1',
  };
  const { status, events } = send(body, { path: `/v1.0/s2s/${action}/app/ios/id1` });
  expect(status).toBe(expected);
  expect(events[0]).toMatchObject({
    event_name: kind,
    event_kind: kind,
    idfa: 'f-1',
    event_id: 'r-1',
    platform: 'ios',
  });
});

it('takes a click by GET, with a key in the query for who can only fill a URL', () => {
  const query = `write_key=${secretKey}&af_media_source=acme&af_campaign_id=c-1&af_click_id=k-1&advertising_id=g-1&af_ua=Game%201`;
  const { events } = send('', {
    method: 'GET',
    path: '/v1.0/s2s/click/app/android/com.acme.game',
    query,
    header: () => undefined,
    body: new Uint8Array(),
  });
  expect(events[0]).toMatchObject({
    network: 'acme',
    campaign_id: 'c-1',
    click_id: 'k-1',
    gaid: 'g-1',
    user_agent: 'Game 1',
    platform: 'android',
  });
  expect(JSON.stringify(events)).not.toContain(secretKey);
});

it('knows a television by an id that has no field', () => {
  const { events } = send(
    { device_ids: [{ type: 'rida', value: 't-1' }], event_name: 'play' },
    { path: '/v1.0/s2s/inapp/app/roku/1' },
  );
  expect(events[0]).toMatchObject({ anonymous_id: 't-1', platform: 'roku' });
});

it('writes years back with a secret key, and thirty days with a write key', () => {
  const old = { appsflyer_id: 'a', eventName: 'e', eventTime: '2024-01-01 00:00:00.000' };
  expect(send(old).events[0]).toMatchObject({ flags: expect.arrayContaining(['backfill']) });
  expect(send(old, authentication(writeKey))).toMatchObject({
    status: 400,
    answer: { error: { code: 'BAD_TIMESTAMP' } },
  });
});

it('tells the sender of an event that was refused, and keeps it as a dead letter', () => {
  const { status, answer, deadLetters } = send({ eventName: 'e' });
  expect([status, answer]).toMatchObject([400, { error: { code: 'SUBJECT_MISSING' } }]);
  expect(deadLetters[0]).toMatchObject({ source_format: 'appsflyer', code: 'SUBJECT_MISSING' });
});

it.each([
  ['wrong', 401],
  ['trk_off', 404],
])('refuses the key %p with %i', (key, status) => {
  expect(send({ eventName: 'e', idfa: 'f' }, authentication(key)).status).toBe(status);
  expect(collect(aRequest('{}', { path: '/inappevent/id1', authorization: undefined }), aSnapshot()).status).toBe(401);
});
