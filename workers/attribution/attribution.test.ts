// Over 400 lines: all tests share one warehouse, which takes a second to start.
import type { LiveBus } from '@tributary/platform/live-bus';
import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { createLogger } from '@tributary/platform/logger';
import type { Warehouse } from '@tributary/platform/warehouse';
import { startTestWarehouse, type TestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import { type LiveMessages, loadConfig } from '@tributary/schema';
import { createAttributionWorker } from './index.ts';
import {
  aDirectory,
  anEvent,
  aWorld,
  clearWarehouse,
  dyingAt,
  storedDecisions,
  storedJourneys,
} from './world.testing.ts';

const start = Date.parse('2026-11-24T12:00:00.000Z');
const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

let test: TestWarehouse;
let liveBus: LiveBus;

const open = (warehouse: Warehouse = test.warehouse) =>
  createAttributionWorker({
    warehouse,
    directory: aDirectory(aWorld()),
    liveBus,
    clock: { now: () => Date.now() },
    logger: createLogger('test', 'silent'),
    config: loadConfig({}),
  });
const insert = (...rows: readonly object[]) => test.warehouse.insertRows({ name: 'test_rows', table: 'events', rows });
const decisions = (tenantId = 'ten_a') => test.warehouse.query(storedDecisions, { tenantId });
const journeys = (tenantId = 'ten_a') => test.warehouse.query(storedJourneys, { tenantId });
/** A worker that has just started works off what is stored. */
const work = async (warehouse?: Warehouse) => {
  const worker = open(warehouse);
  try {
    return await worker.runOnce();
  } finally {
    await worker.dispose();
  }
};
const click = (fields: Record<string, unknown> & { occurred_at: number }) =>
  anEvent('click', { campaign_id: 'app_a_c1', network: 'acme', ...fields });

beforeAll(async () => {
  test = await startTestWarehouse();
});
afterAll(() => test.dispose());
beforeEach(async () => {
  await clearWarehouse(test.warehouse);
  liveBus = createMemoryLiveBus();
});
afterEach(() => liveBus.dispose());

describe('an install', () => {
  it('goes to the click before it, with the evidence', async () => {
    const touch = click({ occurred_at: start - minute, gaid: 'g1', click_id: 'clk_1' });
    const older = click({ occurred_at: start - hour, gaid: 'g1', click_id: 'clk_0', campaign_id: 'app_a_c2' });
    const install = anEvent('install', { occurred_at: start, gaid: 'g1', event_id: 'i1' });
    await insert(touch, older, install);
    await work();
    const [decision, ...more] = await decisions();
    expect(more).toEqual([]);
    expect(decision).toMatchObject({
      installId: 'app_a:native:i1',
      revision: 1,
      trigger: 'install',
      verdict: 'install',
      rule: 'click_device_id',
      campaignId: 'app_a_c1',
      touchpointId: touch['event_id'],
    });
    expect(decision?.candidates.map((one) => one.reason)).toEqual(['won', 'older_than_winner']);
  });

  it.each([
    ['plain', 'click_id=clk%2F1&utm_source=x'],
    ['percent-encoded as a whole', 'click_id%3Dclk%252F1%26utm_source%3Dx'],
  ])('is matched by a %s click id in its install referrer', async (_form, install_referrer) => {
    await insert(anEvent('install', { occurred_at: start, install_referrer }));
    await work();
    await insert(click({ occurred_at: start - minute, click_id: 'clk/1' }));
    await work();
    expect((await decisions()).map((one) => [one.revision, one.rule])).toEqual([
      [1, 'organic'],
      [2, 'click_install_referrer'],
    ]);
  });

  it('is decided again when its click arrives later; the first decision stays', async () => {
    const worker = open();
    await insert(anEvent('install', { occurred_at: start, idfv: 'V1', event_id: 'i1' }));
    await worker.runOnce();
    await insert(click({ occurred_at: start - 5 * minute, idfv: 'V1' }));
    await worker.runOnce();
    expect(await decisions()).toMatchObject([
      { revision: 1, trigger: 'install', rule: 'organic', campaignId: '' },
      { revision: 2, trigger: 'late_touchpoint', rule: 'click_device_id', campaignId: 'app_a_c1' },
    ]);
    await worker.dispose();
  });

  it('keeps its revision when what arrives later changes nothing', async () => {
    await insert(
      click({ occurred_at: start - minute, gaid: 'g1' }),
      anEvent('install', { occurred_at: start, gaid: 'g1' }),
    );
    await work();
    await insert(
      click({ occurred_at: start - hour, gaid: 'g1', campaign_id: 'app_a_c2' }),
      click({ occurred_at: start - 8 * day, gaid: 'g1' }),
      click({ occurred_at: start + second, gaid: 'g1' }),
      anEvent('click', { occurred_at: start - 10 * second, gaid: 'g1' }),
    );
    await work();
    expect((await decisions()).map((one) => one.revision)).toEqual([1]);
  });

  it('is not given to an injected click, nor to one outside the window', async () => {
    await insert(
      click({ occurred_at: start - 20 * second, gaid: 'g1' }),
      anEvent('install', { occurred_at: start, install_begin_at: start - 30 * second, gaid: 'g1', event_id: 'i1' }),
      click({ occurred_at: start - 7 * day - 1, gaid: 'g2' }),
      anEvent('install', { occurred_at: start, gaid: 'g2', event_id: 'i2' }),
      click({ occurred_at: start - 7 * day, gaid: 'g3' }),
      anEvent('install', { occurred_at: start, gaid: 'g3', event_id: 'i3' }),
    );
    await work();
    expect((await decisions()).map((one) => [one.rule, one.candidates[0]?.reason])).toEqual([
      ['organic', 'engagement_injection'],
      ['organic', 'outside_lookback_window'],
      ['click_device_id', 'won'],
    ]);
  });

  it('is not matched by an advertising id of zeros', async () => {
    const gaid = '00000000-0000-0000-0000-000000000000';
    await insert(
      click({ occurred_at: start - minute, gaid, anonymous_id: 'x' }),
      anEvent('install', { occurred_at: start, gaid, anonymous_id: 'y' }),
    );
    await work();
    expect(await decisions()).toMatchObject([{ rule: 'organic', candidates: [] }]);
  });

  it('of a device that had one is a reinstall, also when the first becomes known later', async () => {
    await insert(anEvent('install', { occurred_at: start, gaid: 'g1', anonymous_id: 'second', event_id: 'i2' }));
    await work();
    await insert(
      anEvent('install', { occurred_at: start - 30 * day, gaid: 'g1', anonymous_id: 'first', event_id: 'i1' }),
    );
    await work();
    expect((await decisions()).map((one) => [one.installId, one.revision, one.trigger, one.verdict])).toEqual([
      ['app_a:native:i1', 1, 'install', 'install'],
      ['app_a:native:i2', 1, 'install', 'install'],
      ['app_a:native:i2', 2, 'rebuild', 'reinstall'],
    ]);
  });

  it('of the sandbox is left alone', async () => {
    await insert(anEvent('install', { occurred_at: start, environment: 'sandbox' }));
    expect(await work()).toMatchObject({ events: 0, decisions: 0 });
  });
});

describe('tenants with the same ids', () => {
  it('each get their own campaign, and nothing of the other', async () => {
    const of = (tenant_id: string, app_id: string) => [
      anEvent('click', {
        tenant_id,
        app_id,
        occurred_at: start - minute,
        gaid: 'same',
        click_id: 'same',
        campaign_id: `${app_id}_c1`,
      }),
      anEvent('install', { tenant_id, app_id, occurred_at: start, gaid: 'same', event_id: 'same', click_id: 'same' }),
      anEvent('purchase', { tenant_id, app_id, occurred_at: start + day, gaid: 'same', event_id: 'buy' }),
    ];
    await insert(...of('ten_a', 'app_a'), ...of('ten_b', 'app_b'));
    // Of tenant b, but naming a campaign of tenant a.
    await insert(
      anEvent('click', {
        tenant_id: 'ten_b',
        app_id: 'app_b',
        occurred_at: start - second * 30,
        gaid: 'same',
        campaign_id: 'app_a_c1',
      }),
    );
    await work();
    for (const [tenantId, appId] of [
      ['ten_a', 'app_a'],
      ['ten_b', 'app_b'],
    ] as const) {
      const [decision, ...more] = await decisions(tenantId);
      expect(more).toEqual([]);
      expect(decision).toMatchObject({ installId: `${appId}:native:same`, campaignId: `${appId}_c1` });
      for (const journey of await journeys(tenantId)) {
        expect(journey.campaignIds).toEqual([`${appId}_c1`]);
        expect(journey.conversionId.startsWith(appId)).toBe(true);
      }
    }
    expect((await decisions('ten_b'))[0]?.candidates.map((one) => one.reason)).toEqual(['won', 'campaign_unknown']);
  });
});

describe('a click of a bot', () => {
  it('is evidence, and wins nothing', async () => {
    const gaid = 'previewed';
    await insert(
      anEvent('install', { occurred_at: start, gaid }),
      anEvent('click', { occurred_at: start - hour, gaid, campaign_id: 'app_a_c1', event_id: 'person' }),
      anEvent('click', {
        occurred_at: start - minute,
        gaid,
        campaign_id: 'app_a_c2',
        event_id: 'preview',
        flags: ['bot'],
      }),
    );
    await work();
    const [decision] = await decisions();
    expect(decision?.campaignId).toBe('app_a_c1');
    expect(decision?.candidates.map((one) => one.reason)).toEqual(['won', 'bot']);
  });
});

describe('a conversion', () => {
  it('has the touchpoints of its device up to it as its journey', async () => {
    const brought = click({ occurred_at: start - minute, click_id: 'clk_1', gaid: 'g1' });
    const again = click({ occurred_at: start + 2 * day, gaid: 'g1', campaign_id: 'app_a_c2' });
    await insert(
      brought,
      anEvent('install', {
        occurred_at: start,
        install_referrer: 'click_id=clk_1',
        anonymous_id: 'n1',
        gaid: 'g1',
        event_id: 'i1',
      }),
      again,
      anEvent('purchase', {
        occurred_at: start + 3 * day,
        anonymous_id: 'n1',
        event_id: 'p1',
        revenue_amount: '4.99',
        revenue_currency: 'USD',
      }),
      anEvent('purchase', { occurred_at: start + day, anonymous_id: 'stranger', event_id: 'p2' }),
    );
    await work();
    const stored = await journeys();
    expect(stored.map((one) => [one.conversionId, one.campaignIds, one.installId])).toEqual([
      ['app_a:native:i1#install', ['app_a_c1'], 'app_a:native:i1'],
      ['app_a:native:p1#app_a_purchase', ['app_a_c1', 'app_a_c2'], 'app_a:native:i1'],
      ['app_a:native:p2#app_a_purchase', [], ''],
    ]);
    expect(stored[1]).toMatchObject({ revision: 1, value: '4.99', touchAt: [start - minute, start + 2 * day] });
  });

  it('gets a new revision of its journey when a touchpoint arrives later, and only then', async () => {
    await insert(
      anEvent('install', { occurred_at: start, anonymous_id: 'n1', gaid: 'g1', event_id: 'i1' }),
      anEvent('purchase', { occurred_at: start + day, anonymous_id: 'n1', event_id: 'p1' }),
    );
    await work();
    await work();
    await insert(click({ occurred_at: start + hour, gaid: 'g1', event_id: 'late' }));
    await work();
    await work();
    expect((await journeys()).map((one) => [one.conversionId, one.revision, one.touchIds])).toEqual([
      ['app_a:native:i1#install', 1, []],
      ['app_a:native:p1#app_a_purchase', 1, []],
      ['app_a:native:p1#app_a_purchase', 2, ['late']],
    ]);
  });
});

describe('a conversion whose journey a click made before its own turn', () => {
  it('is not written again in its turn, and is revised by a later click', async () => {
    const touch = (event_id: string) => click({ occurred_at: start - minute, gaid: 'g1', event_id });
    let meanwhile: object | null = anEvent('purchase', { occurred_at: start, gaid: 'g1', event_id: 'p1' });
    const racing: Warehouse = {
      ...test.warehouse,
      async query(definition, ...rest) {
        // What is new has been listed by then.
        if (definition.name === 'attribution_event_names' && meanwhile) {
          await insert(meanwhile);
          meanwhile = null;
        }
        return test.warehouse.query(definition, ...rest);
      },
    };
    const worker = open(racing);
    await worker.runOnce();
    await insert(touch('c1'));
    expect(await worker.runOnce()).toMatchObject({ events: 1, journeys: 1 });
    expect(await worker.runOnce()).toMatchObject({ events: 1, journeys: 0 });
    await insert(touch('c2'));
    expect(await worker.runOnce()).toMatchObject({ events: 1, journeys: 1 });
    expect((await journeys()).map((one) => [one.revision, one.touchIds])).toEqual([
      [1, ['c1']],
      [2, ['c1', 'c2']],
    ]);
    await worker.dispose();
  });
});

describe('the loop', () => {
  it('decides an install within a second of its insert and says so on the live bus', async () => {
    const worker = open();
    await worker.start();
    const touched: LiveMessages['metrics.touched'][] = [];
    let told: (message: LiveMessages['install.attributed']) => void = () => undefined;
    await liveBus.subscribe('metrics.touched', (message) => touched.push(message));
    await liveBus.subscribe('install.attributed', (message) => told(message));
    const took: number[] = [];
    for (let i = 0; i < 10; i += 1) {
      const decided = new Promise<LiveMessages['install.attributed']>((resolve) => {
        told = resolve;
      });
      await insert(
        click({ occurred_at: start - minute, gaid: `g${i}` }),
        anEvent('install', { occurred_at: start, gaid: `g${i}`, event_id: `i${i}` }),
      );
      const insertedAt = performance.now();
      // Half of them as the consumer does it; the others are found without being told.
      if (i % 2 === 0) {
        liveBus.publish('metrics.touched', {
          tenantId: 'ten_a',
          appId: 'app_a',
          minutes: [start],
          events: 2,
          at: start,
        });
      }
      expect(await decided).toMatchObject({ appId: 'app_a', installId: `app_a:native:i${i}`, revision: 1 });
      took.push(performance.now() - insertedAt);
    }
    await worker.ready();
    await worker.dispose();
    process.stdout.write(
      `install decided after it is queryable: told ${took.filter((_, i) => i % 2 === 0).map(Math.round)} ms, untold ${took.filter((_, i) => i % 2 === 1).map(Math.round)} ms\n`,
    );
    // The promise is for low load; the fastest is the one that a machine busy with other tests disturbed least.
    expect(Math.min(...took)).toBeLessThan(1_000);
    const own = touched.filter((message) => message.events !== 2);
    expect(own.every((message) => message.minutes.includes(start) && message.minutes.length === 2)).toBe(true);
    await expect(worker.ready()).rejects.toMatchObject({ code: 'NOT_READY' });
  });

  it('finds rows of a slow insert that carry an earlier time of insertion', async () => {
    const worker = open();
    const at = Date.now();
    await insert(anEvent('install', { occurred_at: start, event_id: 'fast', inserted_at: at }));
    await worker.runOnce();
    await insert(anEvent('install', { occurred_at: start, event_id: 'slow', inserted_at: at - 100 * second }));
    await insert(anEvent('install', { occurred_at: start, event_id: 'same-time', inserted_at: at }));
    await worker.runOnce();
    expect((await decisions()).map((one) => one.installId)).toEqual([
      'app_a:native:fast',
      'app_a:native:same-time',
      'app_a:native:slow',
    ]);
    await worker.dispose();
  });

  it('ends in the same state wherever it was killed, with no needless revision', async () => {
    const rows = [
      click({ occurred_at: start - minute, gaid: 'g1', event_id: 'c1' }),
      anEvent('install', { occurred_at: start, gaid: 'g1', event_id: 'i1' }),
      anEvent('install', { occurred_at: start, gaid: 'g2', event_id: 'i2' }),
      anEvent('purchase', { occurred_at: start + day, gaid: 'g1', event_id: 'p1' }),
    ];
    const late = click({ occurred_at: start - hour, gaid: 'g2', event_id: 'c2' });
    const play = async (nth: number, when: 'before' | 'after') => {
      await clearWarehouse(test.warehouse);
      for (const batch of [rows, [late]]) {
        await insert(...batch);
        const killed = open(dyingAt(test.warehouse, nth, when));
        await killed.runOnce().catch(() => undefined);
        await killed.dispose();
        await work();
        await work();
      }
      return { decisions: await decisions(), journeys: await journeys() };
    };
    const undisturbed = await play(99, 'before');
    expect(undisturbed.decisions.map((one) => one.revision)).toEqual([1, 1, 2]);
    expect(undisturbed.journeys).toHaveLength(4);
    for (const nth of [0, 1, 2]) {
      for (const when of ['before', 'after'] as const) expect(await play(nth, when)).toEqual(undisturbed);
    }
  }, 120_000);
});
