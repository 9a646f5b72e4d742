// Over 400 lines: a report is held against the same world throughout, which takes a second to store.
import { startTestWarehouse, type TestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import {
  baseMetricsOf,
  type ReportDimension,
  type ReportGrain,
  type ReportMetric,
  reportDimension,
  reportDimensionNames,
  reportFieldName,
  reportMetric,
  reportMetricNames,
} from '@tributary/schema';
import fc from 'fast-check';
import { daysBegunIn } from '../src/days.ts';
import { aCallerToken, aDirectory, aDirectoryApp, ask, someDeps } from '../src/kit.testing.ts';
import type { Subgraph } from '../src/kit.ts';
import { insert } from '../src/rows.testing.ts';
import type { ReportRequest } from './domain/report-plan.ts';
import { createEventsSubgraph } from './index.ts';
import { type Fact, makeWorld, type World, worldApps, worldCampaigns } from './report-world.testing.ts';

const now = Date.parse('2026-11-24T12:07:30.000Z');
const fromMs = Date.parse('2026-11-20T03:07:00.000Z');
const toMs = Date.parse('2026-11-24T10:20:30.000Z');
const range = { from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() };

const directory = aDirectory({
  apps: [
    ...worldApps.map((app) => aDirectoryApp({ ...app, tenantId: 'ten_a' })),
    aDirectoryApp({ appId: 'app_eur', tenantId: 'ten_a', currency: 'EUR' }),
    aDirectoryApp({ appId: 'app_x', tenantId: 'ten_b' }),
  ],
});
const reader = aCallerToken({ tenantId: 'ten_a' });

let test: TestWarehouse;
let subgraph: Subgraph;
let world: World;

beforeAll(async () => {
  test = await startTestWarehouse();
  subgraph = createEventsSubgraph(someDeps({ warehouse: test.warehouse, directory, clock: { now: () => now } }));
  world = makeWorld(20261124, { fromMs, toMs });
  for (const [table, rows] of Object.entries(world.tables)) await insert(test.warehouse, table, rows);
  await insert(test.warehouse, 'fx_rates_mirror', [
    { tenant_id: 'ten_a', from_currency: 'EUR', to_currency: 'USD', day: '2026-11-01', rate: '2', version: 1 },
    { tenant_id: 'ten_b', from_currency: 'EUR', to_currency: 'USD', day: '2026-11-02', rate: '50', version: 1 },
  ]);
});
afterAll(async () => {
  await subgraph?.dispose();
  await test?.dispose();
});

interface Question {
  readonly appIds: readonly string[];
  readonly metrics: readonly ReportMetric[];
  readonly dimensions?: readonly ReportDimension[];
  readonly filters?: readonly { dimension: ReportDimension; in?: readonly string[]; notIn?: readonly string[] }[];
  readonly grain?: ReportGrain | null;
  readonly orderBy?: readonly object[];
  readonly range?: object;
  readonly currency?: string;
  readonly first?: number;
  readonly after?: string | null;
}

const asked = `query ($appIds: [ID!]!, $metrics: [ReportMetric!]!, $dimensions: [ReportDimension!]!, $filters: [ReportFilter!]!, $range: TimeRange!,
  $grain: ReportGrain, $orderBy: [ReportOrder!]!, $currency: String, $first: Int!, $after: String) {
  report(appIds: $appIds, metrics: $metrics, dimensions: $dimensions, filters: $filters, range: $range, grain: $grain, orderBy: $orderBy,
    currency: $currency, first: $first, after: $after) {
    currency pageInfo { hasNextPage endCursor }
    edges { cursor node { time app { id } campaign { id } partner { id } unconverted { metric amount { amount currency } }
      ${reportDimensionNames
        .filter((name) => !['APP', 'CAMPAIGN', 'PARTNER'].includes(name))
        .map(reportFieldName)
        .join(' ')}
      ${reportMetricNames.map((name) => `${reportFieldName(name)}${reportMetric(name).unit === 'money' ? ' { amount currency }' : ''}`).join(' ')} } }
  } }`;

/** Of a plan that every grain of these days fits into. */
const large = aCallerToken({ tenantId: 'ten_a', ratePlan: 'large' });

async function report(question: Question, token = reader) {
  const { data, codes } = await ask(subgraph, token, asked, {
    dimensions: [],
    filters: [],
    orderBy: [],
    first: 1000,
    range,
    ...question,
  });
  return {
    codes,
    rows: (data?.report?.edges ?? []).map((edge: { node: object }) => edge.node),
    page: data?.report?.pageInfo,
    edges: data?.report?.edges,
  };
}

/** The same question answered by adding up facts one by one. */
function reckon(question: Question, facts: readonly Fact[]): Map<string, Record<string, number | null>> {
  const { metrics, dimensions = [], filters = [], grain = null } = question;
  const bases = [...new Set(metrics.flatMap(baseMetricsOf))];
  const groups = new Map<string, { sums: Record<string, number>; people: Set<string> }>();
  if (dimensions.length === 0 && grain === null) groups.set('[]', { sums: {}, people: new Set() });
  for (const fact of facts) {
    if (!question.appIds.includes(fact.app)) continue;
    const { timezone } = worldApps.find((app) => app.appId === fact.app)!;
    if (typeof fact.at === 'string') {
      const days = daysBegunIn({ fromMs, toMs }, timezone);
      if (fact.at < days.from || fact.at >= days.to) continue;
    }
    const textOf = (name: ReportDimension) => dimensionOf(fact, name);
    if (
      filters.some((filter) =>
        filter.in ? !filter.in.includes(textOf(filter.dimension)) : filter.notIn!.includes(textOf(filter.dimension)),
      )
    )
      continue;
    const isPerson = fact.person !== undefined && bases.includes('PEOPLE');
    const adds = bases.filter((base) => fact.adds[base] !== undefined);
    if (adds.length === 0 && !isPerson) continue;
    const key = JSON.stringify([
      ...(grain === null ? [] : [bucketOf(fact.at, grain, timezone)]),
      ...dimensions.map(textOf),
    ]);
    const group = groups.get(key) ?? { sums: {}, people: new Set<string>() };
    groups.set(key, group);
    const factor = fact.currency === 'EUR' ? 2 : 1;
    for (const base of adds) {
      const isMoney = reportMetric(base).unit === 'money';
      group.sums[base] = (group.sums[base] ?? 0) + fact.adds[base]! * (isMoney ? factor : 1);
    }
    if (isPerson) group.people.add(fact.person!);
  }
  const grouped = dimensions.length > 0 || grain !== null;
  for (const [key, { sums, people }] of groups) {
    const something = people.size > 0 || Object.values(sums).some((sum) => sum !== 0);
    if (grouped && !something) groups.delete(key);
  }
  return new Map(
    [...groups].map(([key, group]) => [key, valuesOf(metrics, { ...group.sums, PEOPLE: group.people.size })]),
  );
}

function dimensionOf(fact: Fact, name: ReportDimension): string {
  const campaign = worldCampaigns.find((one) => one.campaignId === fact.campaign);
  if (name === 'APP') return fact.app;
  if (name === 'CAMPAIGN') return fact.campaign;
  if (name === 'NETWORK') return campaign?.network ?? '';
  if (name === 'PARTNER') return campaign?.partnerId ?? '';
  if (name === 'AD_GROUP' || name === 'CREATIVE') return fact.campaign === '' ? '' : (fact.dimensions[name] ?? '');
  return fact.dimensions[name] ?? '';
}

function bucketOf(at: number | string, grain: ReportGrain, timezone: string): string {
  if (typeof at === 'number' && (grain === 'MINUTE' || grain === 'HOUR')) {
    const step = grain === 'MINUTE' ? 60_000 : 3_600_000;
    const shift = timezone === 'Asia/Kolkata' ? 1_800_000 : 0;
    return `${new Date(Math.floor((at + shift) / step) * step - shift).toISOString().slice(0, 16)}:00Z`;
  }
  const day = typeof at === 'string' ? at : new Intl.DateTimeFormat('en-CA', { timeZone: timezone }).format(at);
  if (grain === 'MONTH') return `${day.slice(0, 7)}-01`;
  if (grain !== 'WEEK') return day;
  const date = new Date(`${day}T00:00:00Z`);
  return new Date(date.getTime() - ((date.getUTCDay() + 6) % 7) * 86_400_000).toISOString().slice(0, 10);
}

/** Money in cents. */
function valuesOf(metrics: readonly ReportMetric[], sums: Record<string, number>): Record<string, number | null> {
  return Object.fromEntries(
    metrics.map((metric) => {
      const { quotient } = reportMetric(metric);
      if (!quotient) return [metric, sums[metric] ?? 0];
      const by = sums[quotient.by] ?? 0;
      return [metric, by === 0 ? null : ((sums[quotient.of] ?? 0) * (quotient.times ?? 1)) / by];
    }),
  );
}

type Row = Record<string, unknown> & { readonly campaign: { id: string } | null };

function keyOf(question: Question, row: Row): string {
  const entity = (name: string) => (row[name] as { id: string } | null)?.id ?? '';
  const of = (name: ReportDimension) =>
    ['APP', 'CAMPAIGN', 'PARTNER'].includes(name)
      ? entity(reportFieldName(name))
      : ((row[reportFieldName(name)] as string | null) ?? '');
  return JSON.stringify([...(question.grain ? [row['time']] : []), ...(question.dimensions ?? []).map(of)]);
}

function valueIn(row: Row, metric: ReportMetric): number | null {
  const value = row[reportFieldName(metric)] as number | { amount: string } | null;
  return value === null ? null : typeof value === 'number' ? value : Number(value.amount) * 100;
}

const fits = (metric: ReportMetric, dimensions: readonly ReportDimension[], grain: ReportGrain | null) =>
  baseMetricsOf(metric).every(
    (base) =>
      dimensions.every((dimension) => reportDimension(dimension).sources.includes(reportMetric(base).source!)) &&
      !(reportMetric(base).source === 'cost' && (grain === 'HOUR' || grain === 'MINUTE')),
  );

const question = fc
  .record({
    appIds: fc.constantFrom(['app_a'], ['app_b'], ['app_a', 'app_b']),
    dimensions: fc.uniqueArray(fc.constantFrom(...reportDimensionNames), { maxLength: 3 }),
    grain: fc.constantFrom<ReportGrain | null>(null, null, 'DAY', 'WEEK', 'MONTH', 'HOUR', 'MINUTE'),
    metrics: fc.uniqueArray(fc.constantFrom(...reportMetricNames), { minLength: 1, maxLength: 6 }),
    filter: fc.constantFrom(
      null,
      null,
      ['CAMPAIGN', ['cmp_1', 'cmp_3']],
      ['COUNTRY', ['IN']],
      ['NETWORK', ['alpha']],
      ['AD_GROUP', ['ag1']],
      ['APP', ['app_a']],
      ['EVENT_NAME', ['level_up', 'purchase']],
    ) as fc.Arbitrary<[ReportDimension, string[]] | null>,
    exclude: fc.boolean(),
  })
  .map(({ filter, exclude, ...rest }) => {
    const used = [...rest.dimensions, ...(filter ? [filter[0]] : [])];
    const metrics = rest.metrics.filter((metric) => fits(metric, used, rest.grain));
    const filters = filter ? [{ dimension: filter[0], ...(exclude ? { notIn: filter[1] } : { in: filter[1] }) }] : [];
    return { ...rest, metrics, filters };
  })
  .filter(({ metrics }) => metrics.length > 0);

describe('report', () => {
  it('gives what adding up the facts one by one gives, for any metrics, dimensions, filters and grain', async () => {
    await fc.assert(
      fc.asyncProperty(question, async (one) => {
        const { rows, codes } = await report({ ...one, first: 10_000 }, large);
        expect(codes).toEqual([]);
        const wanted = reckon(one, world.facts);
        const found = new Map<string, Row>(rows.map((row: Row) => [keyOf(one, row), row]));
        expect([...found.keys()].sort()).toEqual([...wanted.keys()].sort());
        expect(rows).toHaveLength(found.size);
        for (const [key, values] of wanted) {
          for (const [metric, value] of Object.entries(values)) {
            const got = valueIn(found.get(key)!, metric as ReportMetric);
            if (value === null) expect(got).toBeNull();
            else expect(Math.abs((got as number) - value)).toBeLessThan(1e-3 + Math.abs(value) * 1e-9);
          }
        }
      }),
      { numRuns: 120, seed: 20261124 },
    );
  }, 120_000);

  it('has parts that sum to the whole, for every additive metric by every dimension', async () => {
    await fc.assert(
      fc.asyncProperty(question, async ({ filters: _filters, ...one }) => {
        const metrics = one.metrics.flatMap(baseMetricsOf).filter((metric) => reportMetric(metric).additive);
        if (metrics.length === 0) return;
        const additive = { ...one, metrics: [...new Set(metrics)] };
        const parts = await report({ ...additive, first: 10_000 }, large);
        const whole = await report({ appIds: one.appIds, metrics: additive.metrics });
        for (const metric of additive.metrics) {
          const sum = parts.rows.reduce((total: number, row: Row) => total + valueIn(row, metric)!, 0);
          expect(Math.abs(sum - valueIn(whole.rows[0], metric)!)).toBeLessThan(1e-3);
        }
      }),
      { numRuns: 25, seed: 7 },
    );
  }, 120_000);
});

describe('report: order and pages', () => {
  const paged: Question = {
    appIds: ['app_a', 'app_b'],
    metrics: ['COST', 'ROAS', 'REVENUE'],
    dimensions: ['APP', 'CAMPAIGN'],
    grain: 'DAY',
    orderBy: [{ metric: 'ROAS', descending: true }],
  };

  it('sorts by a derived metric with rows that lack it last', async () => {
    const { rows } = await report(paged);
    const values = rows.map((row: Row) => valueIn(row, 'ROAS'));
    const known = values.filter((value: number | null) => value !== null);
    expect(values).toContain(null);
    expect(values.slice(0, known.length)).toEqual(known);
    expect(known).toEqual([...known].sort((a: number, b: number) => b - a));
  });

  it('pages through all rows once, in the order of the whole', async () => {
    const whole = await report(paged);
    const rows: object[] = [];
    let after: string | null = null;
    do {
      const { page, codes, ...found } = await report({ ...paged, first: 7, after });
      expect(codes).toEqual([]);
      rows.push(...found.rows);
      after = page.hasNextPage ? page.endCursor : null;
    } while (after);
    expect(rows).toEqual(whole.rows);
  });

  it('keeps the range of the first page when it is asked for the last days later on', async () => {
    let at = now;
    const moving = createEventsSubgraph(someDeps({ warehouse: test.warehouse, directory, clock: { now: () => at } }));
    const question = {
      dimensions: ['CAMPAIGN'],
      filters: [],
      orderBy: [],
      appIds: ['app_a'],
      metrics: ['COST'],
      range: { lastDays: 2 },
      first: 1,
    };
    const bounds = asked.replace('currency pageInfo', 'from to currency pageInfo');
    const first = await ask(moving, reader, bounds, question);
    at += 3_600_000;
    const second = await ask(moving, reader, bounds, { ...question, after: first.data.report.pageInfo.endCursor });
    expect(second.data.report.from).toBe(first.data.report.from);
    await moving.dispose();
  });

  it('refuses the cursor of another question and of another caller', async () => {
    const { page } = await report({ ...paged, first: 1 });
    const other = aCallerToken({ tenantId: 'ten_a', keyId: 'key_other' });
    expect((await report({ ...paged, metrics: ['COST', 'ROAS'], first: 1, after: page.endCursor })).codes).toEqual([
      'BAD_USER_INPUT',
    ]);
    expect((await report({ ...paged, first: 1, after: page.endCursor }, other)).codes).toEqual(['BAD_USER_INPUT']);
    expect((await report({ ...paged, first: 1, after: 'AAAA' })).codes).toEqual(['BAD_USER_INPUT']);
  });

  it('is one statement whatever is asked', async () => {
    const asks: string[] = [];
    const warehouse = {
      ...test.warehouse,
      query: ((definition, ...rest) => {
        asks.push(definition.name);
        return test.warehouse.query(definition, ...rest);
      }) as typeof test.warehouse.query,
    };
    const watched = createEventsSubgraph(someDeps({ warehouse, directory, clock: { now: () => now } }));
    const { codes } = await ask(watched, reader, asked, {
      dimensions: ['CAMPAIGN'],
      filters: [],
      orderBy: [],
      first: 10,
      range,
      appIds: ['app_a', 'app_b'],
      metrics: reportMetricNames.slice(0, 20),
    });
    expect(codes).toEqual([]);
    expect(asks).toEqual(['events_report']);
    await watched.dispose();
  });
});

describe('report: money', () => {
  it('converts at the rate of the day, and by the inverse of the opposite pair', async () => {
    await insert(test.warehouse, 'fx_rates_mirror', [
      { tenant_id: 'ten_a', from_currency: 'USD', to_currency: 'GBP', day: '2026-11-01', rate: '0.5', version: 1 },
      { tenant_id: 'ten_a', from_currency: 'EUR', to_currency: 'GBP', day: '2026-11-01', rate: '1', version: 1 },
    ]);
    const usd = await report({ appIds: ['app_a'], metrics: ['REVENUE'] });
    const gbp = await report({ appIds: ['app_a'], metrics: ['REVENUE'], currency: 'GBP' });
    expect(valueIn(gbp.rows[0], 'REVENUE')).toBeCloseTo(valueIn(usd.rows[0], 'REVENUE')! / 2, 4);
    const eur = await report({ appIds: ['app_a'], metrics: ['REVENUE'], currency: 'EUR' });
    expect(valueIn(eur.rows[0], 'REVENUE')).toBeCloseTo(valueIn(usd.rows[0], 'REVENUE')! / 2, 4);
    expect(eur.rows[0].unconverted).toEqual([]);
  });

  it('says which amounts no rate converts, and gives no ratio of them', async () => {
    const { rows } = await report({ appIds: ['app_a'], metrics: ['REVENUE', 'COST', 'ROAS'], currency: 'JPY' });
    const [row] = rows;
    expect(valueIn(row, 'REVENUE')).toBe(0);
    expect(row.roas).toBeNull();
    const cents = (currency: string) =>
      world.facts.reduce(
        (sum, fact) => sum + (fact.app === 'app_a' && fact.currency === currency ? (fact.adds.REVENUE ?? 0) : 0),
        0,
      );
    const told = row.unconverted.map((one: { metric: string; amount: { amount: string; currency: string } }) => [
      one.metric,
      one.amount.currency,
      Math.round(Number(one.amount.amount) * 100),
    ]);
    expect(told.slice(0, 2)).toEqual([
      ['REVENUE', 'EUR', cents('EUR')],
      ['REVENUE', 'USD', cents('USD')],
    ]);
    expect(told[2].slice(0, 2)).toEqual(['COST', 'USD']);
  });

  it('asks for the currency when apps have different ones', async () => {
    expect((await report({ appIds: ['app_a', 'app_eur'], metrics: ['REVENUE'] })).codes).toEqual(['BAD_USER_INPUT']);
    expect((await report({ appIds: ['app_a', 'app_eur'], metrics: ['REVENUE'], currency: 'USD' })).codes).toEqual([]);
  });
});

describe('report: bounds', () => {
  const year = 366 * 86_400_000;
  const base: Question = { appIds: ['app_a'], metrics: ['EVENTS'] };
  it.each([
    ['a range over the days of the plan', { range: { lastDays: 401 } }, 'RANGE_TOO_LARGE'],
    [
      'five years at minute grain',
      { range: { from: new Date(now - 5 * year).toISOString() }, grain: 'MINUTE' as const },
      'RANGE_TOO_LARGE',
    ],
    [
      'a look-back beyond the plan',
      { range: { from: new Date(now - 4 * year).toISOString(), to: new Date(now - 4 * year + 1000).toISOString() } },
      'RANGE_TOO_LARGE',
    ],
    [
      'a grain with more points than the plan',
      { range: { lastDays: 30 }, grain: 'MINUTE' as const },
      'RANGE_TOO_LARGE',
    ],
    [
      'a filter with 10,000 values',
      { filters: [{ dimension: 'COUNTRY' as const, in: Array.from({ length: 10_000 }, (_, index) => `c${index}`) }] },
      'BAD_USER_INPUT',
    ],
    [
      'more fields than the plan',
      {
        metrics: reportMetricNames.filter((name) => fits(name, ['CAMPAIGN', 'NETWORK'], null)).slice(0, 13),
        dimensions: ['CAMPAIGN', 'NETWORK'] as const,
      },
      'BAD_USER_INPUT',
    ],
    ['more rows than the plan', { first: 1_001 }, 'BAD_USER_INPUT'],
    ['cost by the hour', { metrics: ['COST'] as const, grain: 'HOUR' as const }, 'BAD_USER_INPUT'],
    ['cost by country', { metrics: ['COST'] as const, dimensions: ['COUNTRY'] as const }, 'BAD_USER_INPUT'],
    ['an order by what is not shown', { orderBy: [{ metric: 'COST' }] }, 'BAD_USER_INPUT'],
    ['an app of another tenant', { appIds: ['app_x'] }, 'NOT_FOUND'],
  ])('refuses %s', async (_name, change, code) => {
    expect((await report({ ...base, ...change } as Question)).codes).toEqual([code]);
  });

  it('takes the bounds of a larger plan', async () => {
    expect((await report({ ...base, range: { lastDays: 700 } }, large)).codes).toEqual([]);
  });

  it('ends a statement that needs more memory or time than it may use with a code', async () => {
    const { reportQuery } = await import('./report-sql.ts');
    const { planReport } = await import('./domain/report-plan.ts');
    const { ratePlans } = await import('@tributary/schema');
    const plan = planReport(
      {
        tenantId: 'ten_a',
        partnerId: null,
        apps: [worldApps[0]],
        metrics: ['PEOPLE'],
        dimensions: ['EVENT_NAME'],
        filters: [],
        range: { fromMs, toMs },
        grain: 'MINUTE',
        orderBy: [],
        currency: null,
        lookbackDays: 30,
      },
      { ...ratePlans.standard, seriesPoints: 1e9 },
      now,
    );
    const { definition, params } = reportQuery(plan);
    await expect(
      test.warehouse.query(
        {
          ...definition,
          sql: definition.sql.replace('FROM events', 'FROM events CROSS JOIN numbers(2000000) AS padding'),
          maxMemoryBytes: 1_000_000,
        },
        { ...params, limit: 5, offset: 0 },
      ),
    ).rejects.toMatchObject({ code: 'QUERY_TOO_LARGE' });
    expect(definition).toMatchObject({
      name: 'events_report',
      timeoutMs: expect.any(Number),
      maxMemoryBytes: expect.any(Number),
    });
  });
});

describe('report: projections', () => {
  const whole = { fromMs: Date.parse('2026-11-20T00:00:00Z'), toMs: Date.parse('2026-11-21T00:00:00Z') };
  const statementOf = async (over: Partial<ReportRequest>) => {
    const { reportSql } = await import('./report-sql.ts');
    const { planReport } = await import('./domain/report-plan.ts');
    const { ratePlans } = await import('@tributary/schema');
    const request: ReportRequest = {
      tenantId: 'ten_a',
      partnerId: null,
      apps: [...worldApps],
      metrics: ['EVENTS'],
      dimensions: [],
      filters: [],
      range: whole,
      grain: null,
      orderBy: [],
      currency: null,
      lookbackDays: 30,
      ...over,
    };
    return reportSql(planReport(request, ratePlans.standard, now));
  };

  it.each<[string, Partial<ReportRequest>]>([
    [
      'countries of an app whose days begin at an odd quarter',
      { apps: [{ ...worldApps[0], timezone: 'Asia/Kathmandu' }] },
    ],
    ['countries of a campaign', { metrics: ['CLICKS'], dimensions: ['COUNTRY', 'CAMPAIGN'] }],
    ['countries by event name', { dimensions: ['COUNTRY', 'EVENT_NAME'] }],
    ['countries by minute', { grain: 'MINUTE' }],
  ])('leaves %s to the rows, which alone know', async (_name, over) => {
    const { sql } = await statementOf({ dimensions: ['COUNTRY'], grain: 'DAY', ...over });
    expect(sql).toContain('FROM events');
    expect(sql).not.toContain('innerFrom');
  });

  it.each<[string, readonly ReportMetric[], readonly ReportDimension[], ReportGrain | null]>([
    ['counts by day and country', ['EVENTS', 'SESSIONS', 'REVENUE'], ['COUNTRY', 'PLATFORM'], 'DAY'],
    ['counts by hour and event name', ['EVENTS'], ['EVENT_NAME'], 'HOUR'],
    ['counts by minute', ['EVENTS', 'REVENUE'], [], 'MINUTE'],
    ['clicks and impressions by campaign', ['CLICKS', 'IMPRESSIONS', 'CTR'], ['CAMPAIGN', 'NETWORK'], 'DAY'],
  ])('answers %s from aggregates', async (_name, metrics, dimensions, grain) => {
    const { sql, params } = await statementOf({ metrics, dimensions, grain });
    const inner = /SELECT app_id, event_kind, [\s\S]*?GROUP BY app_id, event_kind, [^\n]*/
      .exec(sql)![0]
      .replace(/(\s*\)\s*)$/, '');
    const { z } = await import('zod');
    await expect(
      test.warehouse.query(
        {
          name: 'projection_probe',
          sql: `${inner} SETTINGS force_optimize_projection = 1`,
          params: z.record(z.string(), z.unknown()),
          row: z.unknown(),
        },
        params,
      ),
    ).resolves.toBeDefined();
  });
});
