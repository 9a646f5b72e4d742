import { startTestWarehouse, type TestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import { aCallerToken, aDirectory, aDirectoryApp, ask, someDeps } from '../src/kit.testing.ts';
import type { Subgraph } from '../src/kit.ts';
import { insert } from '../src/rows.testing.ts';
import { createEventsSubgraph, type ReplayEvent } from './index.ts';

const now = Date.parse('2026-11-24T12:00:00.000Z');
const directory = aDirectory({
  apps: [aDirectoryApp({ appId: 'app_a', tenantId: 'ten_a' }), aDirectoryApp({ appId: 'app_b', tenantId: 'ten_b' })],
});
const reader = aCallerToken({ tenantId: 'ten_a' });
const owner = aCallerToken({ tenantId: 'ten_a', scopes: ['read:reports', 'read:personal', 'admin'] });
const partner = aCallerToken({
  tenantId: 'ten_a',
  partnerId: 'par_1',
  scopes: ['read:reports', 'read:personal', 'admin'],
});
const foreigner = aCallerToken({ tenantId: 'ten_b', scopes: ['read:reports', 'read:personal', 'admin'] });

/** Outcomes are told apart by their time. */
let tick = now;
let test: TestWarehouse;
let subgraph: Subgraph;
let given: Parameters<ReplayEvent>[0][] = [];
let answer: ReplayEvent = async () => ({ status: 'accepted', code: null });
const open = (replayEvent?: ReplayEvent) =>
  createEventsSubgraph(
    someDeps({ warehouse: test.warehouse, directory, clock: { now: () => (tick += 1) } }),
    replayEvent ? { replayEvent } : {},
  );

const letter = (index: number, fields: object = {}) => ({
  tenant_id: 'ten_a',
  app_id: 'app_a',
  dead_letter_id: `dl-${String(index).padStart(3, '0')}`,
  stage: index % 2 === 0 ? 'collector' : 'consumer',
  code: index % 3 === 0 ? 'SCHEMA_VIOLATION' : 'BAD_TIMESTAMP',
  field: 'price',
  message: 'wrong',
  source_format: 'segment',
  event_id: '',
  received_at: now - index * 60_000,
  payload: JSON.stringify({ name: `event ${index}`, properties: { price: 'nine' } }),
  ...fields,
});

beforeAll(async () => {
  test = await startTestWarehouse();
  await insert(test.warehouse, 'dead_letters', [
    ...Array.from({ length: 30 }, (_, index) => letter(index)),
    letter(4),
    letter(50, { payload: 'no json' }),
    letter(7, { tenant_id: 'ten_b', app_id: 'app_b', dead_letter_id: 'dl-theirs' }),
  ]);
  subgraph = open((event) => {
    given.push(event);
    return answer(event);
  });
});
beforeEach(() => {
  given = [];
  answer = async () => ({ status: 'accepted', code: null });
});
afterAll(async () => {
  await subgraph?.dispose();
  await test?.dispose();
});

const list = `query ($filter: DeadLetterFilter!, $first: Int! = 100, $after: String) { deadLetters(appId: "app_a", filter: $filter, first: $first, after: $after) {
  pageInfo { hasNextPage endCursor } edges { node { id code stage field receivedAt lastReplay { verdict code } } } } }`;
const range = { lastDays: 1 };
const idsOf = (data: { deadLetters: { edges: { node: { id: string } }[] } }) =>
  data.deadLetters.edges.map((edge) => edge.node.id);

describe('deadLetters', () => {
  it('lists an app’s refused events, newest first, one written twice once', async () => {
    const { data, codes } = await ask(subgraph, reader, list, { filter: { range } });
    expect(codes).toEqual([]);
    expect(idsOf(data)).toEqual(
      [...Array.from({ length: 30 }, (_, index) => letter(index)), letter(50)].map(
        (one) => `app_a:${one.dead_letter_id}`,
      ),
    );
  });

  it('filters by code, stage and time', async () => {
    const filter = {
      range: { from: new Date(now - 20 * 60_000).toISOString(), to: new Date(now - 5 * 60_000).toISOString() },
      codes: ['SCHEMA_VIOLATION'],
      stages: ['collector'],
    };
    const { data } = await ask(subgraph, reader, list, { filter });
    expect(idsOf(data)).toEqual(['app_a:dl-006', 'app_a:dl-012', 'app_a:dl-018']);
  });

  it('pages without a gap', async () => {
    const first = await ask(subgraph, reader, list, { filter: { range }, first: 20 });
    const second = await ask(subgraph, reader, list, {
      filter: { range },
      first: 20,
      after: first.data.deadLetters.pageInfo.endCursor,
    });
    expect(new Set([...idsOf(first.data), ...idsOf(second.data)]).size).toBe(31);
    expect(second.data.deadLetters.pageInfo.hasNextPage).toBe(false);
  });

  it('shows the payload to those who may read personal fields only, and nothing to partners', async () => {
    const one = '{ deadLetter(id: "app_a:dl-001") { id payload } }';
    expect((await ask(subgraph, owner, one)).data.deadLetter.payload).toContain('event 1');
    expect((await ask(subgraph, reader, one)).codes).toEqual(['FORBIDDEN']);
    expect((await ask(subgraph, partner, '{ deadLetter(id: "app_a:dl-001") { id } }')).codes).toEqual(['FORBIDDEN']);
    expect((await ask(subgraph, partner, list, { filter: { range } })).codes).toEqual(['FORBIDDEN']);
  });

  it.each(['app_b:dl-theirs', 'app_a:dl-theirs', 'app_a:none', 'nonsense'])('answers NOT_FOUND for %s', async (id) => {
    expect((await ask(subgraph, owner, `{ deadLetter(id: "${id}") { id } }`)).codes).toEqual(['NOT_FOUND']);
  });
});

const replay = `mutation ($input: ReplayDeadLettersInput!) { replayDeadLetters(input: $input) { more repeated results { deadLetterId verdict code } userErrors { code field } } }`;
const asks = async (input: object, token = owner, where = subgraph) => {
  const { data, codes } = await ask(where, token, replay, { input: { appId: 'app_a', ...input } });
  return codes.length > 0 ? { codes } : data.replayDeadLetters;
};

describe('replayDeadLetters', () => {
  it('gives the mended payloads to the collector, with the dead letter’s id where an event has none', async () => {
    const fixes = [
      { path: 'properties.price', value: 9 },
      { path: 'properties.unit.code', value: 'EUR' },
      { path: 'name', remove: true },
    ];
    const answered = await asks({ ids: ['app_a:dl-002', 'app_a:dl-001'], fixes, idempotencyKey: 'fix-1' });
    expect(answered).toEqual({
      more: false,
      repeated: false,
      userErrors: [],
      results: ['app_a:dl-002', 'app_a:dl-001'].map((deadLetterId) => ({
        deadLetterId,
        verdict: 'ACCEPTED',
        code: null,
      })),
    });
    expect(given[0]).toEqual({
      tenantId: 'ten_a',
      appId: 'app_a',
      sourceFormat: 'segment',
      fallbackEventId: 'dl-002',
      payload: JSON.stringify({ properties: { price: 9, unit: { code: 'EUR' } } }),
    });
  });

  it('is done once under its key, also by a new instance, and answers alike', async () => {
    const input = { ids: ['app_a:dl-003', 'app_a:dl-004'], idempotencyKey: 'once' };
    const first = await asks(input);
    given = [];
    const other = open(async (event) => {
      given.push(event);
      return { status: 'duplicate', code: null };
    });
    const second = await asks(input, owner, other);
    expect(given).toEqual([]);
    expect(second).toEqual({ ...first, repeated: true });
    await other.dispose();
  });

  it('refuses the same key for another request', async () => {
    await asks({ ids: ['app_a:dl-005'], idempotencyKey: 'taken' });
    given = [];
    expect(await asks({ ids: ['app_a:dl-006'], idempotencyKey: 'taken' })).toMatchObject({
      results: [],
      userErrors: [{ code: 'IDEMPOTENCY_CONFLICT' }],
    });
    expect(given).toEqual([]);
  });

  it('goes on where a failure cut it off: what was given and kept is not given again', async () => {
    const filter = {
      range: { from: new Date(now - 29.5 * 60_000).toISOString(), to: new Date(now + 1).toISOString() },
    };
    answer = async () => {
      if (given.length > 27) throw new Error('the collector is away');
      return { status: 'accepted', code: null };
    };
    expect(await asks({ filter, idempotencyKey: 'cut' })).toEqual({ codes: ['INTERNAL'] });
    given = [];
    answer = async () => ({ status: 'accepted', code: null });
    const again = await asks({ filter, idempotencyKey: 'cut' });
    expect(again.results).toHaveLength(30);
    expect(given).toHaveLength(5);
  });

  it('tells what is rejected again and why, and shows the latest replay beside the dead letter', async () => {
    answer = async () => ({ status: 'rejected', code: 'BAD_TIMESTAMP' });
    const { results } = await asks({
      ids: ['app_a:dl-008', 'app_a:dl-050'],
      fixes: [{ path: 'a', value: 1 }],
      idempotencyKey: 'bad',
    });
    expect(results).toEqual([
      { deadLetterId: 'app_a:dl-050', verdict: 'REJECTED', code: 'BODY_UNPARSABLE' },
      { deadLetterId: 'app_a:dl-008', verdict: 'REJECTED', code: 'BAD_TIMESTAMP' },
    ]);
    const { data } = await ask(subgraph, owner, '{ deadLetter(id: "app_a:dl-008") { lastReplay { verdict code } } }');
    expect(data.deadLetter.lastReplay).toEqual({ verdict: 'REJECTED', code: 'BAD_TIMESTAMP' });
  });

  it.each([
    ['neither ids nor a filter', {}],
    ['both', { ids: ['app_a:dl-001'], filter: { range } }],
    ['too many ids', { ids: Array.from({ length: 501 }, (_, index) => `app_a:${index}`) }],
    ['a path to the prototype', { ids: ['app_a:dl-001'], fixes: [{ path: '__proto__.x', value: 1 }] }],
    ['an empty path', { ids: ['app_a:dl-001'], fixes: [{ path: 'a..b', value: 1 }] }],
  ])('refuses %s as a user error', async (name, input) => {
    expect(await asks({ ...input, idempotencyKey: `bad ${name}` })).toMatchObject({
      results: [],
      userErrors: [{ code: 'BAD_USER_INPUT' }],
    });
  });

  it('needs the scope admin, the tenant, and no partner', async () => {
    const input = { ids: ['app_a:dl-001'], idempotencyKey: 'rights' };
    expect(await asks(input, reader)).toEqual({ codes: ['FORBIDDEN'] });
    expect(await asks(input, partner)).toEqual({ codes: ['FORBIDDEN'] });
    expect(await asks(input, foreigner)).toMatchObject({ userErrors: [{ code: 'NOT_FOUND' }] });
    expect(given).toEqual([]);
  });

  it('says NOT_READY where no collector is reached', async () => {
    const alone = open();
    expect(await asks({ ids: ['app_a:dl-001'], idempotencyKey: 'alone' }, owner, alone)).toEqual({
      codes: ['NOT_READY'],
    });
    await alone.dispose();
  });
});
