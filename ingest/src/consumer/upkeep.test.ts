import type { EventLog, RetentionOptions } from '@tributary/platform/event-log';
import { createMetrics } from '@tributary/platform/metrics';
import { aBlock } from './blocks.testing.ts';
import { createMemoryEventLog } from './memory-event-log.testing.ts';
import { createMemoryWarehouse } from './memory-warehouse.testing.ts';
import { createConsumerMetrics } from './metrics.ts';
import { silentLogger } from './steps/steps.testing.ts';
import { readLag, startUpkeep } from './upkeep.ts';

const never = 3_600_000;
const common = {
  clock: { now: () => 5 },
  logger: silentLogger,
  config: { eventLog: { partitions: 1, retentionHours: 2, retentionBytes: 99, kafkaBrokers: [] } },
  metrics: createConsumerMetrics(undefined),
  settings: {
    group: 'warehouse',
    retentionIntervalMs: never,
    lagIntervalMs: never,
    appRetentionIntervalMs: never,
    mirrorIntervalMs: never,
  },
};

describe('startUpkeep', () => {
  it('applies the retention again and again, also after it failed, and never to what is not committed', async () => {
    const asked: RetentionOptions[] = [];
    const enough = Promise.withResolvers<void>();
    const eventLog: EventLog = {
      ...createMemoryEventLog(1),
      async applyRetention(options) {
        asked.push(options);
        if (asked.length === 3) enough.resolve();
        throw new Error('not now');
      },
    };
    const upkeep = startUpkeep({
      ...common,
      eventLog,
      warehouse: createMemoryWarehouse(),
      isFirst: () => true,
      settings: { ...common.settings, retentionIntervalMs: 1, lagIntervalMs: 1 },
    });
    await enough.promise;
    await upkeep.dispose();
    expect(asked[0]).toEqual({ maxAgeMs: 7_200_000, maxBytes: 99, nowMs: 5, protectGroups: ['warehouse'] });
    expect(asked).toHaveLength(3);
  });

  it.each([
    ['mirrors the links, each version once', true, ['lnk_1', 'lnk_2']],
    ['leaves the links to the consumer that has the first partition', false, []],
  ])('%s', async (_what, isFirst, expected) => {
    const rows: object[] = [];
    let looks = 0;
    const looked = Promise.withResolvers<void>();
    const snapshot = { version: 7, publishedAt: 1, apps: [], campaigns: [], keys: [], goals: [] };
    const links = [aLink('lnk_1', 'summer', 'cmp_1'), aLink('lnk_2', 'winter', null)];
    const upkeep = startUpkeep({
      ...common,
      eventLog: createMemoryEventLog(1),
      warehouse: { ...createMemoryWarehouse(), insertRows: async (insert) => void rows.push(...insert.rows) },
      isFirst: () => isFirst,
      directory: {
        current() {
          looks += 1;
          if (looks === 4) looked.resolve();
          return { ...snapshot, links };
        },
      },
      settings: { ...common.settings, mirrorIntervalMs: 1 },
    });
    await looked.promise;
    await upkeep.dispose();
    expect(rows.map((row) => (row as { link_id: string }).link_id)).toEqual(expected);
    if (isFirst)
      expect(rows[0]).toMatchObject({ slug: 'summer', campaign_id: 'cmp_1', version: 7, tenant_id: 'ten_a' });
  });
});

const aLink = (linkId: string, slug: string, campaignId: string | null) => ({
  linkId,
  slug,
  tenantId: 'ten_a',
  appId: 'app_a',
  campaignId,
  network: null,
  targetUrl: 'https://shop.example',
  expiresAt: null,
});

describe('readLag', () => {
  it('counts the blocks past the committed offset', async () => {
    const eventLog = createMemoryEventLog(2);
    const block = aBlock({ partition: 1, receivedAt: 1, events: [{ eventId: 'a' }] });
    await eventLog.append([block, block, block]);
    const reader = await eventLog.openReader({ group: 'warehouse' });
    await reader.commit(1, 1n);
    expect(await readLag(eventLog, 'warehouse')).toEqual([
      { partition: 0, committedOffset: 0n, nextOffset: 0n, blocks: 0 },
      { partition: 1, committedOffset: 1n, nextOffset: 3n, blocks: 2 },
    ]);
  });

  it('is in the metrics, by partition', async () => {
    const eventLog = createMemoryEventLog(2);
    await eventLog.append([aBlock({ partition: 1, receivedAt: 1, events: [{ eventId: 'a' }] })]);
    const metrics = createMetrics('test');
    const upkeep = startUpkeep({
      ...common,
      eventLog,
      warehouse: createMemoryWarehouse(),
      isFirst: () => false,
      metrics: createConsumerMetrics(metrics),
      settings: { ...common.settings, lagIntervalMs: 1 },
    });
    const deadline = Date.now() + 10_000;
    const text = () => metrics.registry.metrics();
    while (!(await text()).includes('tributary_consumer_lag_blocks{partition="1"') && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await upkeep.dispose();
    expect(await text()).toContain('tributary_consumer_lag_blocks{partition="0",role="test"} 0\n');
    expect(await text()).toContain('tributary_consumer_lag_blocks{partition="1",role="test"} 1\n');
  });
});
