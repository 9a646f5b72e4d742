import { Ajv2020 } from 'ajv/dist/2020.js';
import { formedFields, textFields } from './client-fields.ts';
import { anEvent, openTestCollector, type TestCollector, writeKey } from './collector.testing.ts';
import { openapiDocument } from './openapi.ts';

interface Media {
  readonly schema?: object;
}
interface Operation {
  readonly operationId: string;
  readonly requestBody?: { readonly content: Record<string, Media> };
  readonly responses: Record<
    string,
    { readonly content?: Record<string, Media>; readonly headers?: Record<string, object> }
  >;
}
const document = openapiDocument() as {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, { readonly properties?: object }> };
};
const ajv = new Ajv2020({ strict: false, allowUnionTypes: true });
ajv.addSchema({ $id: 'openapi', ...document });
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

/** A part of the document as a schema: its references lead into the document. */
function faultsOf(schema: object, value: unknown): unknown {
  const resolved = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"openapi#/')) as object;
  const validate = ajv.compile(resolved);
  return validate(value) ? [] : validate.errors;
}

let collector: TestCollector;
beforeAll(async () => {
  collector = await openTestCollector();
});
afterAll(() => collector.dispose());

const bodySchema = document.paths['/v1/events']!['post']!.requestBody!.content['application/json']!.schema!;

it('is served as it is', async () => {
  const response = await fetch(`${collector.url}/openapi.json`);
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/json']);
  expect(response.headers.get('access-control-allow-origin')).toBe('*');
  expect(await response.json()).toEqual(JSON.parse(JSON.stringify(document)));
});

it('is OpenAPI 3.1: each reference leads somewhere, each operation has its own name and says its answers', () => {
  expect(document.openapi).toBe('3.1.0');
  const names = operations.map(({ operation }) => operation.operationId);
  expect(new Set(names).size).toBe(names.length);
  for (const [, name] of JSON.stringify(document).matchAll(/#\/components\/schemas\/(\w+)/g))
    expect(document.components.schemas).toHaveProperty(name!);
  for (const { operation } of operations) expect(Object.keys(operation.responses).length).toBeGreaterThan(0);
});

it('knows every field that a client may send, and no other', () => {
  expect(Object.keys(document.components.schemas['Event']!.properties!).sort()).toEqual(
    [...formedFields, ...Object.keys(textFields)].sort(),
  );
});

it.each([
  ['one event', anEvent()],
  ['a batch', { batch: [anEvent()], sent_at: '2026-11-24T12:00:00Z' }],
  [
    'an array',
    [anEvent({ occurred_at: '2026-11-24', user_id: 7, country: 'de', revenue_amount: 4.99, event_kind: '' })],
  ],
  ['other fields', anEvent({ anything: { at: 'all' }, idfa: null, network: '' })],
])('takes what the collector takes: %s', async (_, body) => {
  expect(faultsOf(bodySchema, body)).toEqual([]);
  const answer = (await (await collector.post(JSON.stringify(body))).json()) as { rejected: unknown[] };
  expect(answer.rejected).toEqual([]);
});

it.each([
  ['no name', anEvent({ event_name: '' })],
  ['no subject', { event_name: 'e' }],
  ['a wrong kind', anEvent({ event_kind: 'sale' })],
  ['a long id', anEvent({ user_id: 'x'.repeat(257) })],
  ['a wrong country', anEvent({ country: 'Germany' })],
  ['properties that are none', anEvent({ properties: 7 })],
])('refuses what the collector refuses: %s', async (_, body) => {
  expect(faultsOf(bodySchema, body)).not.toEqual([]);
  const answer = (await (await collector.post(JSON.stringify(body))).json()) as { rejected: unknown[] };
  expect(answer.rejected).toHaveLength(1);
});

const authorization = `Bearer ${writeKey}`;
const asks: readonly (readonly [string, string, RequestInit, number])[] = [
  ['/v1/events', '/v1/events', { method: 'POST', body: JSON.stringify(anEvent()), headers: { authorization } }, 200],
  ['/v1/events', '/v1/events', { method: 'POST', body: '[7]', headers: { authorization } }, 200],
  ['/v1/events', '/v1/events', { method: 'POST', body: '{', headers: { authorization } }, 400],
  ['/v1/events', '/v1/events', { method: 'POST', body: '{}' }, 401],
  ['/v1/events', '/v1/events', { method: 'POST', body: '{}', headers: { authorization: 'Bearer trk_unscoped' } }, 403],
  ['/v1/events', '/v1/events', { method: 'POST', body: '{}', headers: { authorization: 'Bearer trk_off' } }, 404],
  [
    '/v1/events',
    '/v1/events',
    { method: 'POST', body: JSON.stringify(Array(2_001).fill(7)), headers: { authorization } },
    413,
  ],
  [
    '/v1/events',
    '/v1/events',
    { method: 'POST', body: '{}', headers: { authorization, 'content-encoding': 'lzma' } },
    415,
  ],
  ['/c/{link}', '/c/summer', { redirect: 'manual' }, 302],
  ['/c/{link}', '/c/none', { redirect: 'manual' }, 404],
  ['/i/{link}', '/i/summer', {}, 200],
  ['/c/{link}/qr.svg', '/c/summer/qr.svg', {}, 200],
  ['/v1/deferred-deep-link', '/v1/deferred-deep-link?click_id=x', { headers: { authorization } }, 200],
  ['/v1/deferred-deep-link', '/v1/deferred-deep-link', {}, 401],
  ['/.well-known/apple-app-site-association', '/.well-known/apple-app-site-association', {}, 200],
  ['/.well-known/assetlinks.json', '/.well-known/assetlinks.json', {}, 200],
  ['/sink-health', '/sink-health', {}, 200],
];

it.each(asks)('says what %s answers (asked at %s %p: %i)', async (path, url, init, status) => {
  const response = await fetch(collector.url + url, init);
  expect(response.status).toBe(status);
  const said = document.paths[path]![(init.method ?? 'GET').toLowerCase()]!.responses[String(status)]!;
  for (const name of Object.keys(said.headers ?? {}))
    if (name !== 'Retry-After') expect(response.headers.get(name)).not.toBeNull();
  if (said.content === undefined) return;
  const type = response.headers.get('content-type')!.split(';')[0]!;
  expect(Object.keys(said.content)).toContain(type);
  const { schema } = said.content[type]!;
  if (schema !== undefined) expect(faultsOf(schema, await response.json())).toEqual([]);
});

it('says nothing of a path that no request above has asked', () => {
  const asked = new Set(asks.map(([path]) => path));
  expect(operations.map(({ path }) => path).filter((path) => !asked.has(path))).toEqual([]);
});
