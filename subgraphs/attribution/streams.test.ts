import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { startTestWarehouse, type TestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import { dedupeKeyOf, hash64, hex64 } from '@tributary/schema';
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
import { follow } from '../src/stream.testing.ts';
import { streamCursorOf } from '../src/stream-position.ts';
import { createAttributionSubgraph } from './index.ts';

const campaigns = [
  { campaignId: 'cmp_1', partnerId: 'par_1' },
  { campaignId: 'cmp_2', partnerId: 'par_2' },
];
const directory = aDirectory({
  apps: [aDirectoryApp({ appId: 'app_a', tenantId: 'ten_a' }), aDirectoryApp({ appId: 'app_b', tenantId: 'ten_b' })],
  campaigns: campaigns.map((one) => aDirectoryCampaign({ ...one, tenantId: 'ten_a', appId: 'app_a' })),
});
const reader = aCallerToken({ tenantId: 'ten_a' });
const partnerOne = aCallerToken({ tenantId: 'ten_a', partnerId: 'par_1' });
const partnerTwo = aCallerToken({ tenantId: 'ten_a', partnerId: 'par_2' });
const liveBus = createMemoryLiveBus();

let test: TestWarehouse;
const opened: Subgraph[] = [];
const open = () => {
  const subgraph = createAttributionSubgraph(someDeps({ warehouse: test.warehouse, directory, liveBus }), {
    settleMs: 30,
  });
  opened.push(subgraph);
  return subgraph;
};
beforeAll(async () => {
  test = await startTestWarehouse();
  await insert(
    test.warehouse,
    'campaigns_mirror',
    campaigns.map(({ campaignId, partnerId }) => ({
      tenant_id: 'ten_a',
      app_id: 'app_a',
      campaign_id: campaignId,
      name: campaignId,
      network: 'n',
      partner_id: partnerId,
      version: 1,
    })),
  );
});
afterAll(async () => {
  for (const subgraph of opened) await subgraph.dispose();
  await liveBus.dispose();
  await test?.dispose();
});

let serial = 0;
const nextSerial = () => {
  serial += 1;
  return serial;
};
/** Installs with their decisions, decided now, as the worker writes and tells them. */
async function decide(
  count: number,
  fields: { campaignId?: string; verdict?: 'install' | 'reinstall' } = {},
): Promise<string[]> {
  const at = Date.now();
  const ids = Array.from({ length: count }, () => `i${String(nextSerial()).padStart(5, '0')}`);
  await insert(
    test.warehouse,
    'events',
    ids.map((event_id) =>
      anEventRow({
        event_id,
        event_kind: 'install',
        occurred_at: at,
        device_key: `d-${event_id}`,
        dedupe_hash: hex64(hash64(dedupeKeyOf('app_a', 'native', event_id))),
      } as never),
    ),
  );
  const candidate = (campaignId: string) => ({
    touchpoint: { touchpointId: `t-${campaignId}`, kind: 'click', occurredAt: at, campaignId },
    matchKey: 'click_id',
    eligible: true,
    reason: 'won',
    ctitSeconds: 5,
    windowHours: 168,
  });
  await insert(
    test.warehouse,
    'install_attributions',
    ids.map((id) =>
      aDecisionRow({
        installId: `app_a:native:${id}`,
        deviceKey: `d-${id}`,
        installedAt: at,
        decidedAt: at,
        candidates: [candidate('cmp_1'), candidate('cmp_2')] as never,
        ...fields,
      }),
    ),
  );
  for (const id of ids) {
    liveBus.publish('install.attributed', {
      tenantId: 'ten_a',
      appId: 'app_a',
      installId: `app_a:native:${id}`,
      revision: 1,
      at,
    });
  }
  return ids.map((id) => `app_a:native:${id}`);
}

async function convert(count: number, touches: readonly string[], goal = 'goal_1'): Promise<string[]> {
  const at = Date.now();
  const ids = Array.from({ length: count }, () => `c${String(nextSerial()).padStart(5, '0')}#${goal}`);
  await insert(
    test.warehouse,
    'journeys',
    ids.map((conversion_id) => ({
      tenant_id: 'ten_a',
      app_id: 'app_a',
      conversion_id,
      revision: 1,
      goal,
      device_key: 'd',
      install_id: '',
      converted_at: at,
      decided_at: at,
      value_amount: '9.50',
      value_currency: 'USD',
      touch_campaign_ids: touches,
      touch_at: touches.map(() => at),
      touch_kinds: touches.map(() => 'click'),
      touch_ids: touches.map((_, index) => `t${index}`),
    })),
  );
  for (const conversionId of ids) {
    liveBus.publish('conversion.recorded', { tenantId: 'ten_a', appId: 'app_a', conversionId, revision: 1, at });
  }
  return ids;
}

const installs = `subscription ($appId: ID! = "app_a", $campaignIds: [ID!], $verdicts: [InstallVerdict!], $after: String) {
  installAttributed(appId: $appId, campaignIds: $campaignIds, verdicts: $verdicts, after: $after) {
    cursor installs { id campaign { id } attribution { candidates { campaign { id } } } } } }`;
const conversions = `subscription ($appId: ID! = "app_a", $goalIds: [ID!], $campaignIds: [ID!], $after: String) {
  conversion(appId: $appId, goalIds: $goalIds, campaignIds: $campaignIds, after: $after) {
    cursor conversions { id goalId value { amount currency } campaigns { id } install { id } } } }`;

type Stream = Awaited<ReturnType<typeof follow>>;
interface Item {
  readonly id: string;
  readonly campaigns?: readonly { id: string }[];
  readonly attribution?: { candidates: object[] };
}

async function take(stream: Stream, field: 'installAttributed' | 'conversion', count: number) {
  const items: Item[] = [];
  let cursor = '';
  while (items.length < count) {
    const payload = (await stream.next())[field];
    items.push(...(payload.installs ?? payload.conversions));
    cursor = payload.cursor;
  }
  return { items, ids: items.map((one) => one.id), cursor };
}

describe('installAttributed', () => {
  it('gives every decision with its campaign, and goes on after its cursor in a new instance', async () => {
    const first = open();
    const stream = await follow(first, reader, installs);
    await stream.next();
    const before = await decide(130, { campaignId: 'cmp_1' });
    const { items, ids, cursor } = await take(stream, 'installAttributed', 100);
    expect(items[0]).toMatchObject({ campaign: { id: 'cmp_1' } });
    await stream.stop();
    await first.dispose();
    const between = await decide(20);
    const second = await follow(open(), reader, installs, { after: cursor });
    const after = await decide(5);
    const rest = await take(second, 'installAttributed', 155 - ids.length);
    expect([...ids, ...rest.ids]).toEqual([...before, ...between, ...after]);
    await second.stop();
  });

  it('shows only the campaigns and verdicts asked for', async () => {
    const stream = await follow(open(), reader, installs, { campaignIds: ['cmp_2'], verdicts: ['REINSTALL'] });
    await stream.next();
    await decide(1, { campaignId: 'cmp_2' });
    await decide(1, { campaignId: 'cmp_1', verdict: 'reinstall' });
    const fits = await decide(1, { campaignId: 'cmp_2', verdict: 'reinstall' });
    expect((await take(stream, 'installAttributed', 1)).ids).toEqual(fits);
    await stream.stop();
  });

  it('shows each partner its own installs only, and no touchpoint of the other', async () => {
    const streams = await Promise.all([partnerOne, partnerTwo].map((token) => follow(open(), token, installs)));
    for (const stream of streams) await stream.next();
    await decide(1);
    const one = await decide(2, { campaignId: 'cmp_1' });
    const two = await decide(2, { campaignId: 'cmp_2' });
    const [first, second] = await Promise.all(streams.map((stream) => take(stream, 'installAttributed', 2)));
    expect(first?.ids).toEqual(one);
    expect(second?.ids).toEqual(two);
    expect(first?.items[0]?.attribution?.candidates).toEqual([{ campaign: { id: 'cmp_1' } }]);
    expect(second?.items[0]?.attribution?.candidates).toEqual([{ campaign: { id: 'cmp_2' } }]);
    for (const stream of streams) await stream.stop();
  });

  it.each([
    ['an app of another tenant', { appId: 'app_b' }, 'NOT_FOUND'],
    [
      'a cursor of the other stream',
      { after: streamCursorOf('conversions', 'app_a', [Date.now(), '', 0]) },
      'BAD_USER_INPUT',
    ],
    [
      'a cursor older than a day',
      { after: streamCursorOf('installs', 'app_a', [Date.now() - 90_000_000, '', 0]) },
      'CURSOR_EXPIRED',
    ],
  ])('refuses %s', async (_name, variables, code) => {
    await expect(follow(open(), reader, installs, variables)).rejects.toMatchObject({ code });
  });
});

describe('conversion', () => {
  it('gives every conversion with its value and campaigns, and goes on after its cursor in a new instance', async () => {
    const stream = await follow(open(), reader, conversions);
    await stream.next();
    const before = await convert(3, ['cmp_1', '', 'cmp_2']);
    const { items, cursor } = await take(stream, 'conversion', 3);
    expect(items.map((one) => one.id)).toEqual(before);
    expect(items[0]).toEqual({
      id: before[0],
      goalId: 'goal_1',
      value: { amount: '9.5', currency: 'USD' },
      campaigns: [{ id: 'cmp_1' }, { id: 'cmp_2' }],
      install: null,
    });
    await stream.stop();
    const missed = await convert(2, []);
    const again = await follow(open(), reader, conversions, { after: cursor });
    expect((await take(again, 'conversion', 2)).ids).toEqual(missed);
    await again.stop();
  });

  it('shows only the goals and campaigns asked for', async () => {
    const stream = await follow(open(), reader, conversions, { goalIds: ['goal_2'], campaignIds: ['cmp_1'] });
    await stream.next();
    await convert(1, ['cmp_1']);
    await convert(1, ['cmp_2'], 'goal_2');
    const fits = await convert(1, ['cmp_2', 'cmp_1'], 'goal_2');
    expect((await take(stream, 'conversion', 1)).ids).toEqual(fits);
    await stream.stop();
  });

  it('shows a partner the conversions that its campaigns touched, without the campaigns of others', async () => {
    const stream = await follow(open(), partnerOne, conversions);
    await stream.next();
    await convert(1, ['cmp_2']);
    await convert(1, []);
    const own = await convert(1, ['cmp_2', 'cmp_1']);
    const { items } = await take(stream, 'conversion', 1);
    expect(items.map((one) => one.id)).toEqual(own);
    expect(items[0]?.campaigns).toEqual([{ id: 'cmp_1' }]);
    await stream.stop();
  });
});

describe('two partners of one tenant', () => {
  const range = 'range: { lastDays: 2 }';
  const figures = `installs(${range}) revenue(${range}) { amount } roas(${range}) credit(${range}, models: [LAST_TOUCH, LINEAR]) { conversions value { amount } }`;
  let oneId = '';

  beforeAll(async () => {
    [oneId = ''] = await decide(1, { campaignId: 'cmp_1' });
    await decide(1, { campaignId: 'cmp_2' });
    const day = new Date(Date.now()).toISOString().slice(0, 10);
    await insert(
      test.warehouse,
      'costs_mirror',
      campaigns.map(({ campaignId }) => ({
        tenant_id: 'ten_a',
        app_id: 'app_a',
        campaign_id: campaignId,
        day,
        cost_amount: '10',
        cost_currency: 'USD',
        version: 1,
      })),
    );
  });

  it('see in lists and by id the installs of their own campaigns only', async () => {
    const subgraph = open();
    const list = `{ installs(appId: "app_a", ${range}, first: 100) { edges { node { id campaign { id } } } } }`;
    for (const [token, campaignId] of [
      [partnerOne, 'cmp_1'],
      [partnerTwo, 'cmp_2'],
    ] as const) {
      const { data, codes } = await ask(subgraph, token, list);
      expect(codes).toEqual([]);
      const seen = new Set(
        data.installs.edges.map((edge: { node: { campaign: { id: string } | null } }) => edge.node.campaign?.id),
      );
      expect([...seen]).toEqual([campaignId]);
    }
    const byId = `{ install(id: "${oneId}") { id } }`;
    expect((await ask(subgraph, partnerOne, byId)).codes).toEqual([]);
    expect((await ask(subgraph, partnerTwo, byId)).codes).toEqual(['NOT_FOUND']);
    expect((await ask(subgraph, partnerOne, `{ install(id: "${oneId}") { person { id } } }`)).codes).toEqual([
      'FORBIDDEN',
    ]);
  });

  it('get figures of their own campaigns, as the tenant sees them, and none of the other', async () => {
    const subgraph = open();
    const own = await askEntities(subgraph, partnerOne, 'Campaign', ['cmp_1'], figures);
    const whole = await askEntities(subgraph, reader, 'Campaign', ['cmp_1'], figures);
    expect(own.codes).toEqual([]);
    expect(own.data).toEqual(whole.data);
    expect(own.data._entities[0].installs).toBeGreaterThan(0);
    expect((await askEntities(subgraph, partnerTwo, 'Campaign', ['cmp_1'], figures)).codes).toContain('NOT_FOUND');
  });

  it('are held apart by the SQL alone, whatever asked it', async () => {
    const { createCampaignReader } = await import('./campaign-reader.ts');
    const sql = createCampaignReader(test.warehouse);
    const app = directory.current().apps[0]!;
    const now = Date.now();
    const request = {
      tenantId: 'ten_a',
      app,
      range: { fromMs: now - 2 * 86_400_000, toMs: now + 1_000 },
      partnerId: 'par_1',
    };
    expect([...(await sql.readInstallCounts(request)).keys()]).toEqual(['cmp_1']);
    expect([...(await sql.readSpend(request)).keys()]).toEqual(['cmp_1']);
    const paths = await sql.readPaths({ ...request, lookbackDays: 30, goal: null });
    expect(paths.length).toBeGreaterThan(0);
    expect(new Set(paths.flatMap((path) => path.campaignIds))).toEqual(new Set(['cmp_1', '-']));
  });

  it('see totals of the app over their own installs', async () => {
    const { data, codes } = await askEntities(
      open(),
      partnerOne,
      'App',
      ['app_a'],
      `attribution(${range}) { attributedInstalls organicInstalls unattributedConversions }`,
    );
    expect(codes).toEqual([]);
    const all = await askEntities(
      open(),
      reader,
      'App',
      ['app_a'],
      `attribution(${range}) { attributedInstalls organicInstalls }`,
    );
    expect(data._entities[0].attribution.organicInstalls).toBe(0);
    expect(data._entities[0].attribution.attributedInstalls).toBeLessThan(
      all.data._entities[0].attribution.attributedInstalls,
    );
  });
});
