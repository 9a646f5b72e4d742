import { timeParam } from '@tributary/platform/warehouse';
import { z } from 'zod';

/** Campaigns of the caller's partner, by the mirror's latest version of each; none without a partner. */
const partnerCampaigns = `(
      SELECT campaign_id FROM campaigns_mirror WHERE tenant_id = {tenantId:String}
      GROUP BY campaign_id HAVING argMax(partner_id, version) = {partnerId:String} AND {partnerId:String} != ''
    )`;

/**
 * The wall between partners, in SQL: with `partnerId` set, only rows whose campaign is that partner's. Every query of this
 * subgraph holds it or `partnerInstalls`.
 */
export const partnerWall = (column: string) => `({partnerId:String} = '' OR ${column} IN ${partnerCampaigns})`;

/** Installs of one app whose decision in force names a campaign of the caller's partner; all without one. */
export const partnerInstalls = (column: string) => `({partnerId:String} = '' OR ${column} IN (
        SELECT install_id FROM install_attributions WHERE tenant_id = {tenantId:String} AND app_id = {appId:String}
        GROUP BY install_id HAVING argMax(campaign_id, revision) IN ${partnerCampaigns}))`;

/** Parameter of the walls. */
export const partnerParam = { partnerId: z.string() };

/**
 * The active decision of each install of a range: its highest revision. `claimed` is the campaign that a refused injected
 * engagement named where nothing else won: whose fraud it was.
 */
export const activeInstalls = `
      SELECT app_id, install_id, argMax(verdict, revision) AS decided, argMax(campaign_id, revision) AS campaign,
        argMax(candidates, revision) AS evidence
      FROM install_attributions
      WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)}
        AND installed_at >= ${timeParam('fromMs')} AND installed_at < ${timeParam('toMs')}
      GROUP BY app_id, install_id`;

/** The latest prediction of each subject of a range, one model and horizon. */
export const latestPredictions = `
      SELECT app_id, subject_id, argMax(value, scored_at) AS predicted, argMax(model_version, scored_at) AS version
      FROM predictions
      WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)} AND model = {model:String}
        AND horizon_days = {horizonDays:UInt16}
        AND subject_at >= ${timeParam('fromMs')} AND subject_at < ${timeParam('toMs')}
      GROUP BY app_id, subject_id`;
