import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLmdbEventLog } from '@tributary/platform/event-log/lmdb';
import { defineQuery } from '@tributary/platform/warehouse';
import { startTestWarehouse, type TestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import * as fc from 'fast-check';
import { z } from 'zod';
import { ledgerOf, runScenario, scenarioPartitions, scenarios } from './exactly-once.testing.ts';

const runs = Number(process.env['TRIBUTARY_TEST_ENGINE_RUNS'] ?? 4);
const tenantFree = 'a test';

const linesOfEvents = defineQuery({
  name: 'test.lines',
  sql: `SELECT concat(block_id, '#', toString(block_index)) AS line, revenue_amount AS revenue,
  toUnixTimestamp(toStartOfMinute(occurred_at)) AS minute FROM events ORDER BY line`,
  params: z.object({}),
  row: z.object({ line: z.string(), revenue: z.string(), minute: z.number() }),
  tenantFree,
});

/** The expressions of the projection by_minute, so that the engine answers from it. */
const minutes = defineQuery({
  name: 'test.minutes',
  sql: `SELECT toUnixTimestamp(toStartOfMinute(occurred_at)) AS minute, toUInt32(count()) AS events,
  toString(sum(revenue_amount)) AS revenue
FROM events GROUP BY toStartOfMinute(occurred_at) ORDER BY minute SETTINGS force_optimize_projection = 1`,
  params: z.object({}),
  row: z.object({ minute: z.number(), events: z.number(), revenue: z.string() }),
  tenantFree,
});

const letters = defineQuery({
  name: 'test.letters',
  sql: `SELECT code, dead_letter_id FROM dead_letters FINAL ORDER BY dead_letter_id`,
  params: z.object({}),
  row: z.object({ code: z.string(), dead_letter_id: z.string() }),
  tenantFree,
});

describe('the consumer between the embedded log and the embedded warehouse, whatever fails', () => {
  let test: TestWarehouse;
  let dir: string;
  beforeAll(async () => {
    test = await startTestWarehouse();
    dir = await mkdtemp(join(tmpdir(), 'tributary-consumer-'));
  });
  afterAll(async () => {
    await test?.dispose();
    await rm(dir, { recursive: true, force: true });
  });

  it(
    'stores each event once, and its aggregates equal its rows',
    async () => {
      let logs = 0;
      await fc.assert(
        fc.asyncProperty(scenarios, async (scenario) => {
          const { warehouse } = test;
          for (const table of ['events', 'dead_letters']) {
            await warehouse.execute({ name: 'test.truncate', sql: `TRUNCATE TABLE ${table}` });
          }
          logs += 1;
          const eventLog = await openLmdbEventLog({ dir: join(dir, String(logs)), partitions: scenarioPartitions });
          try {
            await runScenario(scenario, { warehouse, eventLog });
          } finally {
            await eventLog.dispose();
          }
          const ledger = ledgerOf(scenario.blocks);
          const rows = await warehouse.query(linesOfEvents, {});
          expect(rows.map(({ line }) => line)).toEqual([...ledger.stored].toSorted());
          expect(await warehouse.query(minutes, {})).toEqual(aggregatesOf(rows));
          const dead = await warehouse.query(letters, {});
          expect(dead.map(({ dead_letter_id }) => dead_letter_id.replace(/-(\d+)$/, '#$1')).toSorted()).toEqual(
            [...ledger.conflicts, ...ledger.refused].toSorted(),
          );
        }),
        { numRuns: runs, endOnFailure: true },
      );
    },
    30_000 + runs * 5_000,
  );
});

function aggregatesOf(rows: readonly { minute: number; revenue: string }[]) {
  const found = Map.groupBy(rows, ({ minute }) => minute);
  return [...found]
    .map(([minute, own]) => ({
      minute,
      events: own.length,
      revenue: String(own.reduce((sum, { revenue }) => sum + Number(revenue), 0)),
    }))
    .sort((left, right) => left.minute - right.minute);
}
