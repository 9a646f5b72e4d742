import { defineQuery, timeParam, type Warehouse } from '@tributary/platform/warehouse';
import { z } from 'zod';
import type { StreamRow } from '../src/stream-hub.ts';
import type { StreamPosition } from '../src/stream-position.ts';
import { isPartners, partnerParam, partnerWall } from './attribution-sql.ts';

const pageParams = {
  tenantId: z.string().min(1),
  appId: z.string().min(1),
  afterMs: z.number(),
  afterId: z.string(),
  afterNumber: z.number(),
  /** Exclusive. */
  settledMs: z.number(),
  limit: z.number(),
  ...partnerParam,
};
const listed = (name: string, column: string) =>
  `(empty({${name}:Array(String)}) OR ${column} IN {${name}:Array(String)})`;
/** A writer counts behind what runs: rows of an insert under way may be older than those that are there. */
const behindWriters = `ifNull((SELECT minOrNull(now64(3) - toIntervalMillisecond(toUInt64(elapsed * 1000) + 1000)) FROM system.processes
        WHERE query_kind = 'Insert' AND elapsed < 65), now64(3) + toIntervalDay(1))`;
const page = (id: string) => `
      AND decided_at >= ${timeParam('afterMs')} AND decided_at < ${timeParam('settledMs')} AND decided_at < ${behindWriters}
      AND (decided_at, ${id}, revision) > (${timeParam('afterMs')}, {afterId:String}, {afterNumber:UInt32})`;

/**
 * Grain: (install, revision), in the order of deciding. Ordering key: app. Scan: the app's decided_at column, narrow
 * columns of the rows after the position.
 */
export const decisionStreamQuery = defineQuery({
  name: 'attribution_install_stream',
  sql: `
    SELECT install_id AS installId, revision, toFloat64(toUnixTimestamp64Milli(decided_at)) AS at
    FROM install_attributions
    WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} ${page('install_id')}
      AND ${listed('campaignIds', 'campaign_id')} AND ${listed('verdicts', 'verdict')} AND ${partnerWall('campaign_id')}
    ORDER BY install_attributions.decided_at, install_attributions.install_id, install_attributions.revision
    LIMIT 1 BY install_attributions.install_id, install_attributions.revision
    LIMIT {limit:UInt32}`,
  params: z.object({ ...pageParams, campaignIds: z.array(z.string()), verdicts: z.array(z.string()) }),
  row: z.object({ installId: z.string(), revision: z.number(), at: z.number() }),
  timeoutMs: 10_000,
  maxMemoryBytes: 300_000_000,
});

/** Grain: (conversion, revision), in the order of storing. Ordering key: app. Scan: as above, of journeys. */
export const conversionStreamQuery = defineQuery({
  name: 'attribution_conversion_stream',
  sql: `
    SELECT conversion_id AS conversionId, revision, goal, install_id AS installId,
      toFloat64(toUnixTimestamp64Milli(converted_at)) AS convertedAt, toString(value_amount) AS amount, value_currency AS currency,
      if({partnerId:String} = '', arrayFilter(campaign -> campaign != '', touch_campaign_ids),
        arrayFilter(campaign -> ${isPartners('campaign')}, touch_campaign_ids)) AS campaignIds,
      toFloat64(toUnixTimestamp64Milli(decided_at)) AS at
    FROM journeys
    WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} ${page('conversion_id')}
      AND ${listed('goalIds', 'goal')} AND (empty({campaignIds:Array(String)}) OR hasAny(touch_campaign_ids, {campaignIds:Array(String)}))
      AND ({partnerId:String} = '' OR arrayExists(campaign -> ${isPartners('campaign')}, touch_campaign_ids))
    ORDER BY journeys.decided_at, journeys.conversion_id, journeys.revision
    LIMIT 1 BY journeys.conversion_id, journeys.revision
    LIMIT {limit:UInt32}`,
  params: z.object({ ...pageParams, goalIds: z.array(z.string()), campaignIds: z.array(z.string()) }),
  row: z.object({
    conversionId: z.string(),
    revision: z.number(),
    goal: z.string(),
    installId: z.string(),
    convertedAt: z.number(),
    amount: z.string(),
    currency: z.string(),
    campaignIds: z.array(z.string()),
    at: z.number(),
  }),
  timeoutMs: 10_000,
  maxMemoryBytes: 300_000_000,
});

export interface StreamScope {
  readonly tenantId: string;
  readonly appId: string;
  /** '' = no partner's. */
  readonly partnerId: string;
  readonly campaignIds: readonly string[];
}

export interface StreamPage {
  readonly after: StreamPosition;
  readonly limit: number;
  readonly settledMs: number;
  readonly signal: AbortSignal;
}

export interface DecidedInstall {
  readonly installId: string;
  readonly revision: number;
}
export type StoredConversion = Omit<z.output<typeof conversionStreamQuery.row>, 'at'>;

const paramsOf = ({ after: [afterMs, afterId, afterNumber], limit, settledMs }: StreamPage) => ({
  afterMs,
  afterId,
  afterNumber,
  limit,
  settledMs,
});

/** Decisions after a position, in the order of deciding. */
export async function readDecidedInstalls(
  warehouse: Warehouse,
  { verdicts, campaignIds, ...scope }: StreamScope & { readonly verdicts: readonly string[] },
  page: StreamPage,
): Promise<readonly StreamRow<DecidedInstall>[]> {
  const lists = { verdicts: [...verdicts], campaignIds: [...campaignIds] };
  const rows = await warehouse.query(
    decisionStreamQuery,
    { ...scope, ...lists, ...paramsOf(page) },
    { signal: page.signal },
  );
  return rows.map(({ at, ...value }) => ({ position: [at, value.installId, value.revision] as const, value }));
}

/** Conversions after a position, in the order in which their journeys were stored. */
export async function readConversions(
  warehouse: Warehouse,
  { goalIds, campaignIds, ...scope }: StreamScope & { readonly goalIds: readonly string[] },
  page: StreamPage,
): Promise<readonly StreamRow<StoredConversion>[]> {
  const lists = { goalIds: [...goalIds], campaignIds: [...campaignIds] };
  const rows = await warehouse.query(
    conversionStreamQuery,
    { ...scope, ...lists, ...paramsOf(page) },
    { signal: page.signal },
  );
  return rows.map(({ at, ...value }) => ({ position: [at, value.conversionId, value.revision] as const, value }));
}
