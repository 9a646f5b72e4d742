import { defineQuery, timeParam, type Warehouse } from '@tributary/platform/warehouse';
import { z } from 'zod';
import { decodeCursor, encodeCursor, type PageRequest, type TimeBounds } from '../src/kit.ts';
import { partnerParam } from './events-sql.ts';

const columns = `dead_letter_id AS id, stage, code, field, message, source_format AS sourceFormat, event_id AS eventId,
      toFloat64(toUnixTimestamp64Milli(received_at)) AS receivedAt, payload`;
const row = z.object({
  id: z.string(),
  stage: z.string(),
  code: z.string(),
  field: z.string(),
  message: z.string(),
  sourceFormat: z.string(),
  eventId: z.string(),
  receivedAt: z.number(),
  payload: z.string(),
});
export type DeadLetterRow = z.output<typeof row>;

const scope = { tenantId: z.string().min(1), appId: z.string().min(1), ...partnerParam };
const filterParams = { fromMs: z.number(), toMs: z.number(), codes: z.array(z.string()), stages: z.array(z.string()) };
/** What was refused belongs to no campaign, so to no partner. */
const noPartners = `{partnerId:String} = ''`;
const filtered = `tenant_id = {tenantId:String} AND app_id = {appId:String} AND ${noPartners}
      AND received_at >= ${timeParam('fromMs')} AND received_at < ${timeParam('toMs')}
      AND (empty({codes:Array(String)}) OR code IN {codes:Array(String)})
      AND (empty({stages:Array(String)}) OR stage IN {stages:Array(String)})`;

/** Grain: refused event; one written twice shows once. Ordering key: app, time of arrival. Scan: the app's range. */
export const deadLettersQuery = defineQuery({
  name: 'events_dead_letters',
  sql: `
    SELECT ${columns}
    FROM dead_letters
    WHERE ${filtered}
      AND ({afterMs:Int64} < 0 OR (received_at, dead_letter_id) < (${timeParam('afterMs')}, {afterId:String}))
    ORDER BY dead_letters.received_at DESC, dead_letters.dead_letter_id DESC
    LIMIT 1 BY dead_letters.dead_letter_id
    LIMIT {limit:UInt32}`,
  params: z.object({ ...scope, ...filterParams, afterMs: z.number(), afterId: z.string(), limit: z.number() }),
  row,
  maxMemoryBytes: 400_000_000,
});

/** Grain: refused event, oldest first. Ordering key: app, time of arrival. Scan: the app's refused events. */
export const deadLettersByIdQuery = defineQuery({
  name: 'events_dead_letters_by_id',
  sql: `
    SELECT ${columns}
    FROM dead_letters
    WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND ${noPartners} AND dead_letter_id IN {ids:Array(String)}
    ORDER BY dead_letters.received_at, dead_letters.dead_letter_id
    LIMIT 1 BY dead_letters.dead_letter_id`,
  params: z.object({ ...scope, ids: z.array(z.string()).min(1).max(500) }),
  row,
  maxMemoryBytes: 400_000_000,
});

/** Grain: refused event, oldest first. Ordering key: app, time of arrival. Scan: the app's range, two columns. */
export const deadLetterIdsQuery = defineQuery({
  name: 'events_dead_letter_ids',
  sql: `
    SELECT dead_letter_id AS id
    FROM dead_letters
    WHERE ${filtered}
    ORDER BY dead_letters.received_at, dead_letters.dead_letter_id
    LIMIT 1 BY dead_letters.dead_letter_id
    LIMIT {limit:UInt32}`,
  params: z.object({ ...scope, ...filterParams, limit: z.number() }),
  row: z.object({ id: z.string() }),
});

export interface DeadLetterFilter {
  readonly range: TimeBounds;
  /** Empty = all. */
  readonly codes: readonly string[];
  readonly stages: readonly string[];
}
export interface AppScope {
  readonly tenantId: string;
  readonly appId: string;
  /** '' = no partner's; a partner finds nothing. */
  readonly partnerId: string;
}

const cursorKey = z.tuple([z.int().min(0), z.string()]);
export const deadLetterCursorOf = (letter: DeadLetterRow): string => encodeCursor([letter.receivedAt, letter.id]);

export interface DeadLetterReader {
  /** Up to `page.limit`, newest first. */
  readPage(scope: AppScope, filter: DeadLetterFilter, page: PageRequest): Promise<readonly DeadLetterRow[]>;
  /** Those that are there, oldest first. */
  readByIds(scope: AppScope, ids: readonly string[]): Promise<readonly DeadLetterRow[]>;
  /** Ids that fit, oldest first, at most `limit`. */
  readIds(scope: AppScope, filter: DeadLetterFilter, limit: number): Promise<readonly string[]>;
}

export function createDeadLetterReader(warehouse: Warehouse): DeadLetterReader {
  const paramsOf = ({ range, codes, stages }: DeadLetterFilter) => ({
    ...range,
    codes: [...codes],
    stages: [...stages],
  });
  return {
    async readPage(app, filter, page) {
      const [afterMs, afterId] = page.after === null ? [-1, ''] : decodeCursor(page.after, cursorKey);
      return warehouse.query(deadLettersQuery, { ...app, ...paramsOf(filter), afterMs, afterId, limit: page.limit });
    },
    readByIds: async (app, ids) =>
      ids.length === 0 ? [] : warehouse.query(deadLettersByIdQuery, { ...app, ids: [...ids] }),
    async readIds(app, filter, limit) {
      return (await warehouse.query(deadLetterIdsQuery, { ...app, ...paramsOf(filter), limit })).map(({ id }) => id);
    },
  };
}
