import { CodedError } from '@tributary/schema';
import { aDirectory, aRequest, collect, now, secretKey, writeKey } from '../collector.testing.ts';
import { type CollectorOutcome, createCollectorCore, refusalFor } from '../core.ts';
import type { CollectorRequest } from '../request.ts';

const anEvent = (properties: Record<string, unknown> = {}, event = 'level_complete') => ({
  event,
  properties: { token: writeKey, distinct_id: 'u-1', $insert_id: 'i-1', time: (now - 5_000) / 1_000, ...properties },
});
const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64');
const noKey = { authorization: undefined };
const requestOf = (body: unknown, overrides: Partial<CollectorRequest> = {}) =>
  aRequest(body, { path: '/track', ...noKey, ...overrides });
const send = (...args: Parameters<typeof requestOf>) => collect(requestOf(...args));
const textOf = (request: CollectorRequest): string =>
  (createCollectorCore({ directory: aDirectory() }).handle(request) as CollectorOutcome).response.body;

describe('events', () => {
  it.each([
    ['a query', '', { method: 'GET', query: `data=${encodeURIComponent(base64(anEvent()))}` }],
    ['a form of base64 whose plus signs nobody escaped', `data=${base64([anEvent({ pad: '>>>???~~~' })])}`, {}],
    ['a form of JSON', `data=${encodeURIComponent(JSON.stringify([anEvent()]))}&verbose=0`, {}],
    ['JSON', [anEvent()], {}],
    ['lines', `${JSON.stringify(anEvent())}\n${JSON.stringify(anEvent({ $insert_id: 'i-2' }))}`, { path: '/import' }],
  ])('may come as %s', (_, body, overrides) => {
    const { status, events } = send(body, overrides);
    expect(status).toBe(200);
    expect(events[0]).toMatchObject({
      source_format: 'mixpanel',
      event_name: 'level_complete',
      event_id: 'i-1',
      user_id: 'u-1',
      occurred_at: now - 5_000,
    });
    expect(JSON.stringify(events)).not.toContain(writeKey);
  });

  it('keep quotes and backslashes that base64 hid', () => {
    const text = 'a "quoted" \\ text\u2028';
    const { events } = send(`data=${base64(anEvent({ text }))}`);
    expect(JSON.parse(events[0]!.properties)).toMatchObject({ text });
  });

  it('older than 30 days need a secret key, which may be the name of Basic or api_key', () => {
    const old = anEvent({ time: now - 100 * 86_400_000 });
    expect(send([old], { path: '/import' }).events).toEqual([]);
    expect(send([old], { path: '/import', query: `api_key=${secretKey}` }).events).toHaveLength(1);
    const authorization = `Basic ${Buffer.from(`${secretKey}:`).toString('base64')}`;
    expect(send([old], { path: '/import', authorization }).events).toHaveLength(1);
  });

  it('without id or time get an id as the format can give', () => {
    expect(send([anEvent({ $insert_id: undefined })]).events[0]!.event_id).toMatch(/^gen_/);
    expect(send([anEvent({ $insert_id: undefined, time: undefined })]).events[0]!.event_id).toMatch(/^evt_/);
  });
});

describe('changes of profiles', () => {
  it('of people are identify', () => {
    const change = { $token: writeKey, $distinct_id: 'u-1', $set: { plan: 'pro' }, $time: now - 1_000 };
    const { events } = send(`data=${base64(change)}`, { path: '/engage' });
    expect(events[0]).toMatchObject({ event_kind: 'identify', user_id: 'u-1', occurred_at: now - 1_000 });
    expect(JSON.parse(events[0]!.properties)).toEqual({ $set: { plan: 'pro' } });
  });

  it('of groups are group, which stands for itself', () => {
    const change = { $token: writeKey, $group_key: 'guild', $group_id: 7, $set: { size: 3 } };
    const { events } = send([change], { path: '/groups/' });
    expect(events[0]).toMatchObject({ event_kind: 'group', anonymous_id: 'group:guild:7' });
    expect(JSON.parse(events[0]!.properties)).toEqual({ $group_key: 'guild', $group_id: 7, $set: { size: 3 } });
  });
});

describe('the answer', () => {
  const bad = anEvent({ time: 'soon' });

  it('is exactly 1, or status 1 where more is asked for', () => {
    expect(textOf(requestOf([anEvent()]))).toBe('1');
    expect(textOf(requestOf([anEvent(), bad]))).toBe('1');
    expect(JSON.parse(textOf(requestOf([anEvent()], { query: 'verbose=1' })))).toEqual({ status: 1, error: null });
  });

  it('is 0 where no event was taken', () => {
    expect(textOf(requestOf([bad]))).toBe('0');
    expect(JSON.parse(textOf(requestOf([bad], { query: 'verbose=1' })))).toEqual({
      status: 0,
      error: expect.stringContaining('BAD_TIMESTAMP'),
    });
  });

  it('to a strict import names the refused records', () => {
    const { status, answer } = send([anEvent(), bad], { path: '/import', query: 'strict=1' });
    expect([status, answer]).toMatchObject([
      400,
      { code: 400, num_records_imported: 1, failed_records: [{ index: 1, insert_id: 'i-1', field: 'occurred_at' }] },
    ]);
    expect(send([anEvent()], { path: '/import', query: 'strict=1' }).answer).toMatchObject({ code: 200, status: 'OK' });
  });

  it.each([
    ['RATE_LIMITED', 429],
    ['LOG_UNAVAILABLE', 503],
    ['PAYLOAD_TOO_LARGE', 413],
    ['UNSUPPORTED_ENCODING', 415],
    ['BODY_TIMEOUT', 408],
  ] as const)('to a refusal with %s is 0 in the form that was asked for', (code, status) => {
    const plain = refusalFor(new CodedError(code), requestOf(''));
    expect([plain.status, plain.body, plain.headers['x-error-code']]).toEqual([status, '0', code]);
    const verbose = refusalFor(new CodedError(code), requestOf('', { query: 'ip=0&verbose=1' }));
    expect(JSON.parse(verbose.body)).toEqual({ status: 0, error: expect.stringContaining(code) });
  });
});

it.each([['{'], ['data=%%'], ['data=e'], ['[]'], ['  ']])('refuses the body %p', (body) => {
  expect(send(body).status).toBe(400);
});
