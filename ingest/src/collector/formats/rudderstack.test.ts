import { aRequest, collect, now, writeKey } from '../collector.testing.ts';
import type { CollectorRequest } from '../request.ts';

const message = { type: 'track', event: 'e', messageId: 'm-1', userId: 'u-1', properties: {} };
const fromRudder = { ...message, channel: 'server', originalTimestamp: new Date(now - 5_000).toISOString() };
const formatOf = (body: unknown, overrides: Partial<CollectorRequest> = {}) =>
  collect(aRequest(body, { path: '/v1/batch', ...overrides })).events.map(({ source_format }) => source_format);
const withHeader = (name: string, value: string) => ({
  header: (asked: string) => (asked === name ? value : undefined),
});

describe('a request on a path of Segment’s', () => {
  it('is RudderStack’s by what its messages carry since they were queued', () => {
    expect(formatOf({ batch: [fromRudder] })).toEqual(['rudderstack']);
    expect(formatOf({ batch: [message] })).toEqual(['segment']);
    expect(formatOf({ batch: [{ ...message, channel: 'server' }] })).toEqual(['segment']);
    expect(formatOf({ batch: [{ ...message, properties: { channel: 1, originalTimestamp: 2 } }] })).toEqual([
      'segment',
    ]);
  });

  it.each([
    ['a JSON body that is called a form', withHeader('content-type', 'application/x-www-form-urlencoded')],
    ['the header of its browsers and phones', withHeader('anonymousid', 'YQ==')],
    ['a user agent with its name', { userAgent: 'RudderStack-Java/1.0' }],
  ])('is RudderStack’s by %s', (_, overrides) => {
    expect(formatOf({ batch: [message] }, overrides)).toEqual(['rudderstack']);
  });

  it('is Segment’s from Segment’s own SDKs, the older of which shares its user agent', () => {
    expect(formatOf({ batch: [message] }, { userAgent: 'analytics-node/6.2.0' })).toEqual(['segment']);
    expect(formatOf({ batch: [message] }, { userAgent: 'analytics-node-next/latest' })).toEqual(['segment']);
  });

  it('is claimed alike however its messages are put into batches, so that a repeat is one', () => {
    const other = { ...fromRudder, messageId: 'm-2' };
    const ids = (batch: unknown[]) =>
      collect(aRequest({ batch }, { path: '/v1/batch' })).events.map(
        (event) => `${event.source_format} ${event.dedupe_hash}`,
      );
    expect([...ids([fromRudder]), ...ids([other])]).toEqual(ids([fromRudder, other]));
  });
});

it('maps as Segment’s does', () => {
  const { events } = collect(aRequest({ batch: [fromRudder] }, { path: '/v1/batch' }));
  expect(events[0]).toMatchObject({ event_name: 'e', event_id: 'm-1', user_id: 'u-1', occurred_at: now - 5_000 });
  expect(JSON.parse(events[0]!.properties)).toEqual({ channel: 'server' });
});

it('takes the key of a beacon from the query', () => {
  const beacon = { path: '/beacon/v1/batch', query: `writeKey=${writeKey}`, authorization: undefined };
  expect(formatOf({ batch: [message] }, beacon)).toEqual(['rudderstack']);
  expect(collect(aRequest({ batch: [message] }, { ...beacon, query: '' })).status).toBe(401);
});
