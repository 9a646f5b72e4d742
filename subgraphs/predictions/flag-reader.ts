import { defineQuery, timeParam, type Warehouse } from '@tributary/platform/warehouse';
import { z } from 'zod';
import type { StreamRow } from '../src/stream-hub.ts';
import type { StreamPosition } from '../src/stream-position.ts';
import { partnerInstalls, partnerParam } from './predictions-sql.ts';

/**
 * Grain: score, in the order of scoring. Ordering key: app, model. Scan: the app's scores of one model. A score that was
 * replaced before it was read is not there any more; the latest is. A partner sees installs that are its campaigns' now.
 */
export const flagStreamQuery = defineQuery({
  name: 'predictions_flag_stream',
  sql: `
    SELECT subject_id AS installId, value AS score, reasons, model_version AS version,
      toFloat64(toUnixTimestamp64Milli(scored_at)) AS scoredAt
    FROM predictions
    WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND model = {model:String} AND horizon_days = 0
      AND value >= {minScore:Float64}
      AND scored_at >= ${timeParam('afterMs')} AND scored_at < ${timeParam('settledMs')}
      AND scored_at < ifNull((SELECT minOrNull(now64(3) - toIntervalMillisecond(toUInt64(elapsed * 1000) + 1000)) FROM system.processes
        WHERE query_kind = 'Insert' AND elapsed < 65), now64(3) + toIntervalDay(1))
      AND (scored_at, subject_id) > (${timeParam('afterMs')}, {afterId:String})
      AND ${partnerInstalls('subject_id')}
    ORDER BY predictions.scored_at, predictions.subject_id
    LIMIT 1 BY predictions.scored_at, predictions.subject_id
    LIMIT {limit:UInt32}`,
  params: z.object({
    tenantId: z.string().min(1),
    appId: z.string().min(1),
    ...partnerParam,
    model: z.string(),
    minScore: z.number(),
    afterMs: z.number(),
    afterId: z.string(),
    settledMs: z.number(),
    limit: z.number(),
  }),
  row: z.object({
    installId: z.string(),
    score: z.number(),
    reasons: z.array(z.string()),
    version: z.string(),
    scoredAt: z.number(),
  }),
  timeoutMs: 10_000,
  maxMemoryBytes: 300_000_000,
});

export type FraudFlag = z.output<typeof flagStreamQuery.row>;

export interface FlagScope {
  readonly tenantId: string;
  readonly appId: string;
  /** '' = no partner's. */
  readonly partnerId: string;
  readonly model: string;
  readonly minScore: number;
}

/** Scores of at least `minScore` after a position, in the order of scoring. */
export async function readFlags(
  warehouse: Warehouse,
  scope: FlagScope,
  page: {
    readonly after: StreamPosition;
    readonly limit: number;
    readonly settledMs: number;
    readonly signal: AbortSignal;
  },
): Promise<readonly StreamRow<FraudFlag>[]> {
  const { after, limit, settledMs, signal } = page;
  const [afterMs, afterId] = after;
  const rows = await warehouse.query(flagStreamQuery, { ...scope, afterMs, afterId, settledMs, limit }, { signal });
  return rows.map((value) => ({ position: [value.scoredAt, value.installId, 0] as const, value }));
}
