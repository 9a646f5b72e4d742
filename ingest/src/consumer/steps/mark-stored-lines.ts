import type { Logger } from '@tributary/platform/logger';
import type { Warehouse } from '@tributary/platform/warehouse';
import { type BatchBlock, verdicts } from '../batch.ts';
import type { Persistence } from '../persistence.ts';
import { readStoredLines } from '../questions.ts';

/**
 * Marks the lines of these blocks that the warehouse already holds. Meant for the blocks just past the committed offset:
 * a predecessor may have inserted them, wholly or in part (an insert over two months is not atomic), and ended before
 * it committed. Its inserts must have ended before this asks.
 */
export async function markStoredLines(
  blocks: readonly BatchBlock[],
  {
    warehouse,
    persistence,
    logger,
  }: { readonly warehouse: Warehouse; readonly persistence: Persistence; readonly logger: Logger },
): Promise<{ readonly lines: number }> {
  const asked = blocks.filter(({ record }) => record.header.kind === 'events');
  if (asked.length === 0) return { lines: 0 };
  const stored = await persistence.untilDone('ask what a predecessor stored', () =>
    readStoredLines(
      warehouse,
      asked.map(({ record }) => record.header.blockId),
    ),
  );
  let lines = 0;
  for (const { record, lineVerdicts } of asked) {
    for (const index of stored.get(record.header.blockId) ?? []) {
      if (index < lineVerdicts.length) {
        lineVerdicts[index] = verdicts.present;
        lines += 1;
      }
    }
  }
  const asLines = asked.reduce((sum, { lineVerdicts }) => sum + lineVerdicts.length, 0);
  if (lines > 0) logger.info({ lines, of: asLines }, `blocks past the committed offset ${partOf(lines, asLines)}`);
  return { lines };
}

const partOf = (lines: number, all: number) => (lines < all ? 'were stored in part' : 'were stored');
