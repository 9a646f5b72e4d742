import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMemoryCache } from '@tributary/platform/cache/memory';
import { openLmdbEventLog } from '@tributary/platform/event-log/lmdb';
import { defineQuery, type Warehouse } from '@tributary/platform/warehouse';
import { readLiveCounters } from '@tributary/platform/warehouse/live-counters';
import { startTestWarehouse, type TestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import { z } from 'zod';
import { rebuildAggregates } from './rebuild.ts';
import { anEvent, noon, storeEvents } from './replay-app.testing.ts';

const partsWith = defineQuery({
  name: 'test.parts',
  sql: `SELECT partition_id AS month, arraySort(groupUniqArrayArray(projections)) AS made FROM system.parts
    WHERE database = currentDatabase() AND table = 'events' AND active GROUP BY month ORDER BY month`,
  params: z.object({}),
  row: z.object({ month: z.string(), made: z.array(z.string()) }),
  tenantFree: 'a test',
});
const byMinute = defineQuery({
  name: 'test.by_minute',
  sql: `SELECT toFloat64(count()) AS rows, toString(sum(revenue_amount)) AS revenue FROM events WHERE app_id = 'app_a'
    GROUP BY toStartOfMinute(occurred_at) ORDER BY toStartOfMinute(occurred_at) SETTINGS force_optimize_projection = 1`,
  params: z.object({}),
  row: z.object({ rows: z.number(), revenue: z.string() }),
  tenantFree: 'a test',
});

describe('rebuild aggregates', () => {
  let test: TestWarehouse;
  let warehouse: Warehouse;
  let said: string[];

  beforeAll(async () => {
    test = await startTestWarehouse();
    warehouse = test.warehouse;
    const dir = await mkdtemp(join(tmpdir(), 'tributary-rebuild-'));
    const eventLog = await openLmdbEventLog({ dir, partitions: 2 });
    const events = [0, 40].flatMap((days) =>
      Array.from({ length: 30 }, (_, index) =>
        anEvent(`d${days}-${index}`, { occurred_at: noon - days * 86_400_000 - 60_000, event_kind: 'purchase' }),
      ),
    );
    await storeEvents({ eventLog, warehouse }, events);
    await eventLog.dispose();
    await rm(dir, { recursive: true, force: true });
  });
  beforeEach(() => {
    said = [];
  });
  afterAll(() => test?.dispose());

  const run = (sql: string) => warehouse.execute({ name: 'test.run', sql, settings: { mutations_sync: 2 } });
  const deps = (over: Partial<Parameters<typeof rebuildAggregates>[0]> = {}) => ({
    warehouse,
    say: (line: string) => void said.push(line),
    counters: null,
    ...over,
  });

  it('makes them in every month, says how far it is, and that they equal the rows', async () => {
    await run('ALTER TABLE events CLEAR PROJECTION by_minute');
    expect((await warehouse.query(partsWith, {}))[0]?.made).not.toContain('by_minute');
    const report = await rebuildAggregates(deps());
    const projections = ['by_country', 'by_minute', 'by_quarter'];
    expect(report).toEqual({ rows: 60, projections, countedApps: 0 });
    for (const { made } of await warehouse.query(partsWith, {})) expect(made).toEqual(projections);
    expect(await warehouse.query(byMinute, {})).toEqual([
      { rows: 30, revenue: '149.7' },
      { rows: 30, revenue: '149.7' },
    ]);
    expect(said.filter((line) => line.includes('equals the rows'))).toHaveLength(3);
    expect(said.filter((line) => / done, 30 rows$/.test(line))).toHaveLength(2);
  });

  it('fails when they differ from the rows', async () => {
    const cheating: Warehouse = {
      ...warehouse,
      query: (async (definition, params, options) => {
        const rows = await warehouse.query(definition, params, options);
        if (definition.name !== 'rebuild.compare') return rows;
        return rows.map((row, index) => (index === 1 ? { ...(row as object), revenue: '0' } : row));
      }) as Warehouse['query'],
    };
    await expect(rebuildAggregates(deps({ warehouse: cheating }))).rejects.toThrow(/differ from the rows/);
  });

  it('compares the groups, rows, revenue and a mark of every group, of rows and of aggregates', async () => {
    const seen: unknown[] = [];
    const watching: Warehouse = {
      ...warehouse,
      query: (async (definition, params, options) => {
        const rows = await warehouse.query(definition, params, options);
        if (definition.name === 'rebuild.compare') seen.push(...rows);
        return rows;
      }) as Warehouse['query'],
    };
    await rebuildAggregates(deps({ warehouse: watching }));
    expect(seen).toHaveLength(6);
    expect(seen[0]).toMatchObject({ groups: 2, rows: 60, revenue: '299.4', mark: expect.stringMatching(/^[1-9]/) });
    expect(seen[0]).toEqual(seen[1]);
  });

  it("counts today's live counters again where the cache is shared", async () => {
    const cache = createMemoryCache();
    const app = { tenantId: 'ten_a', appId: 'app_a', timezone: 'UTC' };
    const nowMs = noon;
    const read = () => readLiveCounters({ warehouse, cache, nowMs }, app);
    await read();
    await run(`ALTER TABLE events DELETE WHERE event_id = 'd0-1'`);
    expect((await read()).revenue).toEqual({ EUR: '149.7' });
    const report = await rebuildAggregates(deps({ counters: { cache, clock: { now: () => nowMs }, apps: [app] } }));
    expect(report.countedApps).toBe(1);
    expect((await read()).revenue).toEqual({ EUR: '144.71' });
  });
});
