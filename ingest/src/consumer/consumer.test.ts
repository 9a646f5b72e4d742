import type { EventLog, LogReaderOptions } from '@tributary/platform/event-log';
import type { LiveBus } from '@tributary/platform/live-bus';
import { createMetrics } from '@tributary/platform/metrics';
import type { InsertBytes, Warehouse } from '@tributary/platform/warehouse';
import { CodedError, type LiveMessages } from '@tributary/schema';
import { aBlock, aDeadLetterBlock } from './blocks.testing.ts';
import { type Consumer, type ConsumerDeps, createConsumer } from './consumer.ts';
import { createMemoryEventLog } from './memory-event-log.testing.ts';
import { createMemoryWarehouse } from './memory-warehouse.testing.ts';
import { silentLogger } from './steps/steps.testing.ts';

const now = Date.UTC(2026, 10, 20, 12);
const dayMs = 86_400_000;

function setUp({ settings, ...over }: Partial<ConsumerDeps> = {}) {
  const memory = createMemoryWarehouse();
  const eventLog = createMemoryEventLog(2);
  const heard: LiveMessages['metrics.touched'][] = [];
  const liveBus: LiveBus = {
    publish: (_, message) => void heard.push(message as LiveMessages['metrics.touched']),
    subscribe: async () => () => {},
    dispose: async () => {},
  };
  const consumer = createConsumer({
    eventLog,
    warehouse: memory,
    liveBus,
    clock: { now: () => now },
    logger: silentLogger,
    config: {
      eventLog: { partitions: 2, retentionHours: 1, retentionBytes: 1e9, kafkaBrokers: [] },
      liveIntervalMs: 250,
    },
    settings: { lingerMs: 0, settleMs: 0, firstBackoffMs: 1, longestBackoffMs: 2, ...settings },
    ...over,
  });
  return { consumer, eventLog: over.eventLog ?? eventLog, memory, heard };
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error('it did not come to that');
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
const isDrained = async (consumer: Consumer) => (await consumer.lag()).every(({ blocks }) => blocks === 0);
const isReady = (consumer: Consumer) =>
  consumer.ready().then(
    () => true,
    () => false,
  );

describe('createConsumer', () => {
  it('waits for a log that is away when it starts', async () => {
    const log = createMemoryEventLog(2);
    let refusals = 2;
    const eventLog: EventLog = {
      ...log,
      openReader: async (options: LogReaderOptions) => {
        if (refusals-- > 0) throw new CodedError('LOG_UNAVAILABLE');
        return log.openReader(options);
      },
    };
    const { consumer } = setUp({ eventLog });
    await consumer.start();
    await until(() => isReady(consumer));
    await consumer.dispose();
  });

  it('is ready once it has its partitions and their ids, and not before or after', async () => {
    const { consumer } = setUp();
    await expect(consumer.ready()).rejects.toMatchObject({ code: 'NOT_READY' });
    await consumer.start();
    await until(() => isReady(consumer));
    await consumer.dispose();
    await expect(consumer.ready()).rejects.toMatchObject({ code: 'NOT_READY' });
  });

  it('waits for a warehouse that is away, says so, and goes on by itself', async () => {
    let isAway = true;
    const memory = createMemoryWarehouse();
    const warehouse: Warehouse = {
      ...memory,
      async ping() {
        if (isAway) throw new CodedError('WAREHOUSE_UNAVAILABLE');
      },
    };
    const { consumer, eventLog } = setUp({ warehouse });
    await eventLog.append([aBlock({ receivedAt: now, events: [{ eventId: 'a' }] })]);
    await consumer.start();
    await until(async () =>
      /end the inserts/.test(
        await consumer.ready().then(
          () => '',
          (error: Error) => error.message,
        ),
      ),
    );
    isAway = false;
    await until(() => isDrained(consumer));
    expect(memory.events).toHaveLength(1);
    expect(await isReady(consumer)).toBe(true);
    await consumer.dispose();
  });

  it('says on the live bus what was stored, and nothing of repeats', async () => {
    const { consumer, eventLog, heard } = setUp();
    await consumer.start();
    await eventLog.append([
      aBlock({
        receivedAt: now,
        events: [{ eventId: 'a' }, { eventId: 'a' }, { eventId: 'b', occurredAt: now - 60_000 }],
      }),
    ]);
    await until(() => isDrained(consumer));
    await until(() => heard.length > 0);
    expect(heard).toEqual([{ tenantId: 'ten_a', appId: 'app_a', minutes: [now - 60_000, now], events: 2, at: now }]);
    await consumer.dispose();
  });

  it('knows a repeat of a week ago, and forgets after that', async () => {
    const { consumer, eventLog, memory } = setUp();
    const before = aBlock({ receivedAt: now - 7 * dayMs, events: [{ eventId: 'a' }] });
    const long = aBlock({ receivedAt: now - 12 * dayMs, events: [{ eventId: 'b' }] });
    for (const { body } of [before, long]) {
      await memory.insertBytes({ name: 'earlier', table: 'events', format: 'JSONEachRow', body });
    }
    await eventLog.append([
      aBlock({ receivedAt: now, events: [{ eventId: 'a' }, { eventId: 'b' }, { eventId: 'c' }] }),
    ]);
    await consumer.start();
    await until(() => isDrained(consumer));
    expect(memory.events.map(({ event_id }) => event_id)).toEqual(['a', 'b', 'b', 'c']);
    await consumer.dispose();
  });

  it('tells repeats by app, format and id together', async () => {
    const { consumer, eventLog, memory } = setUp();
    const events = [{ eventId: 'a' }, { eventId: 'a', appId: 'app_b' }, { eventId: 'a', sourceFormat: 'segment' }];
    await eventLog.append([aBlock({ receivedAt: now, events })]);
    await consumer.start();
    await until(() => isDrained(consumer));
    expect(memory.events).toHaveLength(3);
    await consumer.dispose();
  });

  it('stores the dead letters of the collector as they are', async () => {
    const { consumer, eventLog, memory } = setUp();
    const letter = { dead_letter_id: 'd1', code: 'SCHEMA_VIOLATION', payload: '{}' };
    await eventLog.append([aDeadLetterBlock([letter], now)]);
    await consumer.start();
    await until(() => isDrained(consumer));
    expect(memory.deadLetters.get('d1')).toEqual(letter);
    await consumer.dispose();
  });

  it('finishes and commits the batch in flight when it is disposed of', async () => {
    const memory = createMemoryWarehouse();
    const inserting = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const warehouse: Warehouse = {
      ...memory,
      async insertBytes(insert) {
        inserting.resolve();
        await go.promise;
        return memory.insertBytes(insert);
      },
    };
    const { consumer, eventLog } = setUp({ warehouse });
    await eventLog.append([aBlock({ receivedAt: now, events: [{ eventId: 'a' }] })]);
    await consumer.start();
    await inserting.promise;
    const disposed = consumer.dispose();
    go.resolve();
    await disposed;
    expect(memory.events).toHaveLength(1);
    expect(await eventLog.committed('warehouse')).toEqual([1n, 0n]);
  });

  it('leaves a batch that cannot be stored in time to its successor', async () => {
    const memory = createMemoryWarehouse();
    const inserting = Promise.withResolvers<void>();
    const warehouse: Warehouse = { ...memory, insertBytes: (insert) => untilAborted(insert, inserting.resolve) };
    const { consumer, eventLog } = setUp({ warehouse, settings: { drainMs: 5 } });
    await eventLog.append([aBlock({ receivedAt: now, events: [{ eventId: 'a' }] })]);
    await consumer.start();
    await inserting.promise;
    await consumer.dispose();
    expect(await eventLog.committed('warehouse')).toEqual([0n, 0n]);
  });

  it('loses nothing of its other partitions when one is taken away in the middle of a batch', async () => {
    const memory = createMemoryWarehouse();
    const inserting = Promise.withResolvers<void>();
    let isStuck = true;
    const warehouse: Warehouse = {
      ...memory,
      insertBytes: (insert) => (isStuck ? untilAborted(insert, inserting.resolve) : memory.insertBytes(insert)),
    };
    const inner = createMemoryEventLog(2);
    let options: LogReaderOptions | undefined;
    const eventLog: EventLog = {
      ...inner,
      openReader(given) {
        options = given;
        return inner.openReader(given);
      },
    };
    const { consumer } = setUp({ warehouse, eventLog, settings: { drainMs: 5, maxBatchBlocks: 2 } });
    const block = (partition: number, eventId: string) => aBlock({ partition, receivedAt: now, events: [{ eventId }] });
    await inner.append([block(0, 'a'), block(1, 'b'), block(0, 'c'), block(1, 'd'), block(0, 'e')]);
    await consumer.start();
    await inserting.promise;
    await options?.onRevoked?.([1]);
    isStuck = false;
    await until(async () => (await inner.committed('warehouse'))[0] === 3n);
    expect(memory.events.map(({ event_id }) => event_id)).toEqual(['a', 'c', 'e']);
    expect(await inner.committed('warehouse')).toEqual([3n, 0n]);
    await consumer.dispose();
  });

  it('counts what it did', async () => {
    const metrics = createMetrics('test');
    const { consumer, eventLog } = setUp({ metrics });
    const block = aBlock({
      receivedAt: now,
      events: [
        { eventId: 'a' },
        { eventId: 'a' },
        { eventId: 'a', payload: 'other' },
        { eventId: 'b', fields: { occurred_at: 'soon' } },
      ],
    });
    await eventLog.append([block, block]);
    await consumer.start();
    await until(() => isDrained(consumer));
    await consumer.dispose();
    const text = await metrics.registry.metrics();
    for (const verdict of ['stored', 'duplicate', 'conflict', 'refused']) {
      expect(text).toContain(`tributary_consumer_events_total{verdict="${verdict}",role="test"} 1\n`);
    }
    expect(text).toContain('tributary_consumer_repeated_blocks_total{role="test"} 1\n');
  });
});

/** An insert that goes on until it is given up. */
function untilAborted({ signal }: InsertBytes, onStart: () => void): Promise<never> {
  onStart();
  return new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
