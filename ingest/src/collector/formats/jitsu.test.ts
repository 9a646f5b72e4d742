import { aRequest, collect, now, writeKey } from '../collector.testing.ts';

const message = {
  type: 'track',
  event: 'Order Completed',
  messageId: 'm-1',
  anonymousId: 'a-1',
  timestamp: new Date(now - 5_000).toISOString(),
  sentAt: new Date(now - 1_000).toISOString(),
  writeKey: 'js:***',
  context: { page: { url: 'https://example.com/a' }, ip: '198.51.100.9' },
};
const send = (path: string, key: string | undefined, body: unknown = message) =>
  collect(
    aRequest(body, { path, authorization: undefined, header: (name) => (name === 'x-write-key' ? key : undefined) }),
  );

it.each([['/api/s/s2s/track'], ['/api/s/track']])('takes a message on %s, and answers JSON', (path) => {
  const { events, answer, status } = send(path, `js:${writeKey}`);
  expect([status, answer]).toMatchObject([200, { success: true }]);
  expect(events[0]).toMatchObject({
    source_format: 'jitsu',
    event_kind: 'purchase',
    event_id: 'm-1',
    occurred_at: now - 4_000,
    url: 'https://example.com/a',
  });
  expect(JSON.stringify(events)).not.toContain('***');
});

it.each([
  [`id:${writeKey}`, 200],
  [writeKey, 200],
  [`${writeKey}:`, 200],
  [':', 401],
  ['id:wrong', 401],
  [undefined, 401],
])('finds its key in X-Write-Key %p: %i', (key, status) => {
  expect(send('/api/s/track', key).status).toBe(status);
});

it('takes the type from the path', () => {
  expect(send('/api/s/s2s/identify', `js:${writeKey}`).events[0]).toMatchObject({ event_kind: 'identify' });
});
