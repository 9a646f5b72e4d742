import type { EventLog, RetentionOptions } from '@tributary/platform/event-log';
import { aBlock } from './blocks.testing.ts';
import { createMemoryEventLog } from './memory-event-log.testing.ts';
import { createConsumerMetrics } from './metrics.ts';
import { silentLogger } from './steps/steps.testing.ts';
import { readLag, startUpkeep } from './upkeep.ts';

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
      eventLog,
      clock: { now: () => 5 },
      logger: silentLogger,
      config: { eventLog: { partitions: 1, retentionHours: 2, retentionBytes: 99, kafkaBrokers: [] } },
      metrics: createConsumerMetrics(undefined),
      settings: { group: 'warehouse', retentionIntervalMs: 1, lagIntervalMs: 1 },
    });
    await enough.promise;
    await upkeep.dispose();
    expect(asked[0]).toEqual({ maxAgeMs: 7_200_000, maxBytes: 99, nowMs: 5, protectGroups: ['warehouse'] });
    expect(asked).toHaveLength(3);
  });
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
});
