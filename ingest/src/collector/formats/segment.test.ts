import { limits } from '@tributary/schema';
import { aRequest, collect, now, secretKey, writeKey } from '../collector.testing.ts';

const iso = (ms: number) => new Date(ms).toISOString();
const message = (overrides: Record<string, unknown> = {}) => ({
  type: 'track',
  event: 'Level Completed',
  messageId: 'm-1',
  anonymousId: 'a-1',
  timestamp: iso(now - 5_000),
  properties: { level: 3 },
  ...overrides,
});
const send = (body: unknown, path = '/v1/batch', authorization: string | undefined = `Bearer ${writeKey}`) =>
  collect(aRequest(body, { path, authorization }));
const one = (overrides: Record<string, unknown>, authorization?: string) => {
  const { events, answer } = send({ batch: [message(overrides)], sentAt: iso(now) }, '/v1/batch', authorization);
  if (!events[0]) throw new Error(JSON.stringify(answer));
  return events[0];
};

it('maps a track message', () => {
  const event = one({
    userId: 'u-1',
    context: {
      app: { version: '4.2.0' },
      os: { name: 'Android', version: '15' },
      device: { advertisingId: 'g-1', id: 'n-1', model: 'Pixel 9' },
      campaign: { source: 'acme', medium: 'cpc', term: 'games', name: 'Summer' },
      page: { url: 'https://example.com/a', referrer: 'https://example.com/b' },
      library: { name: 'analytics-android', version: '1.2.3' },
      locale: 'de-DE',
      timezone: 'Europe/Berlin',
      userAgent: 'Game/1',
    },
  });
  expect(event).toMatchObject({
    source_format: 'segment',
    event_name: 'Level Completed',
    event_kind: 'custom',
    event_id: 'm-1',
    anonymous_id: 'a-1',
    user_id: 'u-1',
    occurred_at: now - 5_000,
    sent_at: now,
    gaid: 'g-1',
    android_id: 'n-1',
    device_model: 'Pixel 9',
    platform: 'android',
    os_version: '15',
    app_version: '4.2.0',
    source: 'acme',
    medium: 'cpc',
    keyword: 'games',
    url: 'https://example.com/a',
    referrer: 'https://example.com/b',
    sdk: 'analytics-android/1.2.3',
    locale: 'de-DE',
    timezone: 'Europe/Berlin',
    user_agent: 'Game/1',
  });
  expect(JSON.parse(event.properties)).toMatchObject({ level: 3, context: { campaign: { name: 'Summer' } } });
});

it('takes the ids of an iPhone for idfa and idfv', () => {
  const context = { os: { name: 'iOS' }, device: { advertisingId: 'f-1', id: 'v-1' } };
  const event = one({ context });
  expect(event).toMatchObject({ platform: 'ios', idfa: 'f-1', idfv: 'v-1' });
  expect(event).not.toHaveProperty('gaid');
});

it.each([
  ['identify', { traits: { plan: 'pro' } }, 'identify', { traits: { plan: 'pro' } }],
  ['page', { name: 'Home' }, 'page', { name: 'Home' }],
  ['screen', { name: 'Shop' }, 'screen', { name: 'Shop' }],
  ['group', { groupId: 'g' }, 'group', { groupId: 'g' }],
  ['alias', { previousId: 'p' }, 'alias', { previousId: 'p' }],
])('maps %s to its kind', (type, fields, kind, properties) => {
  const event = one({ type, event: undefined, properties: undefined, ...fields });
  expect(event).toMatchObject({ event_name: kind, event_kind: kind });
  expect(JSON.parse(event.properties)).toEqual(properties);
});

it.each([
  ['Order Completed', 'purchase'],
  ['Application Installed', 'install'],
  ['Application Opened', 'session'],
  ['Order Refunded', 'refund'],
])('knows %s for %s', (event, kind) => {
  expect(one({ event })).toMatchObject({ event_name: event, event_kind: kind });
});

describe('money', () => {
  it.each([
    [{ revenue: 4.99, currency: 'usd' }, '4.99', 'USD'],
    [{ total: '12.50', currency: 'GBP' }, '12.50', 'GBP'],
    [{ value: 3 }, '3', 'EUR'],
    [{ revenue: 5, total: 7, currency: 'euro' }, '5', 'EUR'],
  ])('is taken from %p', (properties, amount, currency) => {
    expect(one({ properties })).toMatchObject({ revenue_amount: amount, revenue_currency: currency });
  });

  it('that is no decimal stays a property', () => {
    const event = one({ properties: { revenue: '4,99 €' } });
    expect(event).not.toHaveProperty('revenue_amount');
    expect(JSON.parse(event.properties)).toEqual({ revenue: '4,99 €' });
  });
});

