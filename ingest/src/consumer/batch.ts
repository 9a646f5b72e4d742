import type { LogRecord } from '@tributary/platform/event-log';
import type { Claim } from './insert-ids.ts';

/** What becomes of a line. Lines start as `store`. */
export const verdicts = {
  store: 0,
  /** This very line, (block_id, block_index), is in the warehouse already, or its block comes twice. Counts as nothing. */
  present: 1,
  /** Another line with the same dedupe key and payload came first. */
  duplicate: 2,
  /** Another line with the same dedupe key and another payload came first. */
  conflict: 3,
} as const;

/** A record of the log on its way into the warehouse. */
export interface BatchBlock {
  readonly record: LogRecord;
  /** One of `verdicts` for each line; steps write it. */
  readonly lineVerdicts: Uint8Array;
}

/** Blocks that are inserted and committed together, in the order in which they were read. */
export interface Batch {
  readonly blocks: readonly BatchBlock[];
  /** Those that may have been stored before, wholly or in part, by a predecessor. */
  readonly doubtful: readonly BatchBlock[];
  /** Under which epochs its partitions were held when it was made: its inserts are refused once one of them is overtaken. */
  readonly claims: readonly Claim[];
}

/** One line of a block. */
export interface LineRef {
  readonly block: BatchBlock;
  readonly index: number;
}

export function createBlock(record: LogRecord): BatchBlock {
  return { record, lineVerdicts: new Uint8Array(record.header.count) };
}

/** Bytes of one line, its newline included. */
export function lineBytes({ block, index }: LineRef): Uint8Array {
  const { header, body } = block.record;
  let start = 0;
  for (let before = 0; before < index; before += 1) start += header.lineLengths[before]!;
  return body.subarray(start, start + header.lineLengths[index]!);
}

/** Text of one line without its newline. */
export function lineText(line: LineRef): string {
  return Buffer.from(lineBytes(line)).toString('utf8').trimEnd();
}

/** The 16 hex digits of one line in a header field of joined hashes. */
export function hashAt(joined: string, index: number): string {
  return joined.slice(index * 16, index * 16 + 16);
}
