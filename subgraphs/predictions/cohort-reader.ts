import { defineQuery, type Warehouse } from '@tributary/platform/warehouse';
import { z } from 'zod';
import type { TimeBounds } from '../src/kit.ts';
import type { CohortSums } from './domain/cohort-ltv.ts';
import { fraudFrom, suspectFrom } from './domain/fraud-verdict.ts';
import { activeInstalls, latestPredictions, partnerParam, partnerWall } from './predictions-sql.ts';

const cohortParams = {
  tenantId: z.string().min(1),
  appIds: z.array(z.string()).min(1).max(200),
  fromMs: z.number(),
  toMs: z.number(),
  model: z.string(),
  horizonDays: z.number(),
  ...partnerParam,
};

const ltvRow = z.object({
  key: z.string(),
  installs: z.number(),
  scored: z.number(),
  total: z.string(),
  version: z.string(),
});

/** Grain: `key`. Ordering key: app. Scan: decisions and predictions of the range. */
const ltvSql = (key: string, having: string) => `
    SELECT ${key} AS key, toFloat64(count()) AS installs, toFloat64(countIf(p.subject_id != '')) AS scored,
      toString(toDecimal128(sumIf(p.predicted, p.subject_id != ''), 6)) AS total, max(p.version) AS version
    FROM (${activeInstalls}
      HAVING decided = 'install' AND ${partnerWall('campaign')} ${having}
    ) AS i
    LEFT JOIN (${latestPredictions}
    ) AS p ON p.app_id = i.app_id AND p.subject_id = i.install_id
    GROUP BY key`;

export const campaignLtvQuery = defineQuery({
  name: 'predictions_campaign_ltv',
  sql: ltvSql('i.campaign', 'AND campaign IN {campaignIds:Array(String)}'),
  params: z.object({ ...cohortParams, campaignIds: z.array(z.string()).min(1).max(200) }),
  row: ltvRow,
});

export const appLtvQuery = defineQuery({
  name: 'predictions_app_ltv',
  sql: ltvSql('i.app_id', ''),
  params: z.object(cohortParams),
  row: ltvRow,
});

/**
 * Grain: campaign. Ordering key: app. Scan: decisions and predictions of the range. An install that attribution gave to
 * nobody because the only engagement was injected counts for the campaign that claimed it: those are its fraud.
 */
export const campaignFraudQuery = defineQuery({
  name: 'predictions_campaign_fraud',
  sql: `
    SELECT claimant AS key, toFloat64(count()) AS scored,
      toFloat64(countIf(p.predicted >= {suspectFrom:Float64} AND p.predicted < {fraudFrom:Float64})) AS suspect,
      toFloat64(countIf(p.predicted >= {fraudFrom:Float64})) AS fraud
    FROM (
      SELECT app_id, install_id,
        if(campaign != '', campaign, JSONExtractString(arrayFirst(
          one -> JSONExtractString(one, 'reason') = 'engagement_injection',
          JSONExtractArrayRaw(evidence)), 'touchpoint', 'campaignId')) AS claimant
      FROM (${activeInstalls})
      WHERE claimant IN {campaignIds:Array(String)} AND ${partnerWall('claimant')}
    ) AS i
    INNER JOIN (${latestPredictions}
    ) AS p ON p.app_id = i.app_id AND p.subject_id = i.install_id
    GROUP BY claimant`,
  params: z.object({
    ...cohortParams,
    campaignIds: z.array(z.string()).min(1).max(200),
    suspectFrom: z.number(),
    fraudFrom: z.number(),
  }),
  row: z.object({ key: z.string(), scored: z.number(), suspect: z.number(), fraud: z.number() }),
});

export interface FraudCounts {
  readonly scored: number;
  readonly suspect: number;
  readonly fraud: number;
}

export interface CohortRequest {
  readonly tenantId: string;
  /** '' = no partner's: all. */
  readonly partnerId: string;
  readonly appIds: readonly string[];
  readonly range: TimeBounds;
  readonly model: string;
}

export interface CohortReader {
  /** By campaign id; a campaign without installs in the range is absent. */
  readCampaignLtv(
    request: CohortRequest & { readonly campaignIds: readonly string[]; readonly horizonDays: number },
  ): Promise<ReadonlyMap<string, CohortSums>>;
  /** By app id. */
  readAppLtv(request: CohortRequest & { readonly horizonDays: number }): Promise<ReadonlyMap<string, CohortSums>>;
  readCampaignFraud(
    request: CohortRequest & { readonly campaignIds: readonly string[] },
  ): Promise<ReadonlyMap<string, FraudCounts>>;
}

export function createCohortReader(warehouse: Warehouse): CohortReader {
  const paramsOf = (request: CohortRequest, horizonDays: number) => ({
    tenantId: request.tenantId,
    partnerId: request.partnerId,
    appIds: [...request.appIds],
    ...request.range,
    model: request.model,
    horizonDays,
  });
  const sumsOf = (rows: readonly z.output<typeof ltvRow>[], model: string) =>
    new Map(
      rows.map(({ key, installs, scored, total, version }): [string, CohortSums] => [
        key,
        { installs, scored, total, model: scored > 0 ? model : null, modelVersion: scored > 0 ? version : null },
      ]),
    );
  return {
    async readCampaignLtv(request) {
      const params = { ...paramsOf(request, request.horizonDays), campaignIds: [...request.campaignIds] };
      return sumsOf(await warehouse.query(campaignLtvQuery, params), request.model);
    },
    async readAppLtv(request) {
      return sumsOf(await warehouse.query(appLtvQuery, paramsOf(request, request.horizonDays)), request.model);
    },
    async readCampaignFraud(request) {
      const params = { ...paramsOf(request, 0), campaignIds: [...request.campaignIds], suspectFrom, fraudFrom };
      const rows = await warehouse.query(campaignFraudQuery, params);
      return new Map(rows.map(({ key, ...counts }) => [key, counts]));
    },
  };
}
