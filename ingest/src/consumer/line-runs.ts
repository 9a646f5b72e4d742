import { type BatchBlock, type LineRef, verdicts } from './batch.ts';

/** Neighbouring lines of one block, `from` inclusive, `to` exclusive. A list of runs is what one insert holds. */
export interface LineRun {
  readonly block: BatchBlock;
  readonly from: number;
  readonly to: number;
}

/** The lines of the blocks whose verdict is `store`. */
export function runsToStore(blocks: readonly BatchBlock[]): LineRun[] {
  return blocks.flatMap((block) =>
    runsWhere(block, 0, block.record.header.count, (index) => block.lineVerdicts[index] === verdicts.store),
  );
}

export function countLines(runs: readonly LineRun[]): number {
  return runs.reduce((sum, { from, to }) => sum + to - from, 0);
}

/** The bytes of the runs, as views: nothing is copied. */
export function bodyOf(runs: readonly LineRun[]): Uint8Array[] {
  return runs.map(({ block, from, to }) => {
    const { lineLengths, count } = block.record.header;
    if (from === 0 && to === count) return block.record.body;
    let start = 0;
    for (let index = 0; index < from; index += 1) start += lineLengths[index]!;
    let end = start;
    for (let index = from; index < to; index += 1) end += lineLengths[index]!;
    return block.record.body.subarray(start, end);
  });
}

/** The runs without lines that are stored: block id → indexes. */
export function withoutStored(
  runs: readonly LineRun[],
  stored: ReadonlyMap<string, ReadonlySet<number>>,
): readonly LineRun[] {
  return runs.flatMap((run) => {
    const indexes = stored.get(run.block.record.header.blockId);
    return indexes ? runsWhere(run.block, run.from, run.to, (index) => !indexes.has(index)) : [run];
  });
}

/** Two halves of about as many lines. Of a single line, the second is empty. */
export function halvesOf(runs: readonly LineRun[]): readonly [LineRun[], LineRun[]] {
  const half = Math.ceil(countLines(runs) / 2);
  const first: LineRun[] = [];
  const second: LineRun[] = [];
  let taken = 0;
  for (const run of runs) {
    const cut = Math.min(run.to, run.from + Math.max(0, half - taken));
    if (cut > run.from) first.push({ ...run, to: cut });
    if (cut < run.to) second.push({ ...run, from: cut });
    taken += run.to - run.from;
  }
  return [first, second];
}

export function firstLineOf(runs: readonly LineRun[]): LineRef {
  const [run] = runs;
  if (!run) throw new RangeError('no lines');
  return { block: run.block, index: run.from };
}

function runsWhere(block: BatchBlock, from: number, to: number, wanted: (index: number) => boolean): LineRun[] {
  const runs: LineRun[] = [];
  let start = -1;
  for (let index = from; index <= to; index += 1) {
    const isWanted = index < to && wanted(index);
    if (isWanted && start < 0) start = index;
    if (!isWanted && start >= 0) {
      runs.push({ block, from: start, to: index });
      start = -1;
    }
  }
  return runs;
}
