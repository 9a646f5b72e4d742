/**
 * SQL that resolves names to ids at query time, from the mirrors of the relational store (campaigns_mirror, links_mirror).
 * Clients may send a campaign's name where its id belongs, and events of a link may lack its campaign. Nothing waits for
 * that when events are stored: a name that is not known yet is resolved by the next question after it is.
 *
 * Join aggregated rows, not events: there are few of them.
 */

/** A subquery of (app_id, sent, campaign_id): the id for each name that is some campaign's, and no other campaign's id. */
export const campaignIdsByNameSql = `(
  SELECT app_id, name AS sent, any(id) AS campaign_id
  FROM (
    SELECT app_id, campaign_id AS id, argMax(name, version) AS name
    FROM campaigns_mirror
    WHERE tenant_id = {tenantId:String}
    GROUP BY app_id, campaign_id
  )
  WHERE name != '' AND (app_id, name) NOT IN (SELECT app_id, campaign_id FROM campaigns_mirror WHERE tenant_id = {tenantId:String})
  GROUP BY app_id, name
  HAVING uniqExact(id) = 1
)`;

/** A subquery of (app_id, sent, link_id, campaign_id): tracking links by their id and by their slug. */
export const linksBySentSql = `(
  SELECT app_id, arrayJoin(arrayDistinct([link_id, slug])) AS sent, link_id, campaign_id
  FROM (
    SELECT app_id, link_id, argMax(slug, version) AS slug, argMax(campaign_id, version) AS campaign_id
    FROM links_mirror
    WHERE tenant_id = {tenantId:String}
    GROUP BY app_id, link_id
  )
)`;

/**
 * `rowsSql` (which has app_id and campaign_id) with campaign_id as an id wherever the name is known; all other columns
 * are passed on.
 */
export function withCampaignIdsSql(rowsSql: string): string {
  return `SELECT sent_rows.* REPLACE (if(named.campaign_id = '', sent_rows.campaign_id, named.campaign_id) AS campaign_id)
FROM (${rowsSql}) AS sent_rows
LEFT ANY JOIN ${campaignIdsByNameSql} AS named ON sent_rows.app_id = named.app_id AND sent_rows.campaign_id = named.sent`;
}
