import { defineQuery, timeParam, type Warehouse } from '@tributary/platform/warehouse';
import { z } from 'zod';
import { partnerInstalls, partnerParam, partnerWall } from './predictions-sql.ts';

/** Grain: install. Ordering key: app, model, horizon, install. Scan: the granules of the ids asked for. */
export const installPredictionsQuery = defineQuery({
  name: 'predictions_installs',
  sql: `
    SELECT subject_id AS installId, argMax(value, p.scored_at) AS score, toString(toDecimal128(argMax(value, p.scored_at), 6)) AS amount,
      argMax(currency, p.scored_at) AS unit, argMax(reasons, p.scored_at) AS because, argMax(model_version, p.scored_at) AS modelVersion,
      toFloat64(toUnixTimestamp64Milli(max(p.scored_at))) AS scoredAt
    FROM predictions AS p
    WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND model = {model:String}
      AND horizon_days = {horizonDays:UInt16} AND subject_id IN {installIds:Array(String)} AND ${partnerInstalls('subject_id')}
      AND subject_at >= ${timeParam('fromMs')} AND subject_at < ${timeParam('toMs')}
    GROUP BY subject_id`,
  params: z.object({
    tenantId: z.string().min(1),
    appId: z.string().min(1),
    model: z.string(),
    horizonDays: z.number(),
    installIds: z.array(z.string()).min(1).max(200),
    fromMs: z.number(),
    toMs: z.number(),
    ...partnerParam,
  }),
  row: z.object({
    installId: z.string(),
    score: z.number(),
    amount: z.string(),
    unit: z.string(),
    because: z.array(z.string()),
    modelVersion: z.string(),
    scoredAt: z.number(),
  }),
});

/** Grain: install. Ordering key: app, install. Scan: the granules of the installs asked for. The campaign of the decision in force. */
export const installCampaignsQuery = defineQuery({
  name: 'predictions_install_campaigns',
  sql: `
    SELECT install_id AS installId, argMax(campaign_id, revision) AS campaignId
    FROM install_attributions
    WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND install_id IN {installIds:Array(String)}
    GROUP BY install_id
    HAVING ${partnerWall('campaignId')}`,
  params: z.object({
    tenantId: z.string().min(1),
    appId: z.string().min(1),
    installIds: z.array(z.string()).min(1).max(200),
    ...partnerParam,
  }),
  row: z.object({ installId: z.string(), campaignId: z.string() }),
});

export type InstallPrediction = z.output<typeof installPredictionsQuery.row>;

export interface InstallReader {
  /** Latest predictions by install id; installs that are not scored are absent. `horizonDays` is 0 for fraud. */
  readInstalls(request: {
    readonly tenantId: string;
    readonly appId: string;
    readonly model: string;
    readonly horizonDays: number;
    readonly installIds: readonly string[];
    readonly nowMs: number;
    /** '' = no partner's: all. */
    readonly partnerId: string;
  }): Promise<ReadonlyMap<string, InstallPrediction>>;
  /** The campaign of each install's decision in force; '' = organic, absent = undecided. */
  readCampaigns(request: {
    readonly tenantId: string;
    readonly appId: string;
    readonly installIds: readonly string[];
    readonly partnerId: string;
  }): Promise<ReadonlyMap<string, string>>;
}

const dayMs = 86_400_000;
/** As old as any stored event may be (limits.secretKeyMaxAgeMs). */
const lookbackMs = 5 * 366 * dayMs;

export function createInstallReader(warehouse: Warehouse): InstallReader {
  return {
    async readInstalls({ nowMs, installIds, ...key }) {
      const rows = await warehouse.query(installPredictionsQuery, {
        ...key,
        installIds: [...installIds],
        fromMs: nowMs - lookbackMs,
        toMs: nowMs + dayMs,
      });
      return new Map(rows.map((row) => [row.installId, row]));
    },
    async readCampaigns({ installIds, ...app }) {
      const rows = await warehouse.query(installCampaignsQuery, { ...app, installIds: [...installIds] });
      return new Map(rows.map(({ installId, campaignId }) => [installId, campaignId]));
    },
  };
}
