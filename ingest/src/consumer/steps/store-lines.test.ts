import { createLogger } from '@tributary/platform/logger';
import { CodedError } from '@tributary/schema';
import { createBlock } from '../batch.ts';
import { aBlock } from '../blocks.testing.ts';
import { countLines, type LineRun, runsToStore, withoutStored } from '../line-runs.ts';
import { createPersistence } from '../persistence.ts';
import { type LineTarget, storeLines } from './store-lines.ts';

const persistence = (signal = new AbortController().signal) =>
  createPersistence({
    logger: createLogger('test', 'silent'),
    settings: { firstBackoffMs: 1, longestBackoffMs: 2 },
    signal,
  });

const linesOfBlock = (count: number) => {
  const events = Array.from({ length: count }, (_, index) => ({ eventId: `e${index}` }));
  return runsToStore([createBlock({ ...aBlock({ receivedAt: 1, events }), partition: 0, offset: 0n })]);
};

/** A target that keeps indexes and lets `onInsert` fail or shorten an insert. */
function aTarget(onInsert: (indexes: readonly number[], attempt: number) => readonly number[] | Error) {
  const stored: number[] = [];
  let attempts = 0;
  const target: LineTarget = {
    async insert(runs) {
      attempts += 1;
      const indexes = indexesOf(runs);
      const outcome = onInsert(indexes, attempts);
      if (outcome instanceof Error) throw outcome;
      stored.push(...outcome);
      if (outcome.length < indexes.length && attempts === 1) throw unreachable;
      return { writtenRows: outcome.length };
    },
    async absentOf(runs) {
      const blockId = runs[0]!.block.record.header.blockId;
      return withoutStored(runs, new Map([[blockId, new Set(stored)]]));
    },
  };
  return { target, stored, attempts: () => attempts };
}
const indexesOf = (runs: readonly LineRun[]) =>
  runs.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, at) => from + at));
const unreachable = new CodedError('WAREHOUSE_UNAVAILABLE');
const refusal = new CodedError('ROW_REFUSED', {
  details: { engineCode: 27 },
  cause: new Error('Cannot parse\nat row 1'),
});
const tooLarge = new CodedError('QUERY_TOO_LARGE', { details: { engineCode: 241 } });

describe('storeLines', () => {
  it('inserts all lines at once when nothing fails', async () => {
    const { target, stored, attempts } = aTarget((indexes) => indexes);
    expect(await storeLines(target, linesOfBlock(5), persistence())).toEqual([]);
    expect(stored).toEqual([0, 1, 2, 3, 4]);
    expect(attempts()).toBe(1);
  });

  it('makes no insert of no lines', async () => {
    const { target, attempts } = aTarget((indexes) => indexes);
    await storeLines(target, [], persistence());
    expect(attempts()).toBe(0);
  });

  it('inserts only what an interrupted insert left out', async () => {
    const { target, stored } = aTarget((indexes, attempt) =>
      attempt === 1 ? indexes.filter((at) => at % 2 === 0) : indexes,
    );
    await storeLines(target, linesOfBlock(6), persistence());
    expect(stored.toSorted()).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('tries again for as long as the warehouse is away', async () => {
    const { target, stored, attempts } = aTarget((indexes, attempt) => (attempt < 5 ? unreachable : indexes));
    await storeLines(target, linesOfBlock(2), persistence());
    expect(stored).toEqual([0, 1]);
    expect(attempts()).toBe(5);
  });

  it('returns the refused lines and stores their neighbours', async () => {
    const bad = new Set([3, 4, 11]);
    const { target, stored } = aTarget((indexes) => (indexes.some((at) => bad.has(at)) ? refusal : indexes));
    const refused = await storeLines(target, linesOfBlock(16), persistence());
    expect(refused.map(({ line }) => line.index).toSorted((left, right) => left - right)).toEqual([3, 4, 11]);
    expect(refused[0]?.message).toBe('Cannot parse');
    expect(stored.length).toBe(13);
  });

  it('finds the line of which the engine made no row and said nothing', async () => {
    const { target, stored } = aTarget((indexes, attempt) =>
      attempt === 1 ? refusal : indexes.filter((at) => at !== 2),
    );
    const refused = await storeLines(target, linesOfBlock(4), persistence());
    expect(refused.map(({ line, message }) => [line.index, message])).toEqual([
      [2, 'The warehouse made 0 rows of 1 lines.'],
    ]);
    expect(stored.toSorted()).toEqual([0, 1, 3]);
  });

  it('halves what is too much at once, and condemns no line for it', async () => {
    const { target, stored } = aTarget((indexes) => (indexes.length > 3 ? tooLarge : indexes));
    expect(await storeLines(target, linesOfBlock(10), persistence())).toEqual([]);
    expect(stored.length).toBe(10);
  });

  it('gives up only when stopped', async () => {
    const stop = new AbortController();
    const { target } = aTarget((_, attempt) => {
      if (attempt === 3) stop.abort();
      return unreachable;
    });
    await expect(storeLines(target, linesOfBlock(1), persistence(stop.signal))).rejects.toThrow();
    expect(countLines([])).toBe(0);
  });
});
