import { CodedError, type ErrorCode, errorCatalogue } from '@tributary/schema';
import { aRequest, collect, now, writeKey } from '../collector.testing.ts';
import { refusalFor } from '../core.ts';
import type { CollectorRequest } from '../request.ts';

const path = '/com.snowplowanalytics.snowplow/tp2';
const anEvent = (overrides: Record<string, unknown> = {}) => ({
  e: 'pv',
  eid: 's-1',
  aid: writeKey,
  uid: 'u-1',
  dtm: String(now - 5_000),
  ...overrides,
});
const send = (data: unknown, overrides: Partial<CollectorRequest> = {}) =>
  collect(aRequest({ schema: 'iglu:x', data }, { path, authorization: undefined, ...overrides }));
const one = (overrides: Record<string, unknown>) => send([anEvent(overrides)]).events[0]!;
const selfDescribing = {
  schema: 'iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0',
  data: { schema: 'iglu:com.acme/level_complete/jsonschema/1-0-0', data: { level: 3, name: 'a "b" \\ ü' } },
};
const contexts = {
  schema: 'iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0',
  data: [
    {
      schema: 'iglu:com.snowplowanalytics.snowplow/mobile_context/jsonschema/1-0-3',
      data: { osType: 'iOS', osVersion: '26', deviceModel: 'iPhone', appleIdfv: 'v-1' },
    },
    { schema: 'iglu:com.snowplowanalytics.snowplow/client_session/jsonschema/1-0-2', data: { userId: 'd-1' } },
  ],
};
const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

it('takes a batch, and the key from aid, which is stored nowhere', () => {
  const { status, events, deadLetters } = send([anEvent({ stm: String(now - 1_000) }), anEvent({ dtm: 'soon' })]);
  expect(status).toBe(200);
  expect(events[0]).toMatchObject({
    source_format: 'snowplow',
    event_kind: 'page',
    event_id: 's-1',
    occurred_at: now - 4_000,
    clock_skew_ms: 1_000,
  });
  expect(deadLetters).toHaveLength(1);
  expect(JSON.stringify([events, deadLetters])).not.toContain(writeKey);
});

it('keeps aid where a header tells the key', () => {
  const authorization = `Bearer ${writeKey}`;
  const header = (name: string) => (name === 'authorization' ? authorization : undefined);
  const { events } = send([anEvent({ aid: 'web' })], { authorization, header });
  expect(JSON.parse(events[0]!.properties)).toEqual({ aid: 'web' });
});

it('takes one event as the query of GET /i', () => {
  const query = new URLSearchParams(anEvent({ page: 'Größe & "mehr"' }) as Record<string, string>).toString();
  const { events } = send('', { path: '/i', method: 'GET', query, body: new Uint8Array() });
  expect(JSON.parse(events[0]!.properties)).toMatchObject({ page: 'Größe & "mehr"' });
});

it.each([
  ['ue_px', 'cx', base64],
  ['ue_pr', 'co', JSON.stringify],
] as const)('unpacks a self-describing event in %s and contexts in %s', (self, context, pack) => {
  const event = one({ e: 'ue', [self]: pack(selfDescribing), [context]: pack(contexts) });
  expect(event).toMatchObject({
    event_name: 'level_complete',
    event_kind: 'custom',
    anonymous_id: 'd-1',
    platform: 'ios',
    idfv: 'v-1',
    os_version: '26',
    device_model: 'iPhone',
  });
  expect(JSON.parse(event.properties)).toEqual({
    ...selfDescribing.data.data,
    event_schema: selfDescribing.data.schema,
    contexts: contexts.data,
  });
});

it('knows the kinds of self-describing events, and names a structured one by its action', () => {
  const schema = (name: string) =>
    JSON.stringify({
      schema: 'x',
      data: { schema: `iglu:com.snowplowanalytics.mobile/${name}/jsonschema/1-0-0`, data: {} },
    });
  expect(one({ e: 'ue', ue_pr: schema('screen_view') }).event_kind).toBe('screen');
  expect(one({ e: 'ue', ue_pr: schema('application_install') }).event_kind).toBe('install');
  expect(one({ e: 'se', se_ca: 'shop', se_ac: 'buy' })).toMatchObject({ event_name: 'buy', event_kind: 'custom' });
});

it('keeps what it can’t unpack, and what doesn’t fit', () => {
  const url = `https://example.com/${'x'.repeat(2_000)}`;
  const event = one({ cx: 'nonsense', url });
  expect(event).not.toHaveProperty('url');
  expect(JSON.parse(event.properties)).toEqual({ cx: 'nonsense', url });
});

it('refuses an event that names no subject, as a dead letter', () => {
  const { deadLetters, status } = send([anEvent({ uid: undefined })]);
  expect([status, deadLetters[0]!.code]).toEqual([200, 'SUBJECT_MISSING']);
});

describe('a refusal', () => {
  const final = [400, 401, 403, 410, 422];

  it.each((Object.keys(errorCatalogue) as ErrorCode[]).map((code) => [code, errorCatalogue[code].retryable] as const))(
    'with %s is one that the tracker sends again only if that can help: %p',
    (code, retryable) => {
      const { status } = refusalFor(new CodedError(code), aRequest('', { path }));
      expect(final.includes(status)).toBe(!retryable);
    },
  );
});
