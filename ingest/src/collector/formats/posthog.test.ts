import { CodedError } from '@tributary/schema';
import { aRequest, collect, now, secretKey, writeKey } from '../collector.testing.ts';
import { refusalFor } from '../core.ts';
import type { CollectorRequest } from '../request.ts';

const anEvent = (overrides: Record<string, unknown> = {}) => ({
  event: 'level_complete',
  uuid: 'p-1',
  distinct_id: 'u-1',
  timestamp: new Date(now - 5_000).toISOString(),
  properties: { level: 3 },
  ...overrides,
});
const noKey = { authorization: undefined };
const send = (body: unknown, overrides: Partial<CollectorRequest> = {}) =>
  collect(aRequest(body, { path: '/batch/', ...noKey, ...overrides }));
const v1 = (batch: unknown[], overrides: Partial<CollectorRequest> = {}) =>
  collect(
    aRequest(
      { created_at: new Date(now - 60_000).toISOString(), batch },
      { path: '/i/v1/analytics/events', ...overrides },
    ),
  );

describe('a body', () => {
  it.each([
    ['a batch', '/batch/', { api_key: writeKey, batch: [anEvent()] }],
    ['a batch without the slash', '/batch', { api_key: writeKey, batch: [anEvent()] }],
    ['one event', '/capture/', { api_key: writeKey, ...anEvent() }],
    ['one event with its key among the properties', '/i/v0/e/', anEvent({ properties: { token: writeKey, level: 3 } })],
    ['an array', '/e/', [anEvent({ properties: { token: writeKey, level: 3 } })]],
  ])('may be %s', (_, path, body) => {
    const { status, events, answer } = send(body, { path });
    expect([status, answer]).toEqual([200, { status: 1 }]);
    expect(events[0]).toMatchObject({ source_format: 'posthog', event_id: 'p-1', user_id: 'u-1' });
    expect(JSON.parse(events[0]!.properties)).toEqual({ level: 3 });
  });

  it('may be a form in JSON or base64, and its clock is in the query', () => {
    const json = JSON.stringify(anEvent({ properties: { token: writeKey, text: 'a "b" \\ ü' } }));
    const query = `compression=base64&_=${now - 1_000}`;
    for (const body of [
      `data=${encodeURIComponent(Buffer.from(json).toString('base64'))}`,
      `data=${encodeURIComponent(json)}`,
    ]) {
      const { events } = send(body, { path: '/e/', query });
      expect(events[0]).toMatchObject({ clock_skew_ms: 1_000, occurred_at: now - 4_000 });
      expect(JSON.parse(events[0]!.properties)).toEqual({ text: 'a "b" \\ ü' });
    }
  });

  it('may come as query of a pixel', () => {
    const data = Buffer.from(JSON.stringify({ api_key: writeKey, ...anEvent() })).toString('base64url');
    expect(send('', { path: '/e/', method: 'GET', query: `data=${data}` }).events).toHaveLength(1);
  });

  it.each([
    ['{', 'BODY_UNPARSABLE'],
    ['7', 'BODY_UNPARSABLE'],
    ['{}', 'BODY_UNPARSABLE'],
    ['data=%', 'BODY_UNPARSABLE'],
    ['data=e30x', 'BODY_UNPARSABLE'],
    ['{"batch":[]}', 'BODY_EMPTY'],
  ])('of %p is refused with %s', (body, code) => {
    expect(send(body)).toMatchObject({ status: 400, answer: { error: { code } } });
  });
});

it('knows a device from a person', () => {
  const one = (properties: Record<string, unknown>) =>
    send({ api_key: writeKey, batch: [anEvent({ distinct_id: 'x', properties })] }).events[0];
  expect(one({})).toMatchObject({ user_id: 'x', device_key: 'x' });
  expect(one({ $device_id: 'x' })).toMatchObject({ anonymous_id: 'x' });
  expect(one({ $device_id: 'x' })).not.toHaveProperty('user_id');
  expect(one({ $device_id: 'd' })).toMatchObject({ anonymous_id: 'd', user_id: 'x' });
  expect(one({ $is_identified: false })).toMatchObject({ anonymous_id: 'x' });
  expect(JSON.parse(one({ $is_identified: false, $device_id: 'd' })!.properties)).toMatchObject({ distinct_id: 'x' });
});

it('stores a key nowhere, and an address outside the properties', () => {
  const bad = anEvent({ event: '', api_key: writeKey, properties: { token: writeKey, $ip: '198.51.100.9' } });
  const { events, deadLetters } = send({ api_key: writeKey, batch: [{ ...bad, event: 'e' }, bad] });
  expect(JSON.stringify([events, deadLetters])).not.toContain(writeKey);
  expect(events[0]!.properties).not.toContain('198.51');
  const believed = collect(
    aRequest(
      { batch: [anEvent({ properties: { $ip: '198.51.100.9' } })] },
      { path: '/batch/', authorization: `Bearer ${secretKey}` },
    ),
  );
  expect(believed.events[0]!.ip).toBe('198.51.100.0');
});

describe('capture mode v1', () => {
  it('says for each uuid what became of it', () => {
    const { status, answer, events, deadLetters } = v1([anEvent(), anEvent({ uuid: 'p-2', timestamp: 'soon' })]);
    expect(status).toBe(200);
    expect(answer).toEqual({
      results: {
        'p-1': { result: 'ok' },
        'p-2': { result: 'drop', details: expect.stringContaining('BAD_TIMESTAMP') },
      },
    });
    expect([events.length, deadLetters.length]).toEqual([1, 1]);
  });

  it('puts the clock right by the attempt, not by the batch, which is older at a repeat', () => {
    const header = (name: string) =>
      ({ 'posthog-request-timestamp': new Date(now - 2_000).toISOString(), 'posthog-sdk-info': 'posthog-node/5.70.0' })[
        name
      ];
    expect(v1([anEvent()], { header }).events[0]).toMatchObject({ clock_skew_ms: 2_000, sdk: 'posthog-node/5.70.0' });
  });

  it('answers a throttled key with 503, since to some of its SDKs a 429 is final', () => {
    const error = new CodedError('RATE_LIMITED', { retryAfterSeconds: 7 });
    const { status, headers } = refusalFor(error, aRequest('', { path: '/i/v1/analytics/events' }));
    expect([status, headers['retry-after']]).toEqual([503, '7']);
    expect(refusalFor(error, aRequest('', { path: '/batch/' })).status).toBe(429);
  });
});
