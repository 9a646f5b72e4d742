import { verdicts } from '../batch.ts';
import { aBlock, aDeadLetterBlock } from '../blocks.testing.ts';
import { createMemoryWarehouse } from '../memory-warehouse.testing.ts';
import { markStoredLines } from './mark-stored-lines.ts';
import { aBatch, aPersistence, silentLogger } from './steps.testing.ts';

describe('markStoredLines', () => {
  it('marks the lines that are in the warehouse, and no others', async () => {
    const warehouse = createMemoryWarehouse();
    const block = aBlock({ receivedAt: 1, events: [{ eventId: 'a' }, { eventId: 'b' }, { eventId: 'c' }] });
    const { lineLengths } = block.header;
    const body = block.body.subarray(lineLengths[0], lineLengths[0]! + lineLengths[1]!);
    await warehouse.insertBytes({ name: 'half', table: 'events', format: 'JSONEachRow', body });
    const batch = aBatch(block, aDeadLetterBlock([{ payload: 'x' }], 1));
    const deps = { warehouse, persistence: aPersistence(), logger: silentLogger };
    expect(await markStoredLines(batch.doubtful, deps)).toEqual({ lines: 1 });
    expect([...batch.blocks[0]!.lineVerdicts]).toEqual([verdicts.store, verdicts.present, verdicts.store]);
    expect([...batch.blocks[1]!.lineVerdicts]).toEqual([verdicts.store]);
  });
});
