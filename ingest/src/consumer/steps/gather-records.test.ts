import type { LogRecord } from '@tributary/platform/event-log';
import { aBlock } from '../blocks.testing.ts';
import { createGatherer, type GathererDeps } from './gather-records.ts';
import { aPersistence } from './steps.testing.ts';

const record = (offset: number, events = 2): LogRecord => ({
  ...aBlock({ receivedAt: 1, events: Array.from({ length: events }, (_, at) => ({ eventId: `e${offset}-${at}` })) }),
  partition: 0,
  offset: BigInt(offset),
});
const limits = {
  maxBatchBytes: 1e6,
  maxBatchRows: 10,
  maxBatchBlocks: 4,
  lingerMs: 100,
  steadyLingerMs: 400,
  steadyRows: 6,
};

/** Each read gives the next list and takes the time it was asked to wait when it is empty, else `tookMs`. */
function aGatherer(
  reads: readonly (readonly LogRecord[])[],
  { tookMs = 0, ...over }: { tookMs?: number } & Partial<GathererDeps> = {},
) {
  let now = 0;
  const waiting = [...reads];
  const waits: number[] = [];
  const gatherer = createGatherer({
    reader: {
      async next({ waitMs }) {
        waits.push(waitMs);
        const records = waiting.shift() ?? [];
        now += records.length > 0 ? tookMs : waitMs;
        return records;
      },
    },
    clock: { now: () => now },
    persistence: aPersistence(),
    settings: limits,
    isStopping: () => false,
    ...over,
  });
  return { gatherer, waits, now: () => now, left: () => waiting.length };
}
const offsetsOf = (records: readonly LogRecord[]) => records.map(({ offset }) => Number(offset));

describe('createGatherer', () => {
  it('returns nothing when nothing comes', async () => {
    const { gatherer, waits } = aGatherer([]);
    expect(await gatherer.gather(() => false)).toEqual([]);
    expect(waits).toEqual([200]);
  });

  it('waits for company no longer than it lingers', async () => {
    const { gatherer, now } = aGatherer([[record(0)], [record(1)]]);
    expect(offsetsOf(await gatherer.gather(() => false))).toEqual([0, 1]);
    expect(now()).toBe(limits.lingerMs);
  });

  it.each([
    ['few', 2, limits.lingerMs],
    ['many', 6, limits.steadyLingerMs],
  ])('waits longer for company when much has come: %s', async (_, events, waitedMs) => {
    const { gatherer, now } = aGatherer([[record(0, events)]]);
    expect(offsetsOf(await gatherer.gather(() => false))).toEqual([0]);
    expect(now()).toBe(waitedMs);
  });

  it('waits no longer when the clock is set back meanwhile', async () => {
    let now = 3_600_000;
    const waits: number[] = [];
    const { gatherer } = aGatherer([], {
      reader: {
        async next({ waitMs }) {
          waits.push(waitMs);
          if (waits.length === 1) return [record(0)];
          now = waits.length === 2 ? 0 : now + waitMs;
          return [];
        },
      },
      clock: { now: () => now },
    });
    expect(offsetsOf(await gatherer.gather(() => false))).toEqual([0]);
    expect(waits).toEqual([200, 100, 100]);
  });

  it('returns at once what is full, and keeps the rest for the next batch', async () => {
    const { gatherer, now } = aGatherer([[0, 1, 2, 3, 4, 5].map((offset) => record(offset))]);
    expect(offsetsOf(await gatherer.gather(() => false))).toEqual([0, 1, 2, 3]);
    expect(now()).toBe(0);
    expect(offsetsOf(await gatherer.gather(() => false))).toEqual([4, 5]);
  });

  it('limits the rows of a batch, but takes a block that is over the limit alone', async () => {
    const { gatherer } = aGatherer([[record(0, 6), record(1, 6), record(2, 30)]]);
    expect(offsetsOf(await gatherer.gather(() => false))).toEqual([0]);
    expect(offsetsOf(await gatherer.gather(() => false))).toEqual([1]);
    expect(offsetsOf(await gatherer.gather(() => false))).toEqual([2]);
  });

  it('goes on collecting while a batch is being stored', async () => {
    let calls = 0;
    const { gatherer } = aGatherer([[record(0)], [record(1)], [record(2)]], { tookMs: 90 });
    const records = await gatherer.gather(() => {
      calls += 1;
      return calls < 4;
    });
    expect(offsetsOf(records)).toEqual([0, 1, 2]);
  });

  it('returns what it has when it is to stop', async () => {
    let stopping = false;
    const { gatherer, left } = aGatherer([[record(0)], [record(1)]], {
      isStopping: () => stopping,
    });
    const gathering = gatherer.gather(() => {
      stopping = true;
      return false;
    });
    expect(offsetsOf(await gathering)).toEqual([0]);
    expect(left()).toBe(1);
  });

  it('forgets what it holds when told so', async () => {
    const { gatherer } = aGatherer([[0, 1, 2, 3, 4, 5].map((offset) => record(offset))]);
    await gatherer.gather(() => false);
    gatherer.discard();
    expect(await gatherer.gather(() => false)).toEqual([]);
  });
});
