import { startTestWarehouse, type TestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import {
  aCallerToken,
  aDirectory,
  aDirectoryApp,
  aDirectoryCampaign,
  ask,
  askEntities,
  someDeps,
} from '../src/kit.testing.ts';
import type { Subgraph } from '../src/kit.ts';
import { anEventRow, type EventFields, insert } from '../src/rows.testing.ts';
import { createEventsSubgraph } from './index.ts';

const now = Date.parse('2026-11-24T12:07:30.000Z');
const day = 86_400_000;
const range = { from: '2026-11-20T00:00:00.000Z', to: '2026-11-25T00:00:00.000Z' };

const directory = aDirectory({
  apps: [
    aDirectoryApp({ appId: 'app_a', tenantId: 'ten_a', currency: 'EUR', timezone: 'Asia/Kolkata' }),
    aDirectoryApp({ appId: 'app_a2', tenantId: 'ten_a' }),
    aDirectoryApp({ appId: 'app_b', tenantId: 'ten_b' }),
  ],
  campaigns: ['cmp_1', 'cmp_2'].map((campaignId) =>
    aDirectoryCampaign({ campaignId, tenantId: 'ten_a', appId: 'app_a' }),
  ),
});
const reader = aCallerToken({ tenantId: 'ten_a' });
const personal = aCallerToken({ tenantId: 'ten_a', scopes: ['read:reports', 'read:personal'] });
const foreigner = aCallerToken({ tenantId: 'ten_b' });

let test: TestWarehouse;
let subgraph: Subgraph;

beforeAll(async () => {
  test = await startTestWarehouse();
  subgraph = createEventsSubgraph(someDeps({ warehouse: test.warehouse, directory, clock: { now: () => now } }));
  await insert(test.warehouse, 'events', metricsRows());
});
afterAll(async () => {
  await subgraph?.dispose();
  await test?.dispose();
});

/** The same events for the tenant, and by another tenant under the same app id and devices, to be seen by nobody. */
function metricsRows() {
  const at = (text: string) => Date.parse(`2026-11-${text}Z`);
  const events: EventFields[] = [
    { event_kind: 'install', occurred_at: at('23T10:00:00.000'), device_key: 'd1' },
    { event_kind: 'session', occurred_at: at('23T10:00:05.000'), device_key: 'd1' },
    { event_kind: 'session', occurred_at: at('23T19:00:00.000'), device_key: 'd2' },
    {
      event_kind: 'purchase',
      occurred_at: at('23T19:14:59.999'),
      device_key: 'd2',
      revenue_amount: '10.10',
      revenue_currency: 'EUR',
    },
    {
      event_kind: 'ad_revenue',
      occurred_at: at('23T19:15:00.000'),
      device_key: 'd2',
      revenue_amount: '0.000001',
      revenue_currency: 'EUR',
    },
    {
      event_kind: 'refund',
      occurred_at: at('24T09:00:00.000'),
      device_key: 'd2',
      revenue_amount: '3.05',
      revenue_currency: 'EUR',
    },
    {
      event_kind: 'purchase',
      occurred_at: at('24T09:01:00.000'),
      device_key: 'd3',
      revenue_amount: '7',
      revenue_currency: 'USD',
      properties: '{"sku":"gems"}',
      user_id: 'someone',
    },
    { event_kind: 'click', occurred_at: at('24T09:02:00.000'), device_key: 'web-1', campaign_id: 'cmp_1' },
    {
      event_kind: 'custom',
      occurred_at: at('24T09:02:00.000'),
      device_key: 'd3',
      environment: 'sandbox',
      event_name: 'test',
      revenue_amount: '99',
      revenue_currency: 'EUR',
    },
  ];
  return [
    ...events.map((fields) => anEventRow(fields)),
    ...events.map((fields) => anEventRow({ ...fields, tenant_id: 'ten_b' })),
    ...events.map((fields) => anEventRow({ ...fields, tenant_id: 'ten_b', app_id: 'app_b' })),
  ];
}

const metricsFields =
  'metrics(range: RANGE) { events sessions installs purchases people revenue { amount currency } revenueByCurrency { amount currency } }';
const metricsOf = (from: string, to: string) => metricsFields.replace('RANGE', `{ from: "${from}", to: "${to}" }`);

describe('App.metrics', () => {
  it('counts production events and nets refunds, for the tenant alone', async () => {
    const { data, codes } = await askEntities(subgraph, reader, 'App', ['app_a'], metricsOf(range.from, range.to));
    expect(codes).toEqual([]);
    expect(data._entities[0].metrics).toEqual({
      events: 8,
      sessions: 2,
      installs: 1,
      purchases: 2,
      people: 3,
      revenue: { amount: '7.050001', currency: 'EUR' },
      revenueByCurrency: [
        { amount: '7.050001', currency: 'EUR' },
        { amount: '7', currency: 'USD' },
      ],
    });
  });

  it.each([
    ['inside one quarter', '2026-11-23T19:14:59.999Z', '2026-11-23T19:15:00.000Z', 1],
    ['over a boundary of quarters', '2026-11-23T19:14:59.999Z', '2026-11-23T19:15:00.001Z', 2],
    ['of whole quarters', '2026-11-23T19:00:00.000Z', '2026-11-23T19:15:00.000Z', 2],
    ['with ragged ends', '2026-11-23T10:00:00.001Z', '2026-11-24T09:01:59.999Z', 6],
  ])('is exact to the millisecond for a range %s', async (_what, from, to, events) => {
    const { data } = await askEntities(subgraph, reader, 'App', ['app_a'], metricsOf(from, to));
    expect(data._entities[0].metrics.events).toBe(events);
  });

  it('has zeros for an app without events, and one query for several apps', async () => {
    const { data } = await askEntities(subgraph, reader, 'App', ['app_a2', 'app_a'], metricsOf(range.from, range.to));
    expect(data._entities[0].metrics).toMatchObject({
      events: 0,
      people: 0,
      revenue: { amount: '0', currency: 'USD' },
      revenueByCurrency: [],
    });
    expect(data._entities[1].metrics.events).toBe(8);
  });

  it('gives nothing to another tenant', async () => {
    const { data, codes } = await askEntities(subgraph, foreigner, 'App', ['app_a'], metricsOf(range.from, range.to));
    expect([data, codes]).toEqual([{ _entities: [null] }, ['NOT_FOUND']]);
  });

  it('reads projections, not rows, for whole quarters and live totals', async () => {
    const { countsQuery } = await import('./metrics-reader.ts');
    const { defineQuery } = await import('@tributary/platform/warehouse');
    const { z } = await import('zod');
    // Without the second half, which reads rows at the ends by design, the statement fails unless a projection serves it.
    const sql = countsQuery.sql.replace(/UNION ALL[\s\S]*?GROUP BY app_id, event_kind, revenue_currency\n/, '');
    const forced = defineQuery({
      ...countsQuery,
      name: 'test_projection',
      sql: `${sql} SETTINGS force_optimize_projection = 1`,
      row: z.looseObject({}),
    });
    const params = {
      headFrom: 0,
      headTo: 0,
      tailFrom: 0,
      tailTo: 0,
      innerFrom: now - 2 * day - (now % 900_000),
      innerTo: now - (now % 900_000),
    };
    const scope = { tenantId: 'ten_a', appIds: ['app_a'], ...params };
    const rows = await test.warehouse.query(forced, { ...scope, partnerId: '' });
    expect(rows.length).toBeGreaterThan(0);
    // The partner's wall stands on a key of the projection, so it costs no row either.
    await expect(test.warehouse.query(forced, { ...scope, partnerId: 'par_1' })).resolves.toEqual([]);
  });
});

describe('App.timeseries', () => {
  const series = async (metric: string, grain: string, from = range.from, to = range.to) => {
    const fields = `timeseries(range: { from: "${from}", to: "${to}" }, metric: ${metric}, grain: ${grain}) { at value }`;
    const { data, codes } = await askEntities(subgraph, reader, 'App', ['app_a'], fields);
    return codes.length > 0 ? codes : data._entities[0].timeseries;
  };

  it('sums days of the time zone of the app, without gaps', async () => {
    const points = await series('EVENTS', 'DAY');
    expect(points.map((point: { at: string; value: number }) => [point.at, point.value])).toEqual([
      ['2026-11-19T18:30:00.000Z', 0],
      ['2026-11-20T18:30:00.000Z', 0],
      ['2026-11-21T18:30:00.000Z', 0],
      ['2026-11-22T18:30:00.000Z', 2],
      ['2026-11-23T18:30:00.000Z', 6],
      ['2026-11-24T18:30:00.000Z', 0],
    ]);
  });

  it.each([
    ['REVENUE', 'HOUR', '2026-11-23T19:00:00.000Z', 10.100001],
    ['SESSIONS', 'HOUR', '2026-11-23T10:00:00.000Z', 1],
    ['PURCHASES', 'FIFTEEN_MINUTES', '2026-11-24T09:00:00.000Z', 1],
    ['INSTALLS', 'MINUTE', '2026-11-23T10:00:00.000Z', 1],
    ['PEOPLE', 'HOUR', '2026-11-24T09:00:00.000Z', 2],
    ['PEOPLE', 'MINUTE', '2026-11-24T09:01:00.000Z', 1],
  ])('has %s by %s', async (metric, grain, at, value) => {
    const points = await series(metric, grain, '2026-11-23T09:30:00.000Z', '2026-11-24T12:00:00.000Z');
    expect(points.find((point: { at: string }) => point.at === at).value).toBe(value);
  });

  it('refuses too fine a grain for the range', async () => {
    expect(await series('EVENTS', 'MINUTE')).toEqual(['BAD_USER_INPUT']);
  });
});

describe('Query.events', () => {
  const eventsQuery = `query ($appId: ID!, $range: TimeRange!, $first: Int!, $after: String, $name: String) {
    events(appId: $appId, range: $range, first: $first, after: $after, name: $name) {
      edges { cursor node { id name kind environment occurredAt receivedAt person { id } campaign { id } country revenue { amount currency } } }
      pageInfo { hasNextPage hasPreviousPage endCursor }
    } }`;

  it('pages newest first, each event once, though many share a time', async () => {
    const seen: string[] = [];
    for (let after: string | null = null; ; ) {
      const { data } = await ask(subgraph, reader, eventsQuery, { appId: 'app_a', range, first: 2, after });
      seen.push(
        ...data.events.edges.map(
          (edge: { node: { occurredAt: string; id: string } }) => `${edge.node.occurredAt} ${edge.node.id}`,
        ),
      );
      if (!data.events.pageInfo.hasNextPage) break;
      after = data.events.pageInfo.endCursor;
    }
    expect(seen).toHaveLength(9);
    expect(new Set(seen).size).toBe(9);
    expect(seen).toEqual(seen.toSorted().reverse());
  });

  it('filters by name and shows what an event carries', async () => {
    const { data } = await ask(subgraph, reader, eventsQuery, { appId: 'app_a', range, first: 10, name: 'click' });
    expect(data.events.edges.map((edge: { node: object }) => edge.node)).toEqual([
      expect.objectContaining({
        kind: 'click',
        campaign: { id: 'cmp_1' },
        person: { id: 'app_a:web-1' },
        country: null,
        revenue: null,
        environment: 'production',
      }),
    ]);
  });

  it('shows properties with read:personal only', async () => {
    const query = `query ($range: TimeRange!) { events(appId: "app_a", range: $range, name: "purchase", first: 1) { edges { node { properties } } } }`;
    expect((await ask(subgraph, personal, query, { range })).data.events.edges[0].node.properties).toEqual({
      sku: 'gems',
    });
    const refused = await ask(subgraph, reader, query, { range });
    expect([refused.data.events.edges[0].node.properties, refused.codes]).toEqual([null, ['FORBIDDEN']]);
  });

  it('refuses another tenant', async () => {
    const { codes } = await ask(subgraph, foreigner, eventsQuery, { appId: 'app_a', range, first: 2 });
    expect(codes).toEqual(['NOT_FOUND']);
  });
});

describe('Person', () => {
  const fields = 'id appId firstSeenAt lastSeenAt eventCount revenue { amount currency }';

  it('is known by their device', async () => {
    const { data } = await ask(subgraph, reader, `{ person(id: "app_a:d2") { ${fields} } }`);
    expect(data.person).toEqual({
      id: 'app_a:d2',
      appId: 'app_a',
      firstSeenAt: '2026-11-23T19:00:00.000Z',
      lastSeenAt: '2026-11-24T09:00:00.000Z',
      eventCount: 4,
      revenue: { amount: '7.050001', currency: 'EUR' },
    });
  });

  it('is not found when unknown, or of an app that is not yours', async () => {
    for (const id of ['app_a:nobody', 'app_b:d2', 'app_x:d2', 'nonsense']) {
      const { data, codes } = await ask(subgraph, reader, 'query ($id: ID!) { person(id: $id) { id } }', { id });
      expect([data, codes]).toEqual([{ person: null }, ['NOT_FOUND']]);
    }
  });

  it('resolves many references by one query, those without events as unknown', async () => {
    const { data } = await askEntities(
      subgraph,
      reader,
      'Person',
      ['app_a:d1', 'app_a:nobody'],
      'id eventCount firstSeenAt',
    );
    expect(data._entities).toEqual([
      { id: 'app_a:d1', eventCount: 2, firstSeenAt: '2026-11-23T10:00:00.000Z' },
      { id: 'app_a:nobody', eventCount: 0, firstSeenAt: null },
    ]);
  });
});
