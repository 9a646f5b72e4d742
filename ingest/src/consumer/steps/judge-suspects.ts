import type { Warehouse } from '@tributary/platform/warehouse';
import { type DeadLetter, dedupeKeyOf, errorCatalogue } from '@tributary/schema';
import { type BatchBlock, hashAt, type LineRef, lineText, verdicts } from '../batch.ts';
import { deadLetterOf, type LineIdentity, parseLineIdentity } from '../dead-letter-rows.ts';
import type { Persistence } from '../persistence.ts';
import { readStoredKeys, type StoredKey } from '../questions.ts';
import type { Suspects } from './find-suspects.ts';

/** Where a dedupe key was met: in the warehouse or in the batch. */
export interface KeyHolder {
  readonly key: string;
  readonly blockId: string;
  readonly blockIndex: number;
  readonly payloadHash: string;
}

/**
 * Verdicts for lines in the order read, given what the warehouse holds under their hashes. The first holder of a key
 * wins. The same (block, index) is the same line: `present`, never a duplicate of itself, so that repeating a batch
 * changes nothing.
 */
export function judgeLines(lines: readonly KeyHolder[], stored: readonly KeyHolder[]): (keyof typeof verdicts)[] {
  const winners = new Map<string, KeyHolder>();
  for (const holder of stored) if (!winners.has(holder.key)) winners.set(holder.key, holder);
  return lines.map((line) => {
    const winner = winners.get(line.key);
    if (!winner) {
      winners.set(line.key, line);
      return 'store';
    }
    if (winner.blockId === line.blockId && winner.blockIndex === line.blockIndex) return 'present';
    return winner.payloadHash === line.payloadHash ? 'duplicate' : 'conflict';
  });
}

/** A line that is not stored because another one came first. */
export interface DroppedLine {
  readonly block: BatchBlock;
  readonly tenantId: string;
  readonly appId: string;
}

export interface Judgement {
  readonly dropped: readonly DroppedLine[];
  readonly duplicates: number;
  /** One for each conflict. */
  readonly letters: readonly DeadLetter[];
}

interface SuspectLine extends KeyHolder {
  readonly line: LineRef;
  readonly identity: LineIdentity;
}

/** Looks the suspects up in the warehouse, compares whole keys, and writes their verdicts. */
export async function judgeSuspects(
  suspects: Suspects,
  deps: { readonly warehouse: Warehouse; readonly persistence: Persistence; readonly dedupeWindowMs: number },
): Promise<Judgement> {
  const outcome = { dropped: [] as DroppedLine[], duplicates: 0, letters: [] as DeadLetter[] };
  const lines = [...suspects.values()].flatMap((refs) => refs.flatMap((ref) => parseSuspect(ref) ?? []));
  if (lines.length === 0) return outcome;
  const earliest = lines.reduce((least, { identity }) => Math.min(least, identity.received_at), Infinity);
  const stored = await deps.persistence.untilDone('look up ids that may have been seen', () =>
    readStoredKeys(deps.warehouse, [...suspects.keys()], earliest - deps.dedupeWindowMs - lookupSlackMs),
  );
  const judged = judgeLines(lines, stored.map(holderOf));
  for (const [index, suspect] of lines.entries()) {
    const verdict = judged[index]!;
    suspect.line.block.lineVerdicts[suspect.line.index] = verdicts[verdict];
    if (verdict !== 'duplicate' && verdict !== 'conflict') continue;
    outcome.dropped.push({
      block: suspect.line.block,
      tenantId: suspect.identity.tenant_id,
      appId: suspect.identity.app_id,
    });
    if (verdict === 'duplicate') outcome.duplicates += 1;
    else outcome.letters.push(conflictLetter(suspect));
  }
  return outcome;
}

/** Collectors' clocks may differ by less than this. */
const lookupSlackMs = 3_600_000;

/** A line that isn't an event has no key; the warehouse will refuse it and say why. */
function parseSuspect(line: LineRef): SuspectLine | null {
  const identity = parseLineIdentity(lineText(line));
  if (!identity) return null;
  const { blockId, payloadHashes } = line.block.record.header;
  return {
    line,
    identity,
    key: dedupeKeyOf(identity.app_id, identity.source_format, identity.event_id),
    blockId,
    blockIndex: line.index,
    payloadHash: hashAt(payloadHashes, line.index),
  };
}

function holderOf(row: StoredKey): KeyHolder {
  return {
    key: dedupeKeyOf(row.app_id, row.source_format, row.event_id),
    blockId: row.block_id,
    blockIndex: row.block_index,
    payloadHash: row.payload_hash,
  };
}

function conflictLetter({ line, identity }: SuspectLine): DeadLetter {
  return deadLetterOf(line, identity, {
    code: 'DEDUPE_CONFLICT',
    field: 'event_id',
    message: errorCatalogue.DEDUPE_CONFLICT.text,
  });
}
