import type { LineRef } from '../batch.ts';
import { engineMessageOf, type InsertFailure, insertFailureOf } from '../engine-errors.ts';
import { countLines, firstLineOf, halvesOf, type LineRun } from '../line-runs.ts';
import type { Persistence } from '../persistence.ts';

/** Where lines go. */
export interface LineTarget {
  insert(runs: readonly LineRun[]): Promise<{ readonly writtenRows: number }>;
  /**
   * Those of the lines that are not stored. `mayStillRun`: nobody said that the last insert has ended, so it is ended
   * first. Must not reject save when stopped.
   */
  absentOf(runs: readonly LineRun[], state: { readonly mayStillRun: boolean }): Promise<readonly LineRun[]>;
}

/** A line that the warehouse will never take. */
export interface RefusedLine {
  readonly line: LineRef;
  readonly message: string;
}

type InsertOutcome = { readonly kind: 'stored' | Exclude<InsertFailure, 'stale'>; readonly message: string };

/**
 * Stores the lines, each once. After any failure it asks what is there and goes on with what is not, since an insert may
 * have been stored in part. What the engine refuses for its rows is halved until single lines are left; those are
 * returned, their neighbours are stored. Resolves when every line is stored or refused; rejects when stopped, and with
 * STALE_OWNER.
 */
export async function storeLines(
  target: LineTarget,
  runs: readonly LineRun[],
  persistence: Persistence,
): Promise<RefusedLine[]> {
  const refused: RefusedLine[] = [];
  const waiting: (readonly LineRun[])[] = countLines(runs) > 0 ? [runs] : [];
  let failures = 0;
  for (let lines = waiting.pop(); lines; lines = waiting.pop()) {
    persistence.throwIfStopped();
    const { kind, message } = await tryInsert(target, lines);
    if (kind === 'stored') {
      failures = 0;
      continue;
    }
    const single = countLines(lines) === 1;
    if (kind === 'unknown' || (kind === 'size' && single)) {
      failures += 1;
      await persistence.pause(failures);
    }
    const absent = await target.absentOf(lines, { mayStillRun: kind === 'unknown' });
    const missing = countLines(absent);
    if (missing === 0) continue;
    if (kind === 'rows' && single) refused.push({ line: firstLineOf(absent), message });
    else if (kind === 'unknown' || missing === 1) waiting.push(absent);
    else waiting.push(...halvesOf(absent).toReversed());
  }
  return refused;
}

async function tryInsert(target: LineTarget, lines: readonly LineRun[]): Promise<InsertOutcome> {
  const expected = countLines(lines);
  try {
    const { writtenRows } = await target.insert(lines);
    if (writtenRows >= expected) return { kind: 'stored', message: '' };
    // The engine takes an empty line or `[]` for no row at all, without a word: find the line as if it had complained.
    return { kind: 'rows', message: `The warehouse made ${writtenRows} rows of ${expected} lines.` };
  } catch (error) {
    const kind = insertFailureOf(error);
    if (kind === 'stale') throw error;
    return { kind, message: engineMessageOf(error) };
  }
}
