import { startTestWarehouse, type TestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import { unlinkRow } from '@tributary/schema/identity-sql';
import { aCallerToken, aDirectory, aDirectoryApp, ask, someDeps } from '../src/kit.testing.ts';
import type { Subgraph } from '../src/kit.ts';
import { anEventRow, insert } from '../src/rows.testing.ts';
import { createEventsSubgraph } from './index.ts';

const now = Date.parse('2026-11-24T12:00:00.000Z');
const range = { from: '2026-11-20T00:00:00.000Z', to: '2026-11-24T00:00:00.000Z' };
const at = (day: number) => Date.parse(`2026-11-${day}T10:00:00.000Z`);
const reader = aCallerToken({ tenantId: 'ten_a' });
const directory = aDirectory({ apps: [aDirectoryApp({ appId: 'app_a', tenantId: 'ten_a' })] });

let test: TestWarehouse;
let subgraph: Subgraph;
beforeAll(async () => {
  test = await startTestWarehouse();
  subgraph = createEventsSubgraph(someDeps({ warehouse: test.warehouse, directory, clock: { now: () => now } }));
  const sessions = [
    ['phone', 20, 'DE'],
    ['tablet', 20, 'DE'],
    ['tablet', 21, 'US'],
    ['stranger', 21, 'US'],
  ] as const;
  await insert(
    test.warehouse,
    'events',
    sessions.map(([device_key, day, country], index) =>
      anEventRow({
        tenant_id: 'ten_a',
        app_id: 'app_a',
        event_id: `e-${index}`,
        event_kind: 'session',
        event_name: 'session',
        device_key,
        country,
        occurred_at: at(day),
      }),
    ),
  );
});
afterAll(async () => {
  await subgraph?.dispose();
  await test?.dispose();
});

/** People of the range, by day, and by country, from the three readers that count them. */
async function people() {
  const { data, codes } = await ask(
    subgraph,
    reader,
    `query ($range: TimeRange!) {
      report(appIds: ["app_a"], metrics: [PEOPLE], dimensions: [COUNTRY], range: $range) { edges { node { country people } } }
      byCampaign: report(appIds: ["app_a"], metrics: [PEOPLE], dimensions: [CAMPAIGN], range: $range) { edges { node { people } } }
    }`,
    { range },
  );
  expect(codes).toEqual([]);
  const { data: entity } = await ask(
    subgraph,
    reader,
    `query ($range: TimeRange!) { _entities(representations: [{ __typename: "App", id: "app_a" }]) { ... on App {
      metrics(range: $range) { people } timeseries(range: $range, metric: PEOPLE, grain: DAY) { value } } } }`,
    { range },
  );
  const [app] = entity._entities;
  const byCountry = data.report.edges.map(({ node }: { node: { country: string; people: number } }) => [
    node.country,
    node.people,
  ]);
  return {
    range: app.metrics.people,
    byDay: app.timeseries.map(({ value }: { value: number }) => value),
    byCountry: Object.fromEntries(byCountry),
    byCampaign: data.byCampaign.edges.map(({ node }: { node: { people: number } }) => node.people),
  };
}

const link = (device_key: string, personId: string, version: number, tenant_id = 'ten_a') => ({
  tenant_id,
  app_id: 'app_a',
  device_key,
  person_id: personId,
  linked_at: at(22),
  origin: 'identify',
  unlinked: 0,
  version,
});

describe('people', () => {
  it('are devices while nobody said who they belong to', async () => {
    expect(await people()).toEqual({
      range: 3,
      byDay: [2, 2, 0, 0],
      byCountry: { DE: 2, US: 2 },
      byCampaign: [3],
    });
  });

  it('are one where two devices were said to be one person’s, of the time before it was said too', async () => {
    await insert(test.warehouse, 'identity_links', [link('phone', 'ada', 1), link('tablet', 'ada', 1)]);
    // What another tenant says of the same ids changes nothing here.
    await insert(test.warehouse, 'identity_links', [link('stranger', 'ada', 9, 'ten_b')]);
    expect(await people()).toEqual({
      range: 2,
      byDay: [1, 2, 0, 0],
      byCountry: { DE: 1, US: 2 },
      byCampaign: [2],
    });
  });

  it('are counted as before once a merge is undone', async () => {
    await insert(test.warehouse, 'identity_links', [
      unlinkRow({ tenantId: 'ten_a', appId: 'app_a', deviceKey: 'tablet', personId: 'ada', atMs: at(23) }),
    ]);
    expect(await people()).toMatchObject({ range: 3, byDay: [2, 2, 0, 0], byCountry: { DE: 2, US: 2 } });
  });
});
