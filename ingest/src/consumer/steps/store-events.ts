import type { Logger } from '@tributary/platform/logger';
import type { Warehouse } from '@tributary/platform/warehouse';
import type { DeadLetter } from '@tributary/schema';
import type { Batch } from '../batch.ts';
import { lineText } from '../batch.ts';
import { deadLetterOf, parseLineIdentity } from '../dead-letter-rows.ts';
import { insertFailureOf } from '../engine-errors.ts';
import { endInserts, type InsertIds } from '../insert-ids.ts';
import { bodyOf, countLines, type LineRun, runsToStore, withoutStored } from '../line-runs.ts';
import type { Persistence } from '../persistence.ts';
import { readStoredLines } from '../questions.ts';
import { type RefusedLine, storeLines } from './store-lines.ts';

export interface StoreEventsDeps {
  readonly warehouse: Warehouse;
  readonly persistence: Persistence;
  readonly insertIds: InsertIds;
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
    insert: (lines: readonly LineRun[]) => insertLines('events', lines, deps),
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

/** Inserts lines as they are, under a query id by which a successor can end it. */
export async function insertLines(
  table: string,
  lines: readonly LineRun[],
  { warehouse, insertIds, insertTimeoutMs, signal, logger }: StoreEventsDeps,
): Promise<{ readonly writtenRows: number }> {
  try {
    return await warehouse.insertBytes({
      name: `consumer.insert_${table}`,
      table,
      format: 'JSONEachRow',
      body: bodyOf(lines),
      queryId: insertIds.next(lines.map(({ block }) => block.record.partition)),
      timeoutMs: insertTimeoutMs,
      signal,
    });
  } catch (error) {
    const failure = insertFailureOf(error);
    // The engine quotes the rows that it refuses, and bodies are never logged.
    if (failure === 'rows')
      logger.warn({ table, lines: countLines(lines) }, 'the warehouse refused a row of an insert');
    else logger.warn({ err: error, failure, table, lines: countLines(lines) }, 'an insert failed');
    throw error;
  }
}

async function absentEvents(
  lines: readonly LineRun[],
  mayStillRun: boolean,
  { warehouse, persistence, insertIds, logger }: StoreEventsDeps,
): Promise<readonly LineRun[]> {
  const stored = await persistence.untilDone('ask what a failed insert stored', async () => {
    // What is still running could store lines after they were found absent.
    if (mayStillRun) await endInserts(warehouse, insertIds);
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

function refusedEventLetter({ line, message }: RefusedLine): DeadLetter {
  return deadLetterOf(line, parseLineIdentity(lineText(line)), { code: 'ROW_REFUSED', field: '', message });
}
