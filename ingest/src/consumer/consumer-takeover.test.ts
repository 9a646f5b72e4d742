import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { createMetrics, type Metrics } from '@tributary/platform/metrics';
import type { InsertBytes, Warehouse } from '@tributary/platform/warehouse';
import { aBlock, type EventSpec, partitionOfEvent } from './blocks.testing.ts';
import { type Consumer, createConsumer } from './consumer.ts';
import { createGroupEventLog, type GroupEventLog } from './group-event-log.testing.ts';
import { createMemoryWarehouse, type MemoryWarehouse } from './memory-warehouse.testing.ts';
import type { ConsumerSettings } from './settings.ts';
import { silentLogger } from './steps/steps.testing.ts';

const now = Date.UTC(2026, 10, 20, 12);
const partitions = 4;
const quick: Partial<ConsumerSettings> = {
  lingerMs: 0,
  settleMs: 0,
  firstBackoffMs: 1,
  longestBackoffMs: 2,
  drainMs: 5,
};

function aConsumer(
  eventLog: GroupEventLog,
  warehouse: Warehouse,
  over: { settings?: Partial<ConsumerSettings>; metrics?: Metrics } = {},
): Consumer {
  return createConsumer({
    eventLog,
    warehouse,
    liveBus: createMemoryLiveBus(),
    clock: { now: () => now },
    logger: silentLogger,
    config: { eventLog: { partitions, retentionHours: 1, retentionBytes: 1e9, kafkaBrokers: [] }, liveIntervalMs: 250 },
    ...(over.metrics ? { metrics: over.metrics } : {}),
    settings: { ...quick, ...over.settings },
  });
}

/** One block for each partition that the events fall into, as the collector splits a request. */
function blocksOf(events: readonly EventSpec[], partitionCount = partitions) {
  const parts = Map.groupBy(events, (event) => partitionOfEvent(event, partitionCount));
  return [...parts].map(([partition, own]) => aBlock({ partition, receivedAt: now, events: own }));
}

const eventsOf = (count: number, prefix = 'e'): EventSpec[] =>
  Array.from({ length: count }, (_, index) => ({ eventId: `${prefix}${index}` }));
const idsIn = (memory: MemoryWarehouse) => memory.events.map(({ event_id }) => event_id).toSorted();
const idsOf = (events: readonly EventSpec[]) => events.map(({ eventId }) => eventId).toSorted();

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error('it did not come to that');
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
const isDrained = (eventLog: GroupEventLog) => async () => {
  const [committed, ends] = await Promise.all([eventLog.committed(''), eventLog.ends()]);
  return ends.every(({ partition, nextOffset }) => committed[partition] === nextOffset);
};

/** A warehouse as a consumer sees it that is stopped (SIGSTOP) with its first insert on the lips, until it is woken. */
function stoppable(warehouse: Warehouse) {
  const stopped = Promise.withResolvers<void>();
  const woken = Promise.withResolvers<void>();
  const sent = Promise.withResolvers<'stored' | 'refused'>();
  let inserts = 0;
  return {
    stopped: stopped.promise,
    wake: () => woken.resolve(),
    /** What became of the insert that was sent after waking. */
    sent: sent.promise,
    warehouse: {
      ...warehouse,
      async insertBytes(insert: InsertBytes) {
        inserts += 1;
        if (inserts > 1) return warehouse.insertBytes(insert);
        stopped.resolve();
        await woken.promise;
        try {
          // Its signal belongs to the process that slept: nobody aborted it meanwhile.
          const result = await warehouse.insertBytes({ ...insert, signal: new AbortController().signal });
          sent.resolve('stored');
          return result;
        } catch (error) {
          sent.resolve('refused');
          throw error;
        }
      },
    },
  };
}

