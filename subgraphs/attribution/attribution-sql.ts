import { z } from 'zod';

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

/** Campaigns of the caller's partner, by the mirror's latest version of each; none without a partner. */
export const partnerCampaigns = `(
      SELECT campaign_id FROM campaigns_mirror WHERE tenant_id = {tenantId:String}
      GROUP BY campaign_id HAVING argMax(partner_id, version) = {partnerId:String} AND {partnerId:String} != ''
    )`;

/**
 * The wall between partners, in SQL: with `partnerId` set, only rows whose campaign (in force) is that partner's. Every
 * query of this subgraph that a partner may cause holds it.
 */
export const partnerWall = (column = 'campaign') => `({partnerId:String} = '' OR ${column} IN ${partnerCampaigns})`;

/** Installs whose decision in force names a campaign of the caller's partner; all without one. */
export const partnerInstalls = (column: string) => `({partnerId:String} = '' OR ${column} IN (
      SELECT install_id FROM install_attributions WHERE tenant_id = {tenantId:String} AND app_id = {appId:String}
      GROUP BY install_id HAVING argMax(campaign_id, revision) IN ${partnerCampaigns}
    ))`;

/** Whether a campaign is of the caller's partner, for use inside lambdas, where IN can't be. */
export const isPartners = (campaign: string) =>
  `has((SELECT groupArray(campaign_id) FROM ${partnerCampaigns}), ${campaign})`;

/** Parameter of the walls. */
export const partnerParam = { partnerId: z.string() };

/** What an event adds to revenue: purchases and ad revenue, less refunds; in one currency. */
export const signedRevenue =
  "multiIf(event_kind IN ('purchase', 'ad_revenue'), revenue_amount, event_kind = 'refund', -revenue_amount, toDecimal128(0, 6))";
