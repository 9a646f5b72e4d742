import fc from 'fast-check';
import { secretKey, writeKey } from './collector.testing.ts';
import { fixedRoutes } from './formats/routes.ts';
import type { CollectorRequest } from './request.ts';

/** When every request arrives. */
export const receivedAt = Date.UTC(2026, 10, 24, 12);

/** Paths with parts of their own, beside the fixed ones. */
const openPaths = [
  '/inappevent/id1',
  '/inappevent/%E0%A4%A',
  '/v1.0/s2s/click/app/android/com.acme.game',
  '/v1.0/s2s/inapp/app/ios/id1',
  '/v1.0/c2s/first_open/app/roku/1',
  '/event',
  '/session',
  '/install',
  '/abc123',
  '/impression/abc123',
  '/c/summer',
  '/i/summer',
  '/c/none',
  '/nowhere',
];
const paths = [...fixedRoutes.keys(), ...openPaths];

/** Names that decoders look for, and names that have hurt others. */
const names = [
  ...['event_name', 'event', 'event_type', 'type', 'e', 'name', 'eventName', 'event_token'],
  ...['event_id', 'messageId', 'uuid', 'insert_id', '$insert_id', 'eid', 'request_id'],
  ...[
    'anonymous_id',
    'anonymousId',
    'user_id',
    'userId',
    'distinct_id',
    'device_id',
    'duid',
    'uid',
    'profileId',
    'idfa',
  ],
  ...[
    'occurred_at',
    'timestamp',
    'originalTimestamp',
    'time',
    'dtm',
    'ttm',
    'eventTime',
    '__timestamp',
    'created_at_unix',
  ],
  ...['sent_at', 'sentAt', 'stm', 'client_upload_time'],
  ...[
    'properties',
    'event_properties',
    'payload',
    'context',
    'traits',
    'eventValue',
    'callback_params',
    'ue_px',
    'cx',
    'co',
  ],
  ...['batch', 'events', 'data', 'channel', 'device', 'os', 'app', 'campaign', 'page', 'library', 'ip', 'device_ids'],
  ...[
    'revenue',
    'price',
    'quantity',
    '$price',
    'revenue_amount',
    'revenue_currency',
    'currency',
    'country',
    '$os',
    's2s',
  ],
  ...['app_id', 'block_id', 'received_at', 'device_key', 'writeKey', 'api_key', 'token', '$token', 'aid'],
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length', '', 'ä', '\ud800', 'a"b', 'a\\b', '\u0000'],
];
const name = fc.constantFrom(...names);
const sharpTexts = [
  ...[
    '',
    '0',
    '1',
    'null',
    'pv',
    'ue',
    'se',
    'track',
    'identify',
    '2026-11-24T11:59:00Z',
    '2026-02-30',
    '1795521540000',
  ],
  ...[
    '4.99',
    '-0',
    '1e400',
    'USD',
    'DE',
    'ios',
    '00000000-0000-0000-0000-000000000000',
    '$device:d',
    '\ud800\udc00',
    '\udfff',
  ],
  ...[
    '{"a":1}',
    '{"schema":"iglu:a/b/c/1","data":{"x":1}}',
    'eyJhIjoxfQ==',
    '[[[',
    '\u2028',
    '"',
    '\\',
    '\n',
    writeKey,
  ],
];
const leaf = fc.oneof(
  fc.constantFrom<unknown>(...sharpTexts),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.integer(),
  fc.double(),
  fc.constantFrom<unknown>(null, true, false, 2 ** 53 + 2, 1e308, -1, 1795521540000, 4.99),
  fc.constant('x'.repeat(2_100)),
);
const deep = fc
  .integer({ min: 30, max: 60 })
  .map((depth) => JSON.parse('['.repeat(depth) + ']'.repeat(depth)) as unknown);
const value = fc.letrec<{ node: unknown; object: unknown; list: unknown }>((tie) => ({
  node: fc.oneof({ maxDepth: 4, depthIdentifier: 'json' }, leaf, tie('object'), tie('list')),
  object: fc.array(fc.tuple(name, tie('node')), { maxLength: 8, depthIdentifier: 'json' }).map(objectOf),
  list: fc.array(tie('node'), { maxLength: 4, depthIdentifier: 'json' }),
})).node;