it('loses no event over a context that does not fit', () => {
  const context = {
    locale: { language: 'de' },
    os: { name: 7, version: 'x'.repeat(51) },
    page: { url: `https://example.com/${'x'.repeat(2_000)}` },
    device: 'Pixel',
  };
  const event = one({ context });
  for (const field of ['locale', 'platform', 'os_version', 'url', 'sdk']) expect(event).not.toHaveProperty(field);
  expect((JSON.parse(event.properties) as { context: unknown }).context).toEqual(context);
});

it('loses no field over a name that is taken', () => {
  const event = one({
    properties: { traits: 1, context: 2 },
    traits: { a: 1 },
    context: { locale: 'de' },
    _traits: 3,
    custom: true,
  });
  expect(JSON.parse(event.properties)).toEqual({
    traits: 1,
    context: 2,
    _traits: { a: 1 },
    _context: { locale: 'de' },
    __traits: 3,
    custom: true,
  });
});

it("keeps an address out of the properties, and believes a server's only", () => {
  const context = { ip: '198.51.100.9', locale: 'de' };
  const event = one({ context });
  expect(event.ip).toBe('203.0.113.0');
  expect(JSON.parse(event.properties)).toEqual({ level: 3, context: { locale: 'de' } });
  expect(one({ context }, `Bearer ${secretKey}`).ip).toBe('198.51.100.0');
});

it('keeps properties that are no object', () => {
  expect(JSON.parse(one({ properties: ['a'] }).properties)).toEqual({ properties: ['a'] });
});

describe('a request', () => {
  it('may be one message on the path of its type, which wins', () => {
    const { events, answer } = send({ ...message(), type: 'page', sentAt: iso(now - 1_000) }, '/v1/track');
    expect(answer).toEqual({ success: true, accepted: 1, event_ids: ['m-1'], rejected: [] });
    expect(events[0]).toMatchObject({ event_name: 'Level Completed', clock_skew_ms: 1_000, occurred_at: now - 4_000 });
  });

  it('may carry its key in the body, as name of Basic or as Bearer', () => {
    const body = { batch: [message()] };
    expect(send({ ...body, writeKey }, '/v1/batch', '').status).toBe(401);
    expect(collect(aRequest({ ...body, writeKey }, { path: '/v1/batch', authorization: undefined })).status).toBe(200);
    const basic = `Basic ${Buffer.from(`${writeKey}:`).toString('base64')}`;
    expect(send(body, '/v1/batch', basic).status).toBe(200);
    expect(send({ ...body, writeKey: 'wrong' }, '/v1/batch', basic).status).toBe(200);
  });

  it('leaves its key in no dead letter', () => {
    const { deadLetters } = send({ ...message({ event: '' }), writeKey }, '/v1/track');
    expect(deadLetters).toHaveLength(1);
    expect(JSON.stringify(deadLetters)).not.toContain(writeKey);
  });

  it.each([
    ['{', 'BODY_UNPARSABLE'],
    ['[]', 'BODY_UNPARSABLE'],
    ['{}', 'BODY_UNPARSABLE'],
    ['{"batch":{}}', 'BODY_UNPARSABLE'],
    ['{"batch":[]}', 'BODY_EMPTY'],
  ])('of %p is refused with %s', (body, code) => {
    expect(send(body)).toMatchObject({ status: 400, answer: { error: { code } } });
  });

  it('holds messages of 32 KB, weighed as they were sent', () => {
    const quotes = '"'.repeat(limits.segmentEventBytes / 4);
    const padding = 'x'.repeat(limits.segmentEventBytes);
    const batch = [
      message({ messageId: 'quotes', properties: { quotes } }),
      message({ messageId: 'big', properties: { padding } }),
      message({ messageId: 'umlauts', properties: { umlauts: 'ä'.repeat(limits.segmentEventBytes / 2) } }),
    ];
    const { events, answer } = send({ batch });
    expect(events.map(({ event_id }) => event_id)).toEqual(['quotes']);
    expect(answer['rejected']).toMatchObject([
      { id: 'big', code: 'SIZE_VIOLATION' },
      { id: 'umlauts', code: 'SIZE_VIOLATION' },
    ]);
  });

  it.each([
    [{ messageId: undefined, timestamp: undefined }, /^evt_/],
    [{ messageId: undefined }, /^gen_/],
    [{ timestamp: undefined, originalTimestamp: iso(now - 9_000) }, /^m-1$/],
  ])('gives a message with %p an id like %p', (overrides, id) => {
    expect(one(overrides).event_id).toMatch(id);
  });
});
