import { aRequest, collect, now, secretKey, writeKey } from '../collector.testing.ts';
import type { CollectorRequest } from '../request.ts';

const headersOf = (headers: Record<string, string>) => (name: string) => headers[name];
const client = { 'openpanel-client-id': writeKey, 'openpanel-sdk-name': 'node"', 'openpanel-sdk-version': '1.3.1' };
const send = (body: unknown, headers: Record<string, string> = client, overrides: Partial<CollectorRequest> = {}) =>
  collect(aRequest(body, { path: '/track', authorization: undefined, header: headersOf(headers), ...overrides }));
const track = (payload: Record<string, unknown>) => ({
  type: 'track',
  payload: { name: 'level_complete', ...payload },
});

it('takes an event and answers the ids of device and session', () => {
  const { status, answer, events } = send(track({ profileId: 'u-1', properties: { level: 3 } }));
  expect([status, answer]).toEqual([
    200,
    { deviceId: expect.stringMatching(/^[0-9a-f]{32}$/), sessionId: expect.any(String) },
  ]);
  expect(events[0]).toMatchObject({
    source_format: 'openpanel',
    user_id: 'u-1',
    device_key: 'u-1',
    sdk: 'node"/1.3.1',
  });
  expect(events[0]).not.toHaveProperty('anonymous_id');
});

it('shares /track with Mixpanel by its header', () => {
  const mixpanel = { event: 'e', properties: { token: writeKey, distinct_id: 'u' } };
  expect(send(mixpanel, {}).events[0]).toMatchObject({ source_format: 'mixpanel' });
  expect(send(track({ profileId: 'u-1' })).events[0]).toMatchObject({ source_format: 'openpanel' });
});

it('makes an id of the day for who names none, from which the address can’t be told', () => {
  const idOf = (overrides: Partial<CollectorRequest> = {}) =>
    send(track({}), client, overrides).events[0]!.anonymous_id;
  expect(idOf()).toBe(idOf({ receivedAt: now + 3_600_000 }));
  expect(idOf()).toBe(send(track({})).answer['deviceId']);
  const others = [
    idOf({ receivedAt: now + 86_400_000 }),
    idOf({ remoteAddress: '203.0.113.78' }),
    idOf({ userAgent: 'other' }),
    send(track({}), { ...client, 'openpanel-client-secret': secretKey }).events[0]!.anonymous_id,
  ];
  expect(new Set([idOf(), ...others]).size).toBe(5);
});

it('believes a server’s secret rather than the id', () => {
  expect(send(track({ profileId: 'u' }), { ...client, 'openpanel-client-secret': 'wrong' }).status).toBe(401);
  const headers = { 'openpanel-client-id': 'any', 'openpanel-client-secret': secretKey };
  expect(send(track({ profileId: 'u', properties: { __ip: '198.51.100.9' } }), headers).events[0]!.ip).toBe(
    '198.51.100.0',
  );
});

it.each([
  ['identify', 'identify', {}],
  ['increment', 'identify', { type: 'increment' }],
  ['alias', 'alias', {}],
  ['group', 'group', {}],
  ['assign_group', 'group', { type: 'assign_group' }],
])('takes %s for %s', (type, kind, more) => {
  const { events } = send({ type, payload: { profileId: 'u-1', plan: 'pro' } });
  expect(events[0]).toMatchObject({ event_name: kind, event_kind: kind, user_id: 'u-1' });
  expect(JSON.parse(events[0]!.properties)).toEqual({ plan: 'pro', ...more });
});

it('recognises a repeat by __timestamp, and can’t without', () => {
  const id = (properties: Record<string, unknown>) => send(track({ profileId: 'u', properties })).events[0]!.event_id;
  const timed = { __timestamp: new Date(now - 1_000).toISOString() };
  expect(id(timed)).toBe(id(timed));
  expect(id({})).not.toBe(id({}));
});

it('answers 200 with the verdict to an event that can’t be taken: the SDK would send it three times more', () => {
  const { status, answer, deadLetters } = send({ type: 'track', payload: { name: '' } });
  expect([status, deadLetters.length]).toEqual([200, 1]);
  expect(answer['rejected']).toMatchObject([{ code: 'EVENT_NAME_MISSING' }]);
});
