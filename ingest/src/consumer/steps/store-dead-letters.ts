import type { DeadLetter } from '@tributary/schema';
import type { Batch } from '../batch.ts';
import { deadLetterOf } from '../dead-letter-rows.ts';
import { type LineRun, runsToStore } from '../line-runs.ts';
import { insertLines, type StoreEventsDeps } from './store-events.ts';
import { storeLines } from './store-lines.ts';

/** Dead letters of one insert: each may carry an event of up to 1 MB. */
const lettersPerInsert = 200;

/**
 * Stores what the collector refused (blocks of rows, as they are) and what the consumer refused. The table keeps one row
 * of each id, so an insert whose outcome is unknown is simply repeated.
 */
export async function storeDeadLetters(
  batch: Batch,
  letters: readonly DeadLetter[],
  deps: StoreEventsDeps,
): Promise<{ readonly rows: number }> {
  const runs = runsToStore(batch.blocks.filter(({ record }) => record.header.kind === 'dead_letters'));
  const target = {
    insert: (lines: readonly LineRun[]) => insertLines('dead_letters', lines, deps),
    absentOf: async (lines: readonly LineRun[]) => {
      await deps.persistence.untilDone('reach the warehouse', () => deps.warehouse.ping());
      return lines;
    },
  };
  const refused = await storeLines(target, runs, deps.persistence);
  const all = [
    ...letters,
    ...refused.map(({ line, message }) => deadLetterOf(line, null, { code: 'ROW_REFUSED', field: '', message })),
  ];
  for (let from = 0; from < all.length; from += lettersPerInsert) {
    const rows = all.slice(from, from + lettersPerInsert);
    await deps.persistence.untilDone('store dead letters', () =>
      deps.warehouse.insertRows({ name: 'consumer.insert_dead_letters', table: 'dead_letters', rows }),
    );
  }
  return { rows: all.length };
}
