import type { LiveBus } from '@tributary/platform/live-bus';
import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { startTestWarehouse, type TestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import {
  aCallerToken,
  aDirectory,
  aDirectoryApp,
  aDirectoryCampaign,
  ask,
  someDeps,
  until,
} from '../src/kit.testing.ts';
import { type Subgraph, serveSubgraph } from '../src/kit.ts';
import { aDecisionRow, anEventRow, insert } from '../src/rows.testing.ts';
import { createEventsSubgraph } from './index.ts';

const now = Date.parse('2026-11-24T12:07:30.000Z');
const minute = 60_000;
const day = 86_400_000;

const directory = aDirectory({
  apps: [
    aDirectoryApp({ appId: 'app_live', tenantId: 'ten_a', currency: 'EUR' }),
    aDirectoryApp({ appId: 'app_b', tenantId: 'ten_b' }),
  ],
  campaigns: ['cmp_1', 'cmp_2'].map((campaignId) =>
    aDirectoryCampaign({ campaignId, tenantId: 'ten_a', appId: 'app_live' }),
  ),
});
const reader = aCallerToken({ tenantId: 'ten_a' });
const foreigner = aCallerToken({ tenantId: 'ten_b' });

let test: TestWarehouse;
let liveBus: LiveBus;
let subgraph: Subgraph;

beforeAll(async () => {
  test = await startTestWarehouse();
  liveBus = createMemoryLiveBus();
  subgraph = createEventsSubgraph(
    someDeps({ warehouse: test.warehouse, directory, liveBus, clock: { now: () => now } }),
  );
});
afterAll(async () => {
  await subgraph?.dispose();
  await liveBus?.dispose();
  await test?.dispose();
});

describe('liveMetrics', () => {
  const live = { tenant_id: 'ten_a', app_id: 'app_live' };
  const fields =
    'app { id } window from at cursor totals { events installs sessions revenue { amount currency } eventsPerSecond } rows { campaign { id } installs sessions revenue { amount } }';
  const read = async (window: string) =>
    (await ask(subgraph, reader, `{ liveMetrics(appId: "app_live", window: ${window}) { ${fields} } }`)).data
      .liveMetrics;
  const touch = (minutes: number[]) =>
    liveBus.publish('metrics.touched', { tenantId: 'ten_a', appId: 'app_live', minutes, events: 1, at: now });

  beforeAll(async () => {
    const ago = (ms: number) => now - ms;
    await insert(test.warehouse, 'events', [
      // Three devices installed within the hour: by cmp_1, by nobody, and one not decided yet.
      anEventRow({ ...live, event_kind: 'install', event_id: 'i1', device_key: 'l1', occurred_at: ago(10 * minute) }),
      anEventRow({ ...live, event_kind: 'install', event_id: 'i2', device_key: 'l2', occurred_at: ago(9 * minute) }),
      anEventRow({ ...live, event_kind: 'install', event_id: 'i3', device_key: 'l3', occurred_at: ago(8 * minute) }),
      anEventRow({ ...live, event_kind: 'session', device_key: 'l1', occurred_at: ago(5_000) }),
      anEventRow({ ...live, event_kind: 'session', device_key: 'l2', occurred_at: ago(4_000) }),
      // Installed long ago by cmp_2, revised from cmp_1.
      anEventRow({ ...live, event_kind: 'session', device_key: 'l4', occurred_at: ago(2 * minute) }),
      anEventRow({
        ...live,
        event_kind: 'purchase',
        device_key: 'l4',
        occurred_at: ago(2 * minute),
        received_at: ago(2 * minute),
        revenue_amount: '5.25',
        revenue_currency: 'EUR',
      }),
      anEventRow({
        ...live,
        event_kind: 'refund',
        device_key: 'l1',
        occurred_at: ago(minute),
        received_at: ago(minute),
        revenue_amount: '1',
        revenue_currency: 'EUR',
      }),
      anEventRow({ ...live, tenant_id: 'ten_b', event_kind: 'session', device_key: 'l1', occurred_at: ago(5_000) }),
    ]);
    const decision = (installId: string, deviceKey: string, installedAt: number, more: object = {}) =>
      aDecisionRow({ appId: 'app_live', installId, deviceKey, installedAt, ...more });
    await insert(test.warehouse, 'install_attributions', [
      decision('app_live:native:i1', 'l1', ago(10 * minute), { campaignId: 'cmp_1' }),
      decision('app_live:native:i2', 'l2', ago(9 * minute)),
      decision('app_live:native:i4', 'l4', ago(30 * day), { campaignId: 'cmp_1' }),
      decision('app_live:native:i4', 'l4', ago(30 * day), { campaignId: 'cmp_2', revision: 2 }),
      // A reinstall is no install, and takes no device from the campaign that brought it.
      decision('app_live:native:i5', 'l1', ago(3 * minute), { verdict: 'reinstall' }),
      decision('app_live:native:i1', 'l1', ago(10 * minute), { campaignId: 'cmp_2', tenantId: 'ten_b', revision: 9 }),
    ]);
  });

  it('holds totals of the window and rows by the decision in force', async () => {
    expect(await read('LAST_HOUR')).toMatchObject({
      app: { id: 'app_live' },
      window: 'LAST_HOUR',
      from: '2026-11-24T11:08:00.000Z',
      at: '2026-11-24T12:07:30.000Z',
      totals: {
        events: 8,
        installs: 3,
        sessions: 3,
        revenue: { amount: '4.25', currency: 'EUR' },
        eventsPerSecond: 0.2,
      },
      rows: [
        { campaign: { id: 'cmp_1' }, installs: 1, sessions: 1, revenue: { amount: '-1' } },
        { campaign: { id: 'cmp_2' }, installs: 0, sessions: 1, revenue: { amount: '5.25' } },
        { campaign: null, installs: 1, sessions: 1, revenue: { amount: '0' } },
      ],
    });
  });

  it('leaves out what is older than the window', async () => {
    expect((await read('LAST_5_MINUTES')).totals).toMatchObject({ events: 5, installs: 0, sessions: 3 });
  });

  it('refuses another tenant', async () => {
    const { codes } = await ask(subgraph, foreigner, '{ liveMetrics(appId: "app_live", window: TODAY) { cursor } }');
    expect(codes).toEqual(['NOT_FOUND']);
  });

  it('pushes a window at once and again when it changed, and closes what nobody watches', async () => {
    const server = await serveSubgraph(subgraph, { host: '127.0.0.1', port: 0 });
    const client = createClient({ url: server.url.replace('http', 'ws'), webSocketImpl: WebSocket, retryAttempts: 0 });
    const query = `subscription { liveMetrics(appId: "app_live", window: LAST_HOUR) { ${fields} } }`;
    const payloads: { totals: { sessions: number }; rows: { campaign: { id: string } | null; sessions: number }[] }[] =
      [];
    const ended = (async () => {
      for await (const result of client.iterate({ query, extensions: { caller: reader } })) {
        payloads.push((result.data as { liveMetrics: (typeof payloads)[number] }).liveMetrics);
        if (payloads.length === 2) break;
      }
    })();
    await until(() => payloads.length === 1);
    expect(payloads[0]!.totals.sessions).toBe(3);
    await insert(test.warehouse, 'events', [
      anEventRow({ ...live, event_kind: 'session', device_key: 'l4', occurred_at: now - 1_000 }),
    ]);
    const touched = performance.now();
    touch([now - (now % minute)]);
    await ended;
    process.stdout.write(`a stored event is pushed ${Math.round(performance.now() - touched)} ms after its message\n`);
    expect(payloads[1]!.totals.sessions).toBe(4);
    expect(payloads[1]!.rows.find((row) => row.campaign?.id === 'cmp_2')!.sessions).toBe(2);
    const refused = client.iterate({ query, extensions: { caller: foreigner } }).next();
    await expect(refused).resolves.toMatchObject({ value: { errors: [{ extensions: { code: 'NOT_FOUND' } }] } });
    await client.dispose();
    await server.dispose();
  });
});