/** Own members, a `__proto__` too. */
function objectOf(entries: readonly (readonly [string, unknown])[]): unknown {
  const object = {};
  for (const [key, member] of entries)
    Object.defineProperty(object, key, { value: member, enumerable: true, configurable: true, writable: true });
  return object;
}

/** An event as a vendor sends it, on a path of the vendor's, and how its body holds events. */
interface Aim {
  readonly paths: readonly string[];
  readonly event: Readonly<Record<string, unknown>>;
  readonly hold: (events: readonly unknown[]) => unknown;
  readonly headers?: Readonly<Record<string, string>>;
}
const messages = (batch: readonly unknown[]): unknown => ({ batch, sentAt: '2026-11-24T12:00:00Z', writeKey });
const firstOf = (events: readonly unknown[]): unknown => events[0];
const segmentEvent = {
  type: 'track',
  event: 'e',
  userId: 'u',
  messageId: 'm',
  timestamp: '2026-11-24T11:59:00Z',
  context: {},
};
const time = 1795521540000;
const aims: readonly Aim[] = [
  { paths: ['/v1/events'], event: { event_name: 'e', anonymous_id: 'a' }, hold: messages },
  { paths: ['/v1/batch'], event: segmentEvent, hold: messages },
  { paths: ['/v1/track', '/api/s/track'], event: segmentEvent, hold: firstOf },
  { paths: ['/v1/batch'], event: { ...segmentEvent, channel: 'server', originalTimestamp: time }, hold: messages },
  {
    paths: ['/batch/', '/batch', '/i/v1/analytics/events', '/e/'],
    event: { event: 'e', uuid: 'i', distinct_id: 'u', properties: { $os: 'iOS' } },
    hold: (batch) => ({ api_key: writeKey, batch, sent_at: '2026-11-24T12:00:00Z' }),
  },
  {
    paths: ['/2/httpapi', '/batch'],
    event: { event_type: 'e', user_id: 'u', time, insert_id: 'i' },
    hold: (events) => ({ api_key: writeKey, events, client_upload_time: '2026-11-24T12:00:00Z' }),
  },
  {
    paths: ['/track', '/import'],
    event: { event: 'e', properties: { distinct_id: 'u', time } },
    hold: (events) => events,
  },
  { paths: ['/engage', '/groups'], event: { $distinct_id: 'u', $set: {} }, hold: (events) => events },
  {
    paths: ['/com.snowplowanalytics.snowplow/tp2'],
    event: { e: 'pv', eid: 'i', uid: 'u', dtm: String(time) },
    hold: (data) => ({ schema: 'iglu:x', data }),
  },
  {
    paths: ['/track'],
    event: { type: 'track', payload: { name: 'e', properties: {} } },
    hold: firstOf,
    headers: { 'openpanel-client-id': writeKey, 'openpanel-sdk-name': 'no"de\\', 'openpanel-sdk-version': 'ä' },
  },
  {
    paths: ['/inappevent/id1', '/v1.0/s2s/click/app/android/com.acme.game', '/v1.0/c2s/inapp/app/roku/1'],
    event: { eventName: 'e', idfa: 'f', eventValue: '{"af_revenue":1}' },
    hold: firstOf,
  },
  { paths: ['/event', '/abc123'], event: { event_token: 'e', idfa: 'f', s2s: '1' }, hold: firstOf },
];

/** Nearly right for the vendor: a few members are others, of the event or of an object in it. */
const eventFor = ({ event }: Aim): fc.Arbitrary<unknown> =>
  fc.tuple(fc.array(fc.tuple(name, value), { maxLength: 3 }), fc.boolean()).map(([entries, isInner]): unknown => {
    const inner = Object.keys(event).find((key) => typeof event[key] === 'object');
    const more = objectOf(entries) as object;
    return isInner && inner !== undefined
      ? { ...event, [inner]: { ...(event[inner] as object), ...more } }
      : { ...event, ...more };
  });
const nearEvent = fc.constantFrom(...aims).chain(eventFor);

