import { aRequest, collect, now, secretKey } from '../collector.testing.ts';
import type { CollectorRequest } from '../request.ts';

const seconds = (now - 60_000) / 1_000;
const authorization = `Bearer ${secretKey}`;
const send = (body: string, overrides: Partial<CollectorRequest> = {}) =>
  collect(aRequest(body, { path: '/event', authorization, ...overrides }));
const get = (path: string, query: string, overrides: Partial<CollectorRequest> = {}) =>
  send('', { method: 'GET', path, query, body: new Uint8Array(), ...overrides });
const pairs = `s2s=1&app_token=4w565xzmb54d&event_token=f0ob4r&gps_adid=g-1&created_at_unix=${seconds}&revenue=4.99&currency=USD&callback_params=%7B%22order%22%3A%227%22%7D`;

it.each([
  ['a form', pairs, ''],
  ['parameters of the query', '', pairs],
  ['both', pairs.replace('s2s=1&', ''), 's2s=1'],
])('takes an event as %s', (_, body, query) => {
  const { status, events, answer } = body === '' ? get('/event', query) : send(body, { query });
  expect([status, answer]).toEqual([200, { status: 'OK' }]);
  expect(events[0]).toMatchObject({
    source_format: 'adjust',
    event_name: 'f0ob4r',
    event_kind: 'purchase',
    gaid: 'g-1',
    revenue_amount: '4.99',
    revenue_currency: 'USD',
    occurred_at: now - 60_000,
  });
  expect(JSON.parse(events[0]!.properties)).toEqual({
    callback_params: { order: '7' },
    app_token: '4w565xzmb54d',
    event_token: 'f0ob4r',
  });
});

it('takes clicks, impressions, sessions and installs', () => {
  const query = `s2s=1&idfa=f-1&campaign=c-1&adgroup=s-1&creative=x-1&ip_address=198.51.100.9&user_agent=Game%201`;
  expect(get('/abc123', query).events[0]).toMatchObject({
    event_kind: 'click',
    link_id: 'abc123',
    idfa: 'f-1',
    campaign_id: 'c-1',
    adgroup_id: 's-1',
    creative_id: 'x-1',
    ip: '198.51.100.0',
    user_agent: 'Game 1',
  });
  expect(get('/impression/abc123', query).events[0]).toMatchObject({ event_kind: 'impression', link_id: 'abc123' });
  expect(get('/session', query).events[0]).toMatchObject({ event_kind: 'session' });
  expect(get('/install', query).events[0]).toMatchObject({ event_kind: 'install' });
});

it('takes a key as parameter from who can only fill a URL, and stores it nowhere', () => {
  const { events } = get('/abc123', `s2s=1&idfa=f-1&write_key=${secretKey}`, { authorization: undefined });
  expect(events).toHaveLength(1);
  expect(JSON.stringify(events)).not.toContain(secretKey);
});

it('wants s2s=1: without it a path that could be anything is nothing', () => {
  expect(get('/graphql', '', { authorization: undefined })).toMatchObject({
    status: 404,
    answer: { error: { code: 'NOT_FOUND' } },
  });
  expect(send('event_token=a&idfa=f').status).toBe(400);
  expect(get('/abc123', 's2s=1&idfa=f', { authorization: undefined }).status).toBe(401);
});

it('tells the sender of an event that was refused, and keeps it as a dead letter', () => {
  const { status, answer, deadLetters } = send('s2s=1&event_token=e');
  expect([status, answer]).toMatchObject([400, { error: { code: 'SUBJECT_MISSING' } }]);
  expect(deadLetters[0]).toMatchObject({ source_format: 'adjust' });
});

it('writes years back with a secret key', () => {
  expect(send('s2s=1&event_token=e&idfa=f&created_at_unix=1704067200').events[0]!.flags).toContain('backfill');
});
