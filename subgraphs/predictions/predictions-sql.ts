import { timeParam } from '@tributary/platform/warehouse';
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
