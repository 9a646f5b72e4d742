import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EventLog } from '@tributary/platform/event-log';
import { openLmdbEventLog } from '@tributary/platform/event-log/lmdb';
import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { defineQuery, type Warehouse } from '@tributary/platform/warehouse';
import { startTestWarehouse, type TestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import type { CanonicalEvent } from '@tributary/schema';
import { parseEventLine } from '@tributary/schema';
import { z } from 'zod';
import { aBlock, type EventSpec, partitionOfEvent } from '../blocks.testing.ts';
import { type Consumer, createConsumer } from '../consumer.ts';
import { silentLogger } from '../steps/steps.testing.ts';
import { shutGate } from './gate.ts';
import type { ReplayRange } from './range.ts';
import { dropReplay, type ReplayRequest, recoverReplays, replayEvents, undoReplay } from './replay.ts';
import { noParams, storedIds, storedSums } from './replay-queries.testing.ts';

const partitions = 2;
const noon = Date.UTC(2026, 10, 20, 12);
const hourMs = 3_600_000;
const range: ReplayRange = { fromMs: noon, toMs: noon + hourMs, appId: null };
const tenantFree = 'a test';

const tables = defineQuery({
  name: 'test.tables',
  sql: `SELECT name FROM system.tables WHERE database = currentDatabase() AND match(name, '^events_(replay|before)_') ORDER BY name`,
  params: noParams,
  row: z.object({ name: z.string() }),
  tenantFree,
});
const insertedAt = defineQuery({
  name: 'test.inserted_at',
  sql: 'SELECT event_id AS id, toFloat64(toUnixTimestamp64Milli(inserted_at)) AS at FROM events',
  params: noParams,
  row: z.object({ id: z.string(), at: z.number() }),
  tenantFree,
});

describe('replay on the embedded stores', () => {
  let test: TestWarehouse;
  let warehouse: Warehouse;
  let dir: string;
  let eventLog: EventLog;
  let consumer: Consumer | null = null;
  let said: string[] = [];
  let tick = 0;

  beforeAll(async () => {
    test = await startTestWarehouse();
    warehouse = test.warehouse;
  });
  beforeEach(async () => {
    for (const { name } of await warehouse.query(tables, {})) await run(`DROP TABLE ${name} SYNC`);
    for (const table of ['events', 'partition_owners', 'dead_letters', 'identity_links']) {
      await run(`TRUNCATE TABLE ${table}`);
    }
    await run(`ALTER TABLE events MODIFY COMMENT ''`);
    dir = await mkdtemp(join(tmpdir(), 'tributary-replay-'));
    eventLog = await openLmdbEventLog({ dir, partitions });
    said = [];
  });
  afterEach(async () => {
    await consumer?.dispose();
    consumer = null;
    await eventLog.dispose();
    await rm(dir, { recursive: true, force: true });
  });
  afterAll(() => test?.dispose());

  const run = (sql: string) => warehouse.execute({ name: 'test.run', sql, settings: { mutations_sync: 2 } });
  const append = (events: readonly EventSpec[], receivedAt: number) =>
    eventLog.append(
      [...Map.groupBy(events, (event) => partitionOfEvent(event, partitions))].map(([partition, own]) =>
        aBlock({ partition, receivedAt, events: own }),
      ),
    );
  const startConsumer = async () => {
    consumer = createConsumer({
      eventLog,
      warehouse,
      liveBus: createMemoryLiveBus(),
      clock: { now: () => noon + hourMs },
      logger: silentLogger,
      config: {
        eventLog: { partitions, retentionHours: 1e6, retentionBytes: 1e12, kafkaBrokers: [] },
        liveIntervalMs: 250,
      },
      settings: { lingerMs: 0, settleMs: 5, firstBackoffMs: 5, longestBackoffMs: 20 },
    });
    await consumer.start();
  };
  const drained = () =>
    until(async () => {
      const [committed, ends] = await Promise.all([eventLog.committed('warehouse'), eventLog.ends()]);
      return ends.every(({ partition, nextOffset }) => committed[partition] === nextOffset);
    });
  const named = (prefix: string, count: number): EventSpec[] =>
    Array.from({ length: count }, (_, index) => ({ eventId: `${prefix}${index}`, revenue: '1.5' }));
  const stored = async () => (await warehouse.query(storedIds, {})).map(({ id }) => id);
  const totals = async () => (await warehouse.query(storedSums, {}))[0];
  const deps = (over: Partial<Parameters<typeof replayEvents>[0]> = {}) => ({
    warehouse,
    logger: silentLogger,
    // Each replay has an id of its own.
    clock: {
      now: () => {
        tick += 1;
        return noon + 86_400_000 + tick;
      },
    },
    say: (line: string) => void said.push(line),
    settings: { settleMs: 5, firstBackoffMs: 5, longestBackoffMs: 20 },
    ...over,
  });
  const request = (over: Partial<ReplayRequest> = {}): ReplayRequest => ({
    range,
    source: { log: eventLog },
    partitionCount: partitions,
    dryRun: false,
    ...over,
  });
  /** Three hours of events, stored by a consumer: a… before the range, b… in it, c… after it. */
  const fill = async () => {
    await append(named('a', 3), noon - hourMs);
    await append(named('b', 6), noon + 1_000);
    await append(named('c', 3), noon + hourMs);
    await startConsumer();
    await drained();
  };
  const all = [...named('a', 3), ...named('b', 6), ...named('c', 3)].map(({ eventId }) => eventId);

  it('brings back rows that the table lost, and drops rows that it has twice', async () => {
    await fill();
    await run(`ALTER TABLE events DELETE WHERE event_id IN ('b1', 'b2')`);
    await run(`INSERT INTO events SELECT * FROM events WHERE event_id IN ('b3', 'b4')`);
    expect((await totals())?.rows).toBe(12);
    const report = await replayEvents(deps(), request());
    expect(await stored()).toEqual(all);
    expect(await totals()).toEqual({ rows: 12, aggregated: 12, revenue: '18' });
    expect(report.counts).toEqual({ lines: 6, stored: 6, duplicates: 0, conflicts: 0, refused: 0 });
    expect(report.days).toEqual([{ day: '2026-11-20', before: 6, after: 6 }]);
  });

  it('changes nothing where the table was right, and so does doing it again', async () => {
    await fill();
    const before = await warehouse.query(insertedAt, {});
    await replayEvents(deps(), request());
    await replayEvents(deps(), request());
    const byId = (rows: typeof before) => new Map(rows.map(({ id, at }) => [id, at]));
    expect(byId(await warehouse.query(insertedAt, {}))).toEqual(byId(before));
    expect((await totals())?.rows).toBe(12);
  });

  it('keeps the time of storing of rows that were there, and gives those that were missing the time of the swap', async () => {
    await fill();
    const before = new Map((await warehouse.query(insertedAt, {})).map(({ id, at }) => [id, at]));
    await run(`ALTER TABLE events DELETE WHERE event_id = 'b1'`);
    const { swappedAtMs } = await replayEvents(deps(), request());
    const after = new Map((await warehouse.query(insertedAt, {})).map(({ id, at }) => [id, at]));
    expect(after.get('b1')).toBe((swappedAtMs ?? 0) - 1);
    expect(after.get('b2')).toBe(before.get('b2'));
  });

  it('lets the first of a key win, against earlier rows outside the range and within it', async () => {
    await append([{ eventId: 'k', payload: 'first' }], noon - hourMs);
    await append([{ eventId: 'k', payload: 'first' }, { eventId: 'm' }], noon + 1_000);
    await append([{ eventId: 'k', payload: 'other' }, { eventId: 'm' }], noon + 2_000);
    await startConsumer();
    await drained();
    const report = await replayEvents(deps(), request());
    expect(await stored()).toEqual(['k', 'm']);
    expect(report.counts).toMatchObject({ lines: 4, stored: 1, duplicates: 2, conflicts: 1 });
  });

  it('takes only the rows of one app where one is named', async () => {
    await append([{ eventId: 'x', appId: 'app_a' }], noon + 1_000);
    await append([{ eventId: 'y', appId: 'app_b' }], noon + 1_000);
    await startConsumer();
    await drained();
    await run(`ALTER TABLE events DELETE WHERE event_id IN ('x', 'y')`);
    await replayEvents(deps(), request({ range: { ...range, appId: 'app_b' } }));
    expect(await stored()).toEqual(['y']);
  });

  it('puts a line that the engine refuses among the dead letters, and its neighbours into the table', async () => {
    await append([{ eventId: 'good' }, { eventId: 'bad', fields: { occurred_at: 'soon' } }], noon + 1_000);
    const report = await replayEvents(deps(), request());
    expect(report.counts).toMatchObject({ stored: 1, refused: 1 });
    expect(await stored()).toEqual(['good']);
  });

  it('reads an export instead of the log', async () => {
    await fill();
    const before = new Map((await warehouse.query(insertedAt, {})).map(({ id, at }) => [id, at]));
    await run(`ALTER TABLE events DELETE WHERE event_id LIKE 'b%' AND event_id != 'b5'`);
    const events = named('b', 6).map((event) =>
      parseEventLine(Buffer.from(aBlock({ receivedAt: noon + 1_000, events: [event] }).body).toString()),
    );
    async function* pages(): AsyncGenerator<CanonicalEvent[]> {
      yield events.slice(0, 4);
      yield events.slice(4);
    }
    await replayEvents(deps(), request({ source: { events: pages() } }));
    expect(await stored()).toEqual(all);
    const after = new Map((await warehouse.query(insertedAt, {})).map(({ id, at }) => [id, at]));
    expect(after.get('b5')).toBe(before.get('b5'));
  });

  it('says what it would change and changes nothing in a dry run', async () => {
    await fill();
    await run(`ALTER TABLE events DELETE WHERE event_id = 'b1'`);
    const report = await replayEvents(deps(), request({ dryRun: true }));
    expect(report).toMatchObject({ swappedAtMs: null, days: [{ before: 5, after: 6 }] });
    expect(await stored()).not.toContain('b1');
    expect(await warehouse.query(tables, {})).toEqual([]);
  });

  it('refuses a range that the log no longer holds, and leaves the table as it was', async () => {
    await fill();
    await eventLog.applyRetention({
      maxAgeMs: 0,
      maxBytes: 0,
      nowMs: noon + 10 * hourMs,
      protectGroups: ['warehouse'],
    });
    await expect(replayEvents(deps(), request())).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    expect(await stored()).toEqual(all);
    expect(await warehouse.query(tables, {})).toEqual([]);
  });

  it('carries over what live consumers store meanwhile, and they go on after the swap', async () => {
    await fill();
    let live = 0;
    const during = {
      ...warehouse,
      execute: async (statement: Parameters<Warehouse['execute']>[0]) => {
        await warehouse.execute(statement);
        if (!['replay.create', 'replay.copy_month'].includes(statement.name)) return;
        live += 1;
        await append(named(`live${live}-`, 5), noon + 2 * hourMs);
        await drained();
      },
      query: (async (definition, params, options) => {
        // Appended behind the shut gate: stored when it opens again.
        if (definition.name === 'replay.server_time' && live === 2) {
          await append(named('gate-', 5), noon + 2 * hourMs);
          live = 3;
        }
        return warehouse.query(definition, params, options);
      }) as Warehouse['query'],
    };
    await replayEvents(deps({ warehouse: during }), request());
    await append(named('later-', 5), noon + 2 * hourMs);
    await drained();
    expect(live).toBe(3);
    expect(await stored()).toEqual(
      [
        ...all,
        ...['live1-', 'live2-', 'gate-', 'later-'].flatMap((name) => named(name, 5).map((e) => e.eventId)),
      ].sort(),
    );
    expect((await totals())?.rows).toBe(32);
  });

  it('shows readers the old table or the new one, and never a gap', async () => {
    await fill();
    await run(`ALTER TABLE events DELETE WHERE event_id = 'b1'`);
    const seen: number[] = [];
    let isOver = false;
    const reading = (async () => {
      while (!isOver) seen.push((await totals())?.rows ?? -1);
    })();
    await replayEvents(deps(), request());
    isOver = true;
    await reading;
    expect(seen.length).toBeGreaterThan(3);
    expect([...new Set(seen)].filter((rows) => rows !== 11 && rows !== 12)).toEqual([]);
    expect(seen).toEqual(seen.toSorted((one, other) => one - other));
  });

  it('gives up, and changes nothing, when events were deleted meanwhile', async () => {
    await fill();
    const erasing = {
      ...warehouse,
      execute: async (statement: Parameters<Warehouse['execute']>[0]) => {
        await warehouse.execute(statement);
        if (statement.name === 'replay.mark') await run(`ALTER TABLE events DELETE WHERE event_id = 'a1'`);
      },
    };
    await expect(replayEvents(deps({ warehouse: erasing }), request())).rejects.toThrow(/deleted or changed/);
    expect(await stored()).toEqual(all.filter((id) => id !== 'a1'));
    expect(await warehouse.query(tables, {})).toEqual([]);
  });

  it('is undone with what was stored since, and undone again it is as before', async () => {
    await fill();
    await run(`ALTER TABLE events DELETE WHERE event_id = 'b1'`);
    // The engine dates changes by the second: one in the second of the swap counts as made since.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const { id } = await replayEvents(deps(), request());
    await append(named('since-', 2), noon + 2 * hourMs);
    await drained();
    await undoReplay(deps(), id);
    const since = ['since-0', 'since-1'];
    expect(await stored()).toEqual([...all.filter((event) => event !== 'b1'), ...since]);
    await undoReplay(deps(), id);
    expect(await stored()).toEqual([...all, ...since]);
    await dropReplay(deps(), id);
    expect(await warehouse.query(tables, {})).toEqual([]);
    await expect(undoReplay(deps(), id)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  it('is not undone when events were deleted since: the version before still has them', async () => {
    await fill();
    const { id } = await replayEvents(deps(), request());
    await run(`ALTER TABLE events DELETE WHERE event_id = 'a1'`);
    await expect(undoReplay(deps(), id)).rejects.toThrow(/can only be dropped/);
    expect(await stored()).not.toContain('a1');
  });

  it.each([
    ['while it builds', 'replay.copy_month', 11],
    ['behind the shut gate', 'replay.mark', 11],
    ['just after the exchange', 'replay.exchange', 12],
  ])('leaves a whole table when it is killed %s, and the next run cleans up', async (_when, at, rows) => {
    await fill();
    await run(`ALTER TABLE events DELETE WHERE event_id = 'b1'`);
    let isDead = false;
    const dying = new Proxy(warehouse, {
      get(target, name: keyof Warehouse) {
        if (name === 'dispose') return target.dispose;
        return async (...given: unknown[]) => {
          if (isDead) throw new Error('killed');
          const answer = await (target[name] as (...all: unknown[]) => Promise<unknown>)(...given);
          if ((given[0] as { name?: string } | undefined)?.name !== at) return answer;
          isDead = true;
          throw new Error('killed');
        };
      },
    });
    await expect(replayEvents(deps({ warehouse: dying }), request())).rejects.toThrow('killed');
    expect((await totals())?.rows).toBe(rows);
    await recoverReplays(deps());
    expect((await totals())?.rows).toBe(rows);
    await append(named('after-', 2), noon + 2 * hourMs);
    await drained();
    const { id } = await replayEvents(deps(), request());
    expect(await stored()).toEqual([
      'a0',
      'a1',
      'a2',
      'after-0',
      'after-1',
      ...all.filter((name) => !name.startsWith('a')),
    ]);
    await undoReplay(deps(), id);
    expect((await totals())?.rows).toBe(rows + 2);
  });

  it('makes inserts wait and not fail behind the gate, which the next command opens', async () => {
    await fill();
    await shutGate(warehouse, 5);
    await append([{ eventId: 'waits' }], noon + 2 * hourMs);
    await expect(consumer?.lag()).resolves.toBeDefined();
    expect(await stored()).toEqual(all);
    await recoverReplays(deps());
    await drained();
    expect(await stored()).toEqual([...all, 'waits']);
  });
});

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error('it did not come true in time');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
