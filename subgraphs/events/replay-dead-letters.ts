import { createHash } from 'node:crypto';
import type { Clock } from '@tributary/platform/clock';
import { defineQuery, type Warehouse } from '@tributary/platform/warehouse';
import { CodedError } from '@tributary/schema';
import { z } from 'zod';
import type { AppScope, DeadLetterReader, DeadLetterRow } from './dead-letter-reader.ts';
import { applyFixes, type PayloadFix } from './domain/apply-fixes.ts';

/** What the collector says of an event that is given to it again. */
export interface ReplayVerdict {
  readonly status: 'accepted' | 'duplicate' | 'rejected';
  /** Of the error catalogue; set when it was rejected. */
  readonly code: string | null;
}

/**
 * Gives one refused event to the collector's core, as if its app had sent it now in that wire format. Resolves once the
 * event is durable, or refused. The event must get `fallbackEventId` as its id if its payload has none, so that giving it
 * twice stores it once.
 */
export type ReplayEvent = (event: {
  readonly tenantId: string;
  readonly appId: string;
  readonly sourceFormat: string;
  /** As it came, with the fixes made. */
  readonly payload: string;
  readonly fallbackEventId: string;
}) => Promise<ReplayVerdict>;

export interface ReplayOutcome extends ReplayVerdict {
  readonly deadLetterId: string;
}

const outcomeRow = z.object({
  deadLetterId: z.string(),
  requestHash: z.string(),
  status: z.enum(['begun', 'accepted', 'duplicate', 'rejected']),
  code: z.string(),
});

/** Grain: (key, dead letter), the latest. Ordering key: one request of one app. Scan: its outcomes. */
export const replayOutcomesQuery = defineQuery({
  name: 'events_replay_outcomes',
  sql: `
    SELECT dead_letter_id AS deadLetterId, argMax(request_hash, replayed_at) AS requestHash, argMax(verdict, replayed_at) AS status,
      argMax(r.code, replayed_at) AS code
    FROM dead_letter_replays AS r
    WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND idempotency_key = {key:String}
    GROUP BY dead_letter_id`,
  params: z.object({ tenantId: z.string().min(1), appId: z.string().min(1), key: z.string().min(1) }),
  row: outcomeRow,
});

/** Grain: dead letter. Ordering key: app. Scan: the app's replays. */
export const lastReplaysQuery = defineQuery({
  name: 'events_last_replays',
  sql: `
    SELECT dead_letter_id AS deadLetterId, '' AS requestHash, argMax(verdict, replayed_at) AS status, argMax(r.code, replayed_at) AS code
    FROM dead_letter_replays AS r
    WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND dead_letter_id IN {ids:Array(String)}
    GROUP BY dead_letter_id`,
  params: z.object({ tenantId: z.string().min(1), appId: z.string().min(1), ids: z.array(z.string()).min(1).max(500) }),
  row: outcomeRow,
});

export interface ReplayRequest {
  readonly scope: AppScope;
  readonly ids: readonly string[];
  readonly fixes: readonly PayloadFix[];
  readonly idempotencyKey: string;
  /** What the caller asked, for telling a repeat from another request under the same key. */
  readonly question: unknown;
}

export interface ReplayDeps {
  readonly reader: DeadLetterReader;
  /** Reads and writes `dead_letter_replays`. */
  readonly warehouse: Warehouse;
  readonly clock: Clock;
  readonly replayEvent: ReplayEvent;
}

/** Outcomes are kept after so many events: what a crash forgets is given again, and is a duplicate then. */
const chunk = 25;

/**
 * Gives dead letters to the collector again, oldest first. Idempotent by its key: repeated, it goes on where it was cut off
 * and answers alike. Throws IDEMPOTENCY_CONFLICT when the key was used for another request. Ids that aren't there are left out.
 */
export async function replayDeadLetters(
  deps: ReplayDeps,
  { scope, ids, fixes, idempotencyKey, question }: ReplayRequest,
): Promise<{ readonly outcomes: readonly ReplayOutcome[]; readonly repeated: boolean }> {
  const requestHash = createHash('sha256').update(JSON.stringify(question)).digest('hex');
  const stored = await deps.warehouse.query(replayOutcomesQuery, {
    tenantId: scope.tenantId,
    appId: scope.appId,
    key: idempotencyKey,
  });
  if (stored.some((one) => one.requestHash !== requestHash)) throw new CodedError('IDEMPOTENCY_CONFLICT');
  const done = new Map(stored.map((one) => [one.deadLetterId, one]));
  const keep = (outcomes: readonly { deadLetterId: string; status: string; code: string | null }[]) =>
    deps.warehouse.insertRows({
      name: 'events_replay_outcomes_write',
      table: 'dead_letter_replays',
      rows: outcomes.map((one) => ({
        tenant_id: scope.tenantId,
        app_id: scope.appId,
        idempotency_key: idempotencyKey,
        dead_letter_id: one.deadLetterId,
        request_hash: requestHash,
        verdict: one.status,
        code: one.code ?? '',
        replayed_at: deps.clock.now(),
      })),
    });
  // Before anything is given: the key belongs to this request from now on.
  if (stored.length === 0) await keep([{ deadLetterId: '', status: 'begun', code: null }]);
  const letters = await deps.reader.readByIds(scope, ids);
  const outcomes: ReplayOutcome[] = [];
  for (let at = 0; at < letters.length; at += chunk) {
    const part = letters.slice(at, at + chunk);
    const fresh = part.filter((letter) => !done.has(letter.id));
    const given = await Promise.all(fresh.map((letter) => replayOne(deps.replayEvent, scope, letter, fixes)));
    if (given.length > 0) await keep(given);
    const found = new Map(given.map((one) => [one.deadLetterId, one]));
    for (const letter of part) {
      const before = done.get(letter.id);
      outcomes.push(
        found.get(letter.id) ?? {
          deadLetterId: letter.id,
          status: before?.status === 'accepted' || before?.status === 'duplicate' ? before.status : 'rejected',
          code: before?.code || null,
        },
      );
    }
  }
  return { outcomes, repeated: stored.length > 0 };
}

async function replayOne(
  replayEvent: ReplayEvent,
  { tenantId, appId }: AppScope,
  letter: DeadLetterRow,
  fixes: readonly PayloadFix[],
): Promise<ReplayOutcome> {
  const payload = applyFixes(letter.payload, fixes);
  if (payload === null) return { deadLetterId: letter.id, status: 'rejected', code: 'BODY_UNPARSABLE' };
  const verdict = await replayEvent({
    tenantId,
    appId,
    sourceFormat: letter.sourceFormat,
    payload,
    fallbackEventId: letter.id,
  });
  return { deadLetterId: letter.id, ...verdict };
}
