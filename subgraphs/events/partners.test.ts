import { readdirSync } from 'node:fs';
import type { QueryDefinition } from '@tributary/platform/warehouse';
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
import { aDecisionRow, anEventRow, insert } from '../src/rows.testing.ts';
import { createEventsSubgraph } from './index.ts';

const now = Date.parse('2026-11-24T12:07:30.000Z');
const minute = 60_000;
const partners = ['par_1', 'par_2'] as const;
const campaignOf = { par_1: 'cmp_1', par_2: 'cmp_2' } as const;
const directory = aDirectory({
  apps: [aDirectoryApp({ appId: 'app_a', tenantId: 'ten_a' })],
  campaigns: partners.map((partnerId) =>
    aDirectoryCampaign({ campaignId: campaignOf[partnerId], tenantId: 'ten_a', appId: 'app_a', partnerId }),
  ),
});
const tenant = aCallerToken({ tenantId: 'ten_a', scopes: ['read:reports', 'read:personal'] });
const tokenOf = (partnerId: string) =>
  aCallerToken({ tenantId: 'ten_a', partnerId, scopes: ['read:reports', 'read:personal'] });

let test: TestWarehouse;
let subgraph: Subgraph;

/** Mirrored data: the same for both partners, in numbers that tell them apart (1 and 2 of each), and 4 of nobody's. */
beforeAll(async () => {
  test = await startTestWarehouse();
  subgraph = createEventsSubgraph(someDeps({ warehouse: test.warehouse, directory, clock: { now: () => now } }));
  await insert(
    test.warehouse,
    'campaigns_mirror',
    partners.map((partner_id) => ({
      tenant_id: 'ten_a',
      app_id: 'app_a',
      campaign_id: campaignOf[partner_id],
      name: partner_id,
      network: 'n',
      partner_id,
      version: 1,
    })),
  );
  const owners = [
    ...partners.map((partner, index) => ({ campaign: campaignOf[partner] as string, count: index + 1 })),
    { campaign: '', count: 4 },
  ];
  for (const { campaign, count } of owners) {
    for (let index = 0; index < count; index += 1) {
      const device = `d-${campaign}-${index}`;
      const at = now - (index + 2) * minute;
      const named = { occurred_at: at, device_key: device, campaign_id: campaign };
      const event = anEventRow({ ...named, event_kind: 'install' });
      await insert(test.warehouse, 'events', [
        event,
        anEventRow({ ...named, event_kind: 'click' }),
        anEventRow({ ...named, event_kind: 'session' }),
        anEventRow({ ...named, event_kind: 'purchase', revenue_amount: '3', revenue_currency: 'USD' }),
      ]);
      await insert(test.warehouse, 'install_attributions', [
        aDecisionRow({
          installId: `app_a:native:${event['event_id']}`,
          deviceKey: device,
          installedAt: at,
          ...(campaign === '' ? {} : { campaignId: campaign }),
        }),
      ]);
    }
    if (campaign !== '') {
      await insert(test.warehouse, 'costs_mirror', [
        {
          tenant_id: 'ten_a',
          app_id: 'app_a',
          campaign_id: campaign,
          day: '2026-11-24',
          cost_amount: String(10 * count),
          cost_currency: 'USD',
          version: 1,
        },
      ]);
    }
  }
});
afterAll(async () => {
  await subgraph?.dispose();
  await test?.dispose();
});

const counts = { par_1: 1, par_2: 2 } as const;
const range = 'range: { lastDays: 2 }';