/** One consumer is stopped with an insert on the lips, another one takes over and stores all; then the first one wakes. */
async function stopAndTakeOver(memory: MemoryWarehouse) {
  const eventLog = createGroupEventLog(partitions);
  const metrics = createMetrics('test');
  const events = eventsOf(40);
  await eventLog.append(blocksOf(events));
  const stopped = stoppable(memory);
  const first = aConsumer(eventLog, stopped.warehouse, { metrics });
  await first.start();
  await stopped.stopped;
  await eventLog.expel(0);
  const second = aConsumer(eventLog, memory);
  await second.start();
  await until(isDrained(eventLog));
  stopped.wake();
  const outcome = await stopped.sent;
  const dispose = async () => {
    await Promise.all([first.dispose(), second.dispose()]);
  };
  return { eventLog, events, outcome, metrics, dispose };
}

describe('a consumer that was stopped past its session and wakes up', () => {
  it('stores nothing twice: its insert is refused, it lets go and counts it', async () => {
    const memory = createMemoryWarehouse();
    const { events, outcome, metrics, dispose } = await stopAndTakeOver(memory);
    expect(outcome).toBe('refused');
    expect(idsIn(memory)).toEqual(idsOf(events));
    await until(async () => /stale_owner_total\{role="test"\} 4\n/.test(await metrics.registry.metrics()));
    await dispose();
  });

  it('stores them twice without the fence, which shows what the fence is for', async () => {
    const memory = createMemoryWarehouse({ fence: false });
    const { events, outcome, dispose } = await stopAndTakeOver(memory);
    expect(outcome).toBe('stored');
    expect(memory.events.length).toBeGreaterThan(events.length);
    await dispose();
  });

  it('goes on with the partitions it is given when it is back', async () => {
    const memory = createMemoryWarehouse();
    const { eventLog, events, dispose } = await stopAndTakeOver(memory);
    await until(() => eventLog.partitionsOf(0).length === 2 && eventLog.partitionsOf(1).length === 2);
    const more = eventsOf(40, 'later');
    await eventLog.append([...blocksOf(more), ...blocksOf(events)]);
    await until(isDrained(eventLog));
    expect(idsIn(memory)).toEqual(idsOf([...events, ...more]));
    await dispose();
  });
});

describe('several consumers of one group', () => {
  it('lose and double nothing while they join and leave under load', async () => {
    const memory = createMemoryWarehouse();
    const eventLog = createGroupEventLog(partitions);
    const sent: EventSpec[] = [];
    const consumers: Consumer[] = [];
    const join = async () => {
      const consumer = aConsumer(eventLog, memory, { settings: { maxBatchBlocks: 3, drainMs: 1_000 } });
      consumers.push(consumer);
      await consumer.start();
    };
    await join();
    for (let round = 0; round < 30; round += 1) {
      const fresh = eventsOf(20, `r${round}-`);
      // A quarter are repeats of what was sent before, whoever stored it.
      const repeats = sent.filter((_, index) => index % 7 === round % 7).slice(0, 5);
      sent.push(...fresh);
      await eventLog.append(blocksOf([...fresh, ...repeats]));
      if (round % 6 === 2) await join();
      if (round % 6 === 5) await consumers.shift()?.dispose();
    }
    await until(isDrained(eventLog));
    expect(idsIn(memory)).toEqual(idsOf(sent));
    await Promise.all(consumers.map((consumer) => consumer.dispose()));
  });

  it('know the repeats of what another one stored before the rebalance', async () => {
    const memory = createMemoryWarehouse();
    const eventLog = createGroupEventLog(partitions);
    const events = eventsOf(40);
    const first = aConsumer(eventLog, memory);
    await first.start();
    await eventLog.append(blocksOf(events));
    await until(isDrained(eventLog));
    const second = aConsumer(eventLog, memory);
    await second.start();
    await until(() => eventLog.partitionsOf(1).length === 2);
    await eventLog.append(blocksOf(events));
    await until(isDrained(eventLog));
    await first.dispose();
    await eventLog.append(blocksOf(events));
    await until(isDrained(eventLog));
    expect(idsIn(memory)).toEqual(idsOf(events));
    await second.dispose();
  });

  it('hold the ids of their own partitions only, and forget those of partitions that go', async () => {
    const memory = createMemoryWarehouse();
    const eventLog = createGroupEventLog(partitions);
    const metrics = createMetrics('test');
    const events = eventsOf(40);
    const first = aConsumer(eventLog, memory, { metrics });
    await first.start();
    await eventLog.append(blocksOf(events));
    await until(isDrained(eventLog));
    const idsHeld = async () => Number(/seen_ids\{role="test"\} (\d+)/.exec(await metrics.registry.metrics())?.[1]);
    expect(await idsHeld()).toBe(40);
    const second = aConsumer(eventLog, memory);
    await second.start();
    const mine = events.filter((event) => eventLog.partitionsOf(0).includes(partitionOfEvent(event, partitions)));
    await until(async () => (await idsHeld()) === mine.length);
    await Promise.all([first.dispose(), second.dispose()]);
  });
});