const wrapped = fc
  .tuple(fc.array(fc.oneof({ weight: 4, arbitrary: nearEvent }, value), { maxLength: 4 }), fc.nat(7))
  .map(
    ([events, form]): unknown =>
      [
        { batch: events, sentAt: '2026-11-24T12:00:00Z', writeKey },
        { events, api_key: writeKey, client_upload_time: '2026-11-24T12:00:00Z' },
        { api_key: writeKey, batch: events, sent_at: '2026-11-24T12:00:00Z' },
        { schema: 'iglu:x', data: events },
        events,
        events[0] ?? {},
        { batch: events[0] },
        { type: 'track', payload: events[0] },
      ][form],
  );

/** A body as bytes: well formed, cut, doubled, spoilt, packed as a form, or no JSON at all. */
const body = fc
  .tuple(fc.oneof({ weight: 6, arbitrary: wrapped }, value, deep), fc.nat(9), fc.nat(400), fc.string({ maxLength: 30 }))
  .map(([json, form, at, noise]): Buffer => {
    const text = JSON.stringify(json) ?? 'null';
    if (form === 5) return Buffer.from(text.slice(0, at));
    if (form === 6) return Buffer.from(`data=${Buffer.from(text).toString('base64')}&x=${noise}`);
    if (form === 7) return Buffer.from(`data=${encodeURIComponent(text.toWellFormed())}`);
    if (form === 8)
      return Buffer.concat([Buffer.from(text.slice(0, at)), Buffer.of(0xff, 0xc0), Buffer.from(text.slice(at))]);
    if (form === 9) return Buffer.from(`${text}\n${noise}\n${text}`);
    return Buffer.from(text);
  });

const query = fc.oneof(
  fc.constantFrom(
    '',
    's2s=1',
    'verbose=1',
    'strict=1',
    `write_key=${secretKey}&s2s=1&event_token=e&idfa=f`,
    'data=%',
    'a=%E0%A4%A&&=&x',
  ),
  wrapped.map((json) => `data=${Buffer.from(JSON.stringify(json)).toString('base64')}`),
  wrapped.map(
    (json) => `data=${encodeURIComponent(JSON.stringify(json).toWellFormed())}&compression=base64&_=1795521599000`,
  ),
  fc.string({ maxLength: 60 }),
);
const authorization = fc.constantFrom(
  undefined,
  `Bearer ${writeKey}`,
  `Bearer ${secretKey}`,
  'Bearer wrong',
  'Basic !!',
  '',
);
const headers = fc.constantFrom<Record<string, string>>(
  {},
  { 'content-type': 'application/x-www-form-urlencoded' },
  { 'content-type': 'text/plain;charset=UTF-8' },
  { 'openpanel-client-id': writeKey, 'openpanel-sdk-name': 'no"de\\', 'openpanel-sdk-version': 'ä' },
  { 'x-write-key': `id:${writeKey}` },
  { authentication: secretKey },
  { 'posthog-sdk-info': 'a/b"c', 'posthog-request-timestamp': 'x' },
  { anonymousid: 'a' },
);

interface Parts {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly authorization: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

const anything: fc.Arbitrary<Parts> = fc.record({
  method: fc.constantFrom('POST', 'POST', 'POST', 'GET', 'HEAD', 'PUT'),
  path: fc.constantFrom(...paths),
  query,
  authorization,
  headers,
  body,
});

const aimed: fc.Arbitrary<Parts> = fc.constantFrom(...aims).chain((aim) =>
  fc
    .record({
      path: fc.constantFrom(...aim.paths),
      events: fc.array(fc.oneof({ weight: 5, arbitrary: eventFor(aim) }, value), { minLength: 1, maxLength: 4 }),
      key: fc.constantFrom(writeKey, secretKey),
    })
    .map(({ path, events, key }) => ({
      method: 'POST',
      path,
      query: '',
      authorization: `Bearer ${key}`,
      headers: aim.headers ?? {},
      body: Buffer.from(JSON.stringify(aim.hold(events)) ?? 'null'),
    })),
);

/** Any request on any route: half of them nearly right for the vendor whose path it is, the others wild. */
export const anyRequest: fc.Arbitrary<CollectorRequest> = fc.oneof(aimed, anything).map(
  (parts): CollectorRequest => ({
    ...parts,
    header: (header) => parts.headers[header],
    userAgent: 'fuzz "1"',
    body: parts.method === 'POST' ? parts.body : new Uint8Array(),
    remoteAddress: '203.0.113.77',
    receivedAt,
    requestId: 'req_1',
  }),
);
