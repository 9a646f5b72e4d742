/**
 * The decision in force of each install of one app that `where` holds: its highest revision. A revision written twice is
 * equal, so either copy will do.
 */
export const activeDecisions = (where: string) => `
      SELECT install_id, argMax(device_key, revision) AS device, argMax(campaign_id, revision) AS campaign,
        argMax(verdict, revision) AS decided, argMax(installed_at, revision) AS installed
      FROM install_attributions
      WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND ${where}
      GROUP BY install_id`;

/** What an event adds to revenue: purchases and ad revenue, less refunds; in one currency. */
export const signedRevenue =
  "multiIf(event_kind IN ('purchase', 'ad_revenue'), revenue_amount, event_kind = 'refund', -revenue_amount, toDecimal128(0, 6))";
