import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { askGraph, type Family, freePorts, startFamily, temporaryDir, until } from './family.testing.ts';

describe('the demo', () => {
  let folder: Awaited<ReturnType<typeof temporaryDir>>;
  let family: Family;
  let access: { readonly apiKey: string; readonly appId: string };

  beforeAll(async () => {
    folder = await temporaryDir();
    const [gateway, collector, warehouse] = (await freePorts(3)) as [number, number, number];
    family = await startFamily({
      dataDir: folder.dir,
      ports: { gateway, collector, warehouse },
      args: ['--demo', '--rate', '20', '--installs-per-day', '6'],
    });
    access = JSON.parse(await readFile(join(folder.dir, 'demo.json'), 'utf8'));
  }, 200_000);

  afterAll(async () => {
    await family?.stop();
    await folder?.dispose();
  }, 60_000);

  const ask = async <T>(query: string) => {
    const answer = await askGraph<T>(family.gatewayUrl, access.apiKey, query);
    if (answer.errors) throw new Error(JSON.stringify(answer.errors));
    return answer.data!;
  };

  it('fills 30 days through the public endpoints, and says how far it is', async () => {
    await until(async () => (await stat(join(folder.dir, 'demo-backfilled.json')).catch(() => null)) !== null, 90_000);
    expect(family.output()).toMatch(/demo history: day 5 of 30, [\d,]+ events sent/);
    const days = await until(async () => {
      const data = await ask<{ app: { timeseries: { at: string; value: number }[] } }>(
        `{ app(id: "${access.appId}") { timeseries(range: { lastDays: 30 }, metric: INSTALLS, grain: DAY) { at value } } }`,
      );
      const filled = data.app.timeseries.filter((point) => point.value > 0);
      return filled.length >= 27 ? filled : null;
    }, 30_000);
    expect(days.length).toBeGreaterThanOrEqual(27);
  }, 150_000);

  it('has campaigns with spend, attributed installs, revenue and ROAS, and finds its own fraud', async () => {
    interface Answer {
      campaigns: {
        edges: {
          node: {
            name: string;
            spend: { amount: string };
            installs: number;
            roas: number | null;
            fraud: { scored: number; fraud: number };
          };
        }[];
      };
    }
    const found = await until(async () => {
      const data = await ask<Answer>(
        `{ campaigns(appId: "${access.appId}", first: 50) { edges { node { name spend(range: { lastDays: 31 }) { amount }
           installs(range: { lastDays: 31 }) roas(range: { lastDays: 31 }) fraud(range: { lastDays: 31 }) { scored fraud } } } } }`,
      );
      const nodes = data.campaigns.edges.map((edge) => edge.node);
      const whole = nodes.every((node) => node.installs > 0 && node.fraud.scored > 0 && Number(node.spend.amount) > 0);
      return whole && nodes.some((node) => node.fraud.fraud > 0) ? nodes : null;
    }, 60_000);
    expect(found.length).toBeGreaterThanOrEqual(4);
    expect(found.every((node) => node.roas !== null)).toBe(true);
  }, 90_000);

  it('goes on with live traffic: clicks on tracking links and installs that follow them', async () => {
    const live = await until(async () => {
      const data = await ask<{
        liveMetrics: {
          totals: { events: number; eventsPerSecond: number };
          rows: { campaign: { name: string } | null; installs: number }[];
        };
      }>(
        `{ liveMetrics(appId: "${access.appId}", window: LAST_5_MINUTES) { totals { events eventsPerSecond } rows { campaign { name } installs } } }`,
      );
      const attributed = data.liveMetrics.rows.some((row) => row.campaign !== null && row.installs > 0);
      return attributed && data.liveMetrics.totals.eventsPerSecond > 0 ? data.liveMetrics : null;
    }, 120_000);
    expect(live.totals.events).toBeGreaterThan(0);
  }, 150_000);
});
