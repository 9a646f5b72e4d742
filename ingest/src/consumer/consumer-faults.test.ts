import * as fc from 'fast-check';
import { ledgerOf, runScenario, scenarioPartitions, scenarios } from './exactly-once.testing.ts';
import { createMemoryEventLog } from './memory-event-log.testing.ts';
import { createMemoryWarehouse } from './memory-warehouse.testing.ts';

const runs = Number(process.env['TRIBUTARY_TEST_RUNS'] ?? 150);

describe('the consumer, whatever fails', () => {
  it(
    'stores each event once and each refused one in the dead letters',
    async () => {
      let starts = 0;
      await fc.assert(
        fc.asyncProperty(scenarios, async (scenario) => {
          const warehouse = createMemoryWarehouse();
          const eventLog = createMemoryEventLog(scenarioPartitions);
          starts += (await runScenario(scenario, { warehouse, eventLog })).starts;
          const ledger = ledgerOf(scenario.blocks);
          const stored = warehouse.events.map(({ block_id, block_index }) => `${block_id}#${block_index}`);
          expect(stored.toSorted()).toEqual([...ledger.stored].toSorted());
          const letters = [...warehouse.deadLetters.values()];
          const idsOf = (code: string) =>
            letters
              .filter((letter) => letter.code === code)
              .map(({ dead_letter_id }) => dead_letter_id.replace(/-(\d+)$/, '#$1'))
              .toSorted();
          expect(idsOf('DEDUPE_CONFLICT')).toEqual([...ledger.conflicts].toSorted());
          expect(idsOf('ROW_REFUSED')).toEqual([...ledger.refused].toSorted());
        }),
        { numRuns: runs, endOnFailure: true },
      );
      // The faults are worth something only if processes do end.
      expect(starts).toBeGreaterThan(runs);
    },
    30_000 + runs * 200,
  );
});