describe('a key whose partition changed with the number of partitions', () => {
  // Of three partitions before, of four now; its blocks are of the two consumers.
  const moved = eventsOf(100).find(
    (event) => (partitionOfEvent(event, 3) - partitionOfEvent(event, partitions)) % 2 !== 0,
  ) as EventSpec;

  it.each([
    ['once where the log was drained and the consumers started again', true, 1],
    ['twice where both of its blocks are read at once, which shows what the drain is for', false, 2],
  ])('is stored %s', async (_what, isDrainedFirst, rows) => {
    const memory = createMemoryWarehouse();
    const eventLog = createGroupEventLog(partitions);
    const both = Promise.withResolvers<void>();
    let inserts = 0;
    /** Each has looked the key up before the other one stores it. */
    const together: Warehouse = {
      ...memory,
      async insertBytes(insert: InsertBytes) {
        inserts += 1;
        if (inserts === 2 || isDrainedFirst) both.resolve();
        await both.promise;
        return memory.insertBytes(insert);
      },
    };
    const startTwo = async () => {
      const consumers = [aConsumer(eventLog, together), aConsumer(eventLog, together)];
      for (const consumer of consumers) await consumer.start();
      return () => Promise.all(consumers.map((consumer) => consumer.dispose()));
    };
    let stop = await startTwo();
    await eventLog.append(blocksOf([moved], 3));
    if (isDrainedFirst) {
      await until(isDrained(eventLog));
      await stop();
      stop = await startTwo();
    }
    await eventLog.append(blocksOf([moved]));
    await until(isDrained(eventLog));
    expect(idsIn(memory)).toEqual(Array(rows).fill(moved.eventId));
    await stop();
  });
});

describe('the ids seen before', () => {
  it.each([
    ['the same number of partitions', partitions],
    ['another number of partitions', 3],
  ])('are known after a restart with %s', async (_what, count) => {
    const memory = createMemoryWarehouse();
    const before = createGroupEventLog(partitions);
    const events = eventsOf(40);
    await before.append(blocksOf(events));
    const first = aConsumer(before, memory);
    await first.start();
    await until(isDrained(before));
    await first.dispose();
    const after = createGroupEventLog(count);
    // Its epochs begin anew; those of real logs are of the clock.
    (memory.owners as Map<string, bigint>).clear();
    const second = aConsumer(after, memory);
    await second.start();
    await after.append(blocksOf([...events, ...eventsOf(5, 'new')], count));
    await until(isDrained(after));
    expect(idsIn(memory)).toEqual(idsOf([...events, ...eventsOf(5, 'new')]));
    await second.dispose();
  });

  it('are known of blocks that were written when the log had fewer partitions', async () => {
    const memory = createMemoryWarehouse();
    const eventLog = createGroupEventLog(partitions);
    const events = eventsOf(40);
    const consumer = aConsumer(eventLog, memory);
    await consumer.start();
    await eventLog.append(blocksOf(events));
    await until(isDrained(eventLog));
    await eventLog.append(blocksOf([...events, ...eventsOf(5, 'new')], 2));
    await until(isDrained(eventLog));
    await eventLog.append(blocksOf(eventsOf(5, 'new')));
    await until(isDrained(eventLog));
    expect(idsIn(memory)).toEqual(idsOf([...events, ...eventsOf(5, 'new')]));
    await consumer.dispose();
  });
});
