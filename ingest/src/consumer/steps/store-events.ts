import type { Logger } from '@tributary/platform/logger';
import type { Warehouse } from '@tributary/platform/warehouse';
import type { DeadLetter } from '@tributary/schema';
import type { Batch } from '../batch.ts';
import { lineText } from '../batch.ts';
import { deadLetterOf, parseLineIdentity } from '../dead-letter-rows.ts';
import { insertFailureOf } from '../engine-errors.ts';
import { type Claim, endInserts, type InsertIds } from '../insert-ids.ts';
import { bodyOf, countLines, type LineRun, runsToStore, withoutStored } from '../line-runs.ts';
import type { Persistence } from '../persistence.ts';
import { readStoredLines } from '../questions.ts';
import { type RefusedLine, storeLines } from './store-lines.ts';

export interface StoreEventsDeps {
  readonly warehouse: Warehouse;
  readonly persistence: Persistence;
  readonly insertIds: InsertIds;
  /** Of the batch. */
  readonly claims: readonly Claim[];
  readonly insertTimeoutMs: number;
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

export interface StoredEvents {
  readonly rows: number;
  readonly bytes: number;
  /** One for each line that the warehouse refused. */
  readonly letters: readonly DeadLetter[];
}

/** Inserts the batch's lines that are still to be stored. Resolves when each is stored or refused. */
export async function storeEvents(batch: Batch, deps: StoreEventsDeps): Promise<StoredEvents> {
  const events = batch.blocks.filter(({ record }) => record.header.kind === 'events');
  const runs = runsToStore(events);
  const target = {
    insert: async (lines: readonly LineRun[]) => {
      const { writtenRows } = await insertLines('events_inbox', lines, deps);
      // Counted once for the inbox and once for the table behind it.
      return { writtenRows: writtenRows / 2 };
    },
    absentOf: (lines: readonly LineRun[], { mayStillRun }: { readonly mayStillRun: boolean }) =>
      absentEvents(lines, mayStillRun, deps),
  };
  const refused = await storeLines(target, runs, deps.persistence);
  return {
    rows: countLines(runs) - refused.length,
    bytes: bodyOf(runs).reduce((sum, part) => sum + part.length, 0),
    letters: refused.map(refusedEventLetter),
  };
}

/** Inserts lines as they are, under a query id by which a successor can end it and the fence can refuse it. */
export async function insertLines(
  table: 'events_inbox' | 'dead_letters',
  lines: readonly LineRun[],
  { warehouse, insertIds, claims, insertTimeoutMs, signal, logger }: StoreEventsDeps,
): Promise<{ readonly writtenRows: number }> {
  try {
    return await warehouse.insertBytes({
      name: `consumer.insert_${table}`,
      table,
      format: 'JSONEachRow',
      body: bodyOf(lines),
      queryId: insertIds.next(claimsOn(lines, claims)),
      timeoutMs: insertTimeoutMs,
      signal,
    });
  } catch (error) {
    const failure = insertFailureOf(error);
    // The engine quotes the rows that it refuses, and bodies are never logged.
    if (failure === 'rows')
      logger.warn({ table, lines: countLines(lines) }, 'the warehouse refused a row of an insert');
    else if (failure === 'stale') logger.warn({ table, lines: countLines(lines), claims: textOf(claims) }, 'overtaken');
    else logger.warn({ err: error, failure, table, lines: countLines(lines) }, 'an insert failed');
    throw error;
  }
}

function claimsOn(lines: readonly LineRun[], claims: readonly Claim[]): readonly Claim[] {
  const partitions = new Set(lines.map(({ block }) => block.record.partition));
  return claims.filter(({ partition }) => partitions.has(partition));
}

const textOf = (claims: readonly Claim[]) => claims.map(({ partition, epoch }) => `${partition} in epoch ${epoch}`);

async function absentEvents(
  lines: readonly LineRun[],
  mayStillRun: boolean,
  { warehouse, persistence, insertIds, claims, logger }: StoreEventsDeps,
): Promise<readonly LineRun[]> {
  const stored = await persistence.untilDone('ask what a failed insert stored', async () => {
    // What is still running could store lines after they were found absent.
    if (mayStillRun) await endInserts(warehouse, insertIds, partitionsOf(claims));
    return readStoredLines(
      warehouse,
      lines.map(({ block }) => block.record.header.blockId),
    );
  });
  const absent = withoutStored(lines, stored);
  const [missing, of] = [countLines(absent), countLines(lines)];
  if (mayStillRun && missing < of) {
    logger.info({ lines: of - missing, of }, `lines of the failed insert were stored${missing > 0 ? ' in part' : ''}`);
  }
  return absent;
}

const partitionsOf = (claims: readonly Claim[]) => claims.map(({ partition }) => partition);

function refusedEventLetter({ line, message }: RefusedLine): DeadLetter {
  return deadLetterOf(line, parseLineIdentity(lineText(line)), { code: 'ROW_REFUSED', field: '', message });
}