describe.each(partners)('%s of two partners of one tenant', (partnerId) => {
  const token = tokenOf(partnerId);
  const own = counts[partnerId];

  it('gets metrics and series of events that name its campaigns', async () => {
    const fields = `metrics(${range}) { events sessions installs purchases people revenue { amount } } timeseries(${range}, metric: SESSIONS, grain: DAY) { value } people: timeseries(${range}, metric: PEOPLE, grain: DAY) { value }`;
    const { data, codes } = await askEntities(subgraph, token, 'App', ['app_a'], fields);
    expect(codes).toEqual([]);
    const [app] = data._entities;
    expect(app.metrics).toEqual({
      events: 4 * own,
      sessions: own,
      installs: own,
      purchases: own,
      people: own,
      revenue: { amount: String(3 * own) },
    });
    const total = (points: { value: number }[]) => points.reduce((sum, point) => sum + point.value, 0);
    expect([total(app.timeseries), total(app.people)]).toEqual([own, own]);
  });

  it('gets live totals and rows of its campaigns', async () => {
    const { data, codes } = await ask(
      subgraph,
      token,
      '{ liveMetrics(appId: "app_a", window: LAST_HOUR) { totals { events installs eventsPerSecond } rows { campaign { id } installs sessions } } }',
    );
    expect(codes).toEqual([]);
    expect(data.liveMetrics.totals).toMatchObject({ events: 4 * own, installs: own });
    expect(data.liveMetrics.rows).toEqual([{ campaign: { id: campaignOf[partnerId] }, installs: own, sessions: own }]);
  });

  it('gets events that name its campaigns, and nothing personal of them', async () => {
    const list = `{ events(appId: "app_a", ${range}, first: 100) { edges { node { id campaign { id } } } } }`;
    const { data } = await ask(subgraph, token, list);
    expect(data.events.edges).toHaveLength(4 * own);
    expect(
      data.events.edges.every(
        (edge: { node: { campaign: { id: string } } }) => edge.node.campaign.id === campaignOf[partnerId],
      ),
    ).toBe(true);
    for (const field of ['person { id }', 'properties']) {
      const answer = await ask(subgraph, token, list.replace('campaign { id }', field));
      expect(new Set(answer.codes)).toEqual(new Set(['FORBIDDEN']));
    }
    expect((await ask(subgraph, token, `{ person(id: "app_a:d-${campaignOf[partnerId]}-0") { id } }`)).codes).toEqual([
      'FORBIDDEN',
    ]);
  });

  it('gets a report of its campaigns, whatever it is by, filtered and summed', async () => {
    const metrics = 'metrics: [EVENTS, SESSIONS, REVENUE, PEOPLE, CLICKS, INSTALLS, ORGANIC_INSTALLS, COST, ROAS]';
    const shown =
      'edges { node { campaign { id } partner { id } events sessions revenue { amount } people clicks installs organicInstalls cost { amount } roas } }';
    const whole = {
      events: 4 * own,
      sessions: own,
      revenue: { amount: String(3 * own) },
      people: own,
      clicks: own,
      installs: own,
      organicInstalls: 0,
      cost: { amount: String(10 * own) },
      roas: 0.3,
    };
    const total = await ask(subgraph, token, `{ report(appIds: ["app_a"], ${metrics}, ${range}) { ${shown} } }`);
    expect(total.codes).toEqual([]);
    expect(total.data.report.edges).toEqual([{ node: { campaign: null, partner: null, ...whole } }]);
    const parts = await ask(
      subgraph,
      token,
      `{ report(appIds: ["app_a"], ${metrics}, dimensions: [CAMPAIGN, PARTNER], ${range}) { ${shown} } }`,
    );
    expect(parts.data.report.edges).toEqual([
      { node: { campaign: { id: campaignOf[partnerId] }, partner: { id: partnerId }, ...whole } },
    ]);
    const other = partnerId === 'par_1' ? 'cmp_2' : 'cmp_1';
    const foreign = await ask(
      subgraph,
      token,
      `{ report(appIds: ["app_a"], metrics: [CLICKS, COST], dimensions: [CAMPAIGN], filters: [{ dimension: CAMPAIGN, in: ["${other}", ""] }], ${range}) { ${shown} } }`,
    );
    expect(foreign.data.report.edges).toEqual([]);
  });
});

it('the tenant itself sees what both and nobody brought', async () => {
  const { data } = await askEntities(subgraph, tenant, 'App', ['app_a'], `metrics(${range}) { events sessions }`);
  expect(data._entities[0].metrics).toEqual({ events: 28, sessions: 7 });
});

it('a partner without campaigns sees nothing', async () => {
  const { data } = await askEntities(
    subgraph,
    tokenOf('par_none'),
    'App',
    ['app_a'],
    `metrics(${range}) { events people }`,
  );
  expect(data._entities[0].metrics).toEqual({ events: 0, people: 0 });
});

describe('the wall in SQL', () => {
  /** What a partner never reaches, or what is kept by the tenant itself. */
  const without = new Set(['events_replay_outcomes', 'events_last_replays', 'events_unfinished_exports']);

  it('stands in every query of the events, attribution and predictions subgraphs', async () => {
    const found: string[] = [];
    for (const folder of ['events', 'attribution', 'predictions']) {
      const dir = new URL(`../${folder}/`, import.meta.url);
      for (const file of readdirSync(dir).filter((name) => /reader\.ts$|store\.ts$|replay/.test(name))) {
        const exported = Object.values((await import(new URL(file, dir).href)) as Record<string, unknown>);
        for (const one of exported as Partial<QueryDefinition<never, never>>[]) {
          if (typeof one?.sql !== 'string' || typeof one.name !== 'string' || without.has(one.name)) continue;
          found.push(one.name);
          expect([one.name, one.sql.includes('{partnerId:String}')]).toEqual([one.name, true]);
        }
      }
    }
    expect(found.length).toBeGreaterThan(15);
  });
});
