// Over 400 lines in one file: every test reads one warehouse, whose filling takes longer than the tests.
import { startTestWarehouse, type TestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import { dedupeKeyOf, hash64, hex64, type Touchpoint } from '@tributary/schema';
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
import { aDecisionRow, anEventRow, insert } from '../src/rows.testing.ts';
import { createAttributionSubgraph } from './index.ts';

const now = Date.parse('2026-11-24T12:00:00.000Z');
const hour = 3_600_000;
const day = 24 * hour;
const installedAt = now - 10 * day;

/** Two tenants whose data mirror each other: `app_a` in EUR and New York's days, `app_b` in USD. */
const tenants = [
  { tenantId: 'ten_a', appId: 'app_a', scale: 1 },
  { tenantId: 'ten_b', appId: 'app_b', scale: 7 },
] as const;
const directory = aDirectory({
  apps: [
    aDirectoryApp({ appId: 'app_a', tenantId: 'ten_a', currency: 'EUR', timezone: 'America/New_York' }),
    aDirectoryApp({ appId: 'app_b', tenantId: 'ten_b', currency: 'EUR' }),
  ],
  campaigns: tenants.flatMap(({ tenantId, appId }) =>
    ['c1', 'c2', 'idle'].map((name) => aDirectoryCampaign({ campaignId: `${appId}_${name}`, tenantId, appId })),
  ),
  goals: [
    { goalId: 'goal_buy', tenantId: 'ten_a', appId: 'app_a', name: 'buy', eventKind: 'purchase', eventName: null },
  ],
});
const reader = aCallerToken({ tenantId: 'ten_a' });

let test: TestWarehouse;
let subgraph: Subgraph;
let statements: string[] = [];

const installId = (appId: string, n: string) => `${appId}:native:${n}`;
const aTouchpoint = (fields: Partial<Touchpoint>): Touchpoint => ({
  touchpointId: 't1',
  kind: 'click',
  occurredAt: installedAt - 95_000,
  receivedAt: installedAt - 94_000,
  campaignId: 'app_a_c1',
  network: 'acme',
  linkId: null,
  clickId: 'clk_1',
  siteId: 'site-1',
  isBot: false,
  ...fields,
});

/** What the worker leaves of one app; money is `scale` times as much. */
function rowsOf({ tenantId, appId, scale }: (typeof tenants)[number]) {
  const own = { tenantId, appId };
  const c1 = `${appId}_c1`;
  const c2 = `${appId}_c2`;
  const installEvent = (n: string, at: number) =>
    anEventRow({
      tenant_id: tenantId,
      app_id: appId,
      event_kind: 'install',
      event_name: 'install',
      event_id: n,
      device_key: `d-${n}`,
      occurred_at: at,
      dedupe_hash: hex64(hash64(dedupeKeyOf(appId, 'native', n))),
      country: 'DE',
      platform: 'android',
    });
  const decision = (n: string, at: number, fields: Partial<Parameters<typeof aDecisionRow>[0]> = {}) =>
    aDecisionRow({ ...own, installId: installId(appId, n), deviceKey: `d-${n}`, installedAt: at, ...fields });
  const money = (kind: 'purchase' | 'refund' | 'ad_revenue', n: string, at: number, amount: number, currency = 'EUR') =>
    anEventRow({
      tenant_id: tenantId,
      app_id: appId,
      event_kind: kind,
      event_name: kind,
      device_key: `d-${n}`,
      occurred_at: at,
      revenue_amount: String(amount * scale),
      revenue_currency: currency,
    });
  const journey = (
    id: string,
    touches: readonly (readonly [string, number])[],
    fields: Record<string, unknown> = {},
  ) => ({
    tenant_id: tenantId,
    app_id: appId,
    conversion_id: `${appId}:native:${id}#goal_buy`,
    revision: 1,
    goal: 'goal_buy',
    device_key: 'd-i1',
    install_id: installId(appId, 'i1'),
    converted_at: now - 2 * day,
    decided_at: now - 2 * day,
    value_amount: String(10 * scale),
    value_currency: 'EUR',
    touch_campaign_ids: touches.map(([campaign]) => campaign),
    touch_at: touches.map(([, daysBefore]) => now - 2 * day - daysBefore * day),
    touch_kinds: touches.map(() => 'click'),
    touch_ids: touches.map((_, i) => `${id}-t${i}`),
    ...fields,
  });
  const cost = (campaign_id: string, on: string, amount: number, fields: Record<string, unknown> = {}) => ({
    tenant_id: tenantId,
    app_id: appId,
    campaign_id,
    day: on,
    cost_amount: String(amount * scale),
    cost_currency: 'EUR',
    version: 1,
    ...fields,
  });
  const candidates = [
    {
      touchpoint: aTouchpoint({ campaignId: c1 }),
      matchKey: 'install_referrer' as const,
      eligible: true,
      reason: 'won' as const,
      ctitSeconds: 95,
      windowHours: 168,
    },
    {
      touchpoint: aTouchpoint({ touchpointId: 't0', campaignId: c2, occurredAt: installedAt - 2 * hour }),
      matchKey: 'device_id' as const,
      eligible: true,
      reason: 'older_than_winner' as const,
      ctitSeconds: 7_200,
      windowHours: 168,
    },
  ];
  return {
    events: [
      installEvent('i1', installedAt),
      installEvent('i2', installedAt + hour),
      installEvent('i3', installedAt + 2 * hour),
      installEvent('i4', installedAt + 3 * hour),
      installEvent('undecided', installedAt + 4 * hour),
      installEvent('again', installedAt + 5 * hour),
      money('purchase', 'i1', now - 2 * day, 10),
      money('ad_revenue', 'i1', now - 2 * day, 0.5),
      money('refund', 'i1', now - day, 3),
      money('purchase', 'i1', now - day, 99, 'JPY'),
      money('purchase', 'i2', now - day, 4),
      money('purchase', 'i3', now - day, 50),
      money('purchase', 'i1', now - 40 * day, 1_000),
    ],
    install_attributions: [
      // Organic at first; the click came later.
      decision('i1', installedAt),
      decision('i1', installedAt, {
        revision: 2,
        trigger: 'late_touchpoint',
        rule: 'click_install_referrer',
        campaignId: c1,
        network: 'acme',
        touchpointId: 't1',
        ctitSeconds: 95,
        candidates,
      }),
      decision('i2', installedAt + hour, { campaignId: c1 }),
      decision('i3', installedAt + 2 * hour),
      decision('i4', installedAt + 3 * hour, { campaignId: c1, verdict: 'reinstall' }),
      // The device of i2 once more: what it pays stays with the campaign that brought it.
      decision('again', installedAt + 5 * hour, { deviceKey: 'd-i2', campaignId: c2, verdict: 'reinstall' }),
    ],
    journeys: [
      journey('p1', [
        [c1, 8],
        [c2, 1],
      ]),
      journey('p2', []),
      // Revised: what counts is the second.
      journey('p3', [[c2, 1]]),
      journey('p3', [[c1, 1]], { revision: 2 }),
      journey('p4', [[c1, 20]], { value_currency: 'JPY' }),
      journey('i1', [[c1, 0.5]], {
        goal: 'install',
        conversion_id: `${appId}:native:i1#install`,
        value_amount: '0',
        value_currency: '',
      }),
      journey('old', [[c1, 1]], { converted_at: now - 60 * day }),
    ],
    costs_mirror: [
      cost(c1, '2026-11-20', 100),
      cost(c1, '2026-11-20', 2, { version: 2 }),
      cost(c1, '2026-11-21', 3),
      cost(c1, '2026-11-21', 1_000, { cost_currency: 'USD' }),
    ],
  };
}

beforeAll(async () => {
  test = await startTestWarehouse();
  for (const tenant of tenants) {
    for (const [table, rows] of Object.entries(rowsOf(tenant))) await insert(test.warehouse, table, rows);
  }
  const warehouse: typeof test.warehouse = {
    ...test.warehouse,
    query: (definition, ...rest) => {
      statements.push(definition.name);
      return test.warehouse.query(definition, ...rest);
    },
  };
  subgraph = createAttributionSubgraph(someDeps({ warehouse, directory, clock: { now: () => now } }));
});
beforeEach(() => {
  statements = [];
});
afterAll(async () => {
  await subgraph?.dispose();
  await test.dispose();
});

describe('install(id)', () => {
  const query = /* GraphQL */ `
    query ($id: ID!) {
      install(id: $id) {
        id app { id } person { id } installedAt country platform campaign { id }
        attribution {
          revision trigger verdict rule campaign { id } network touchpointId ctitSeconds explanation
          candidates { touchpointId kind campaign { id } matchKey eligible reason ctitSeconds windowHours explanation }
        }
        history { revision rule }
      }
    }
  `;

  it('shows the decision in force with its evidence, and every earlier one', async () => {
    const { data, codes } = await ask(subgraph, reader, query, { id: installId('app_a', 'i1') });
    expect(codes).toEqual([]);
    expect(data.install).toMatchObject({
      app: { id: 'app_a' },
      person: { id: 'app_a:d-i1' },
      installedAt: '2026-11-14T12:00:00.000Z',
      country: 'DE',
      campaign: { id: 'app_a_c1' },
      attribution: {
        revision: 2,
        trigger: 'LATE_TOUCHPOINT',
        verdict: 'INSTALL',
        rule: 'CLICK_INSTALL_REFERRER',
        network: 'acme',
        touchpointId: 't1',
        ctitSeconds: 95,
        explanation:
          'The latest eligible click won, tied to the install by its click id in the install referrer, 1 min 35 s before it.',
      },
    });
    expect(data.install.attribution.candidates).toMatchObject([
      {
        touchpointId: 't1',
        kind: 'CLICK',
        matchKey: 'INSTALL_REFERRER',
        eligible: true,
        reason: 'WON',
        windowHours: 168,
      },
      { touchpointId: 't0', reason: 'OLDER_THAN_WINNER', campaign: { id: 'app_a_c2' }, ctitSeconds: 7_200 },
    ]);
    expect(data.install.history.map((one: { revision: number }) => one.revision).sort()).toEqual([1, 2]);
  });

  it('shows an install that is stored but not yet decided, with attribution null', async () => {
    const { data, codes } = await ask(subgraph, reader, query, { id: installId('app_a', 'undecided') });
    expect(codes).toEqual([]);
    expect(data.install).toMatchObject({ campaign: null, attribution: null, history: [] });
  });

  it.each([
    ['an unknown install', installId('app_a', 'nobody')],
    ['an install of another tenant', installId('app_b', 'i1')],
    ['an unknown app', installId('app_x', 'i1')],
    ['no install id at all', 'i1'],
  ])('answers %s with NOT_FOUND and null', async (_title, id) => {
    expect(await ask(subgraph, reader, query, { id })).toEqual({ data: { install: null }, codes: ['NOT_FOUND'] });
  });

  it('is refused to a key of another app, and to one that may not read reports', async () => {
    const id = installId('app_a', 'i1');
    const other = aCallerToken({ tenantId: 'ten_a', appIds: ['app_z'] });
    expect((await ask(subgraph, other, query, { id })).codes).toEqual(['NOT_FOUND']);
    const writer = aCallerToken({ tenantId: 'ten_a', scopes: ['ingest:write'] });
    expect((await ask(subgraph, writer, query, { id })).codes).toEqual(['FORBIDDEN']);
  });
});

describe('installs(appId)', () => {
  const query = /* GraphQL */ `
    query ($first: Int!, $after: String) {
      installs(appId: "app_a", range: { lastDays: 30 }, first: $first, after: $after) {
        edges { node { id attribution { revision rule } campaign { id } } }
        pageInfo { hasNextPage endCursor }
      }
    }
  `;

  it('pages through all installs, newest first, each once, decided or not', async () => {
    const seen: [string, number | null][] = [];
    let after: string | null = null;
    for (;;) {
      const { data, codes } = await ask(subgraph, reader, query, { first: 2, after });
      expect(codes).toEqual([]);
      const { edges, pageInfo } = data.installs;
      for (const { node } of edges) seen.push([node.id, node.attribution?.revision ?? null]);
      if (!pageInfo.hasNextPage) break;
      after = pageInfo.endCursor;
    }
    expect(seen).toEqual([
      [installId('app_a', 'again'), 1],
      [installId('app_a', 'undecided'), null],
      [installId('app_a', 'i4'), 1],
      [installId('app_a', 'i3'), 1],
      [installId('app_a', 'i2'), 1],
      [installId('app_a', 'i1'), 2],
    ]);
  });

  it('asks the warehouse twice for a page, however long', async () => {
    await ask(subgraph, reader, query, { first: 50 });
    expect(statements).toHaveLength(2);
  });

  it('answers a foreign app with NOT_FOUND and a broken cursor with BAD_USER_INPUT', async () => {
    const foreign = `{ installs(appId: "app_b", range: { lastDays: 30 }) { edges { node { id } } } }`;
    expect((await ask(subgraph, reader, foreign)).codes).toEqual(['NOT_FOUND']);
    expect((await ask(subgraph, reader, query, { first: 2, after: 'x' })).codes).toEqual(['BAD_USER_INPUT']);
    expect((await ask(subgraph, reader, query, { first: 101 })).codes).toEqual(['BAD_USER_INPUT']);
  });
});

describe('Campaign', () => {
  const lastMonth = 'range: { lastDays: 30 }';
  const figures = `id installs(${lastMonth}) revenue(${lastMonth}) { amount currency } roas(${lastMonth})`;

  it.each(tenants)(
    'counts installs, revenue and ROAS of $tenantId, and nothing of the other',
    async ({ tenantId, appId, scale }) => {
      const ids = [`${appId}_c1`, `${appId}_c2`, `${appId}_idle`];
      const { data, codes } = await askEntities(subgraph, aCallerToken({ tenantId }), 'Campaign', ids, figures);
      expect(codes).toEqual([]);
      const revenue = 11.5 * scale;
      expect(data._entities).toEqual([
        {
          id: ids[0],
          installs: 2,
          // 10 + 0.5 − 3 of one device, 4 of another; yen and what came before the range are not in it.
          revenue: { amount: String(revenue), currency: 'EUR' },
          roas: expect.closeTo(11.5 / 5, 9),
        },
        { id: ids[1], installs: 0, revenue: { amount: '0', currency: 'EUR' }, roas: null },
        { id: ids[2], installs: 0, revenue: { amount: '0', currency: 'EUR' }, roas: null },
      ]);
    },
  );

  it('asks the warehouse once per figure for all campaigns', async () => {
    await askEntities(subgraph, reader, 'Campaign', ['app_a_c1', 'app_a_c2', 'app_a_idle'], figures);
    expect(statements).toHaveLength(new Set(statements).size);
    expect(statements).toHaveLength(3);
  });

  it('takes the spend of the days that begin in the range in the app’s time zone', async () => {
    // Midnight of 2026-11-21 in New York is 05:00 UTC: from there on, the day before is out.
    const from = (time: string) => `range: { from: "2026-11-${time}Z", to: "2026-11-24T12:00:00Z" }`;
    const roas = async (range: string) =>
      (await askEntities(subgraph, reader, 'Campaign', ['app_a_c1'], `revenue(${range}) { amount } roas(${range})`))
        .data._entities[0];
    const both = await roas(from('20T05:00:00'));
    expect(both.roas).toBeCloseTo(Number(both.revenue.amount) / 5, 9);
    const one = await roas(from('20T05:00:00.001'));
    expect(one.roas).toBeCloseTo(Number(one.revenue.amount) / 3, 9);
    expect((await roas(from('21T05:00:00.001'))).roas).toBeNull();
  });

  const credit = (args: string) => `credit(${lastMonth}, ${args}) { model conversions value { amount currency } }`;
  const all = 'models: [FIRST_TOUCH, LAST_TOUCH, LINEAR]';

  it('shares conversions by each model in the order asked; the shares of all campaigns sum to the attributed', async () => {
    const { data, codes } = await askEntities(subgraph, reader, 'Campaign', ['app_a_c1', 'app_a_c2'], credit(all));
    expect(codes).toEqual([]);
    const [c1, c2] = data._entities;
    const shown = (of: { credit: { model: string; conversions: number; value: { amount: string } }[] }) =>
      of.credit.map((one) => [one.model, one.conversions, one.value.amount]);
    // p1 (both), p3 (c1), p4 (c1, in yen), the install (c1).
    expect(shown(c1)).toEqual([
      ['FIRST_TOUCH', 4, '20'],
      ['LAST_TOUCH', 3, '10'],
      ['LINEAR', 3.5, '15'],
    ]);
    expect(shown(c2)).toEqual([
      ['FIRST_TOUCH', 0, '0'],
      ['LAST_TOUCH', 1, '10'],
      ['LINEAR', 0.5, '5'],
    ]);
    for (const model of [0, 1, 2]) {
      expect(c1.credit[model].conversions + c2.credit[model].conversions).toBeCloseTo(4, 12);
    }
    // Paths are read once for both campaigns and all three models.
    expect(statements).toHaveLength(1);
  });

  it('cuts touchpoints before the look-back, and takes one goal if asked', async () => {
    const conversions = async (args: string) =>
      (await askEntities(subgraph, reader, 'Campaign', ['app_a_c1'], credit(args))).data._entities[0].credit.map(
        (one: { conversions: number }) => one.conversions,
      );
    expect(await conversions(`${all}, lookbackDays: 7`)).toEqual([2, 2, 2]);
    expect(await conversions(`${all}, goal: "goal_buy"`)).toEqual([3, 2, 2.5]);
    expect(await conversions(`${all}, goal: "install"`)).toEqual([1, 1, 1]);
  });

  it.each([0, 91])('refuses a look-back of %i days', async (days) => {
    const { codes } = await askEntities(
      subgraph,
      reader,
      'Campaign',
      ['app_a_c1'],
      credit(`${all}, lookbackDays: ${days}`),
    );
    expect(codes).toEqual(['BAD_USER_INPUT']);
  });

  it('answers a foreign campaign with NOT_FOUND', async () => {
    const { codes } = await askEntities(subgraph, reader, 'Campaign', ['app_b_c1'], figures);
    expect(new Set(codes)).toEqual(new Set(['NOT_FOUND']));
  });
});

describe('App.attribution', () => {
  it.each(tenants)('counts what was attributed of $tenantId, by decisions in force', async ({ tenantId, appId }) => {
    const { data, codes } = await askEntities(
      subgraph,
      aCallerToken({ tenantId }),
      'App',
      [appId],
      'attribution(range: { lastDays: 30 }) { attributedInstalls organicInstalls reinstalls unattributedConversions }',
    );
    expect(codes).toEqual([]);
    expect(data._entities[0].attribution).toEqual({
      attributedInstalls: 2,
      organicInstalls: 1,
      reinstalls: 2,
      unattributedConversions: 1,
    });
  });
});
