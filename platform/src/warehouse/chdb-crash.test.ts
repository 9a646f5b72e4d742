import { z } from 'zod';
import { defineQuery } from '../warehouse.ts';
import { startTestWarehouse, type TestWarehouse } from './test-warehouse.testing.ts';

const blocks = defineQuery({
  name: 'blocks',
  tenantFree: 'test',
  sql: `SELECT block_id, toYYYYMM(occurred_at) AS month, count() AS events, uniqExact(event_id) AS ids FROM events
    GROUP BY block_id, month ORDER BY block_id, month`,
  params: z.object({}),
  row: z.object({ block_id: z.string(), month: z.number(), events: z.coerce.number(), ids: z.coerce.number() }),
});
const perQuarter = (settings: string) =>
  defineQuery({
    name: 'per_quarter',
    tenantFree: 'test',
    sql: `SELECT toUnixTimestamp(toStartOfFifteenMinutes(occurred_at)) AS t, count() AS n FROM events
      WHERE toStartOfFifteenMinutes(occurred_at) >= toDateTime('2026-01-01 00:00:00', 'UTC')
      GROUP BY toStartOfFifteenMinutes(occurred_at) ORDER BY t SETTINGS ${settings}`,
    params: z.object({}),
    row: z.object({ t: z.number(), n: z.coerce.number() }),
  });

const kills = 10;
const rowsPerMonth = 2_500;
const months = [Date.UTC(2026, 8, 30), Date.UTC(2026, 9, 1)];

function aBlock(id: string): Buffer {
  const lines = months.flatMap((month) =>
    Array.from({ length: rowsPerMonth }, (_, at) =>
      JSON.stringify({
        tenant_id: 'ten_a',
        app_id: 'app_1',
        event_id: `${id}-${month}-${at}`,
        block_id: id,
        block_index: at,
        dedupe_hash: '0000000000000000',
        payload_hash: '0000000000000000',
        event_name: 'click',
        event_kind: 'click',
        device_key: `device-${at}`,
        occurred_at: month + at * 1_000,
        received_at: month,
      }),
    ),
  );
  return Buffer.from(`${lines.join('\n')}\n`);
}

describe('kill −9 of the chDB process', () => {
  let test: TestWarehouse;
  beforeAll(async () => {
    test = await startTestWarehouse();
  });
  afterAll(() => test?.dispose());

  /** Inserts; some milliseconds after the given acknowledgement the process is killed. Tells what was acknowledged. */
  async function insertUntilKilled(round: number, killAfter: { acknowledged: number; ms: number }): Promise<string[]> {
    const acknowledged: string[] = [];
    let killed: Promise<void> | null = null;
    for (let at = 0; ; at += 1) {
      const block = `block-${round}-${at}`;
      if (at === killAfter.acknowledged) {
        killed = new Promise((resolve, reject) => {
          setTimeout(() => test.kill9().then(resolve, reject), killAfter.ms);
        });
      }
      try {
        const body = aBlock(block);
        await test.warehouse.insertBytes({ name: 'events', table: 'events', format: 'JSONEachRow', body });
        acknowledged.push(block);
      } catch (error) {
        await killed;
        expect(error).toMatchObject({ code: 'WAREHOUSE_UNAVAILABLE' });
        return acknowledged;
      }
    }
  }

  it(`in the midst of inserts over two months, ${kills} times, leaves a database that opens with whole parts, every acknowledged row and equal aggregates`, async () => {
    const acknowledged: string[] = [];
    for (let round = 0; round < kills; round += 1) {
      // From the moment in which an insert is sent to about the time it takes.
      acknowledged.push(...(await insertUntilKilled(round, { acknowledged: 1 + (round % 3), ms: (round * 37) % 110 })));
      await test.restart();
      const stored = await test.warehouse.query(blocks, {});
      expect(stored.filter(({ events, ids }) => events !== rowsPerMonth || ids !== rowsPerMonth)).toEqual([]);
      const found = new Set(stored.map(({ block_id, month }) => `${block_id} ${month}`));
      for (const block of acknowledged) {
        expect([found.has(`${block} 202609`), found.has(`${block} 202610`)]).toEqual([true, true]);
      }
      const aggregated = await test.warehouse.query(perQuarter('force_optimize_projection = 1'), {});
      expect(aggregated).toEqual(await test.warehouse.query(perQuarter('optimize_use_projections = 0'), {}));
    }
    expect(acknowledged.length).toBeGreaterThanOrEqual(kills);
  }, 120_000);
});
