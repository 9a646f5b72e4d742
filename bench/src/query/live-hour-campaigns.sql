-- live-hour-campaigns: as the readers of the subgraphs ask it. Written by `node bench/src/query-files.ts`.
    WITH active AS (
      SELECT device_key, countIf(event_kind = 'session') AS sessions,
        sumIf(multiIf(event_kind IN ('purchase', 'ad_revenue'), revenue_amount, event_kind = 'refund', -revenue_amount, toDecimal128(0, 6)), revenue_currency = {currency:String}) AS revenue
      FROM events
      WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND environment = 'production'
        AND occurred_at >= fromUnixTimestamp64Milli({fromMs:Int64}, 'UTC') AND occurred_at < fromUnixTimestamp64Milli({toMs:Int64}, 'UTC')
        AND (event_kind = 'session' OR event_kind IN ('purchase', 'ad_revenue', 'refund'))
      GROUP BY device_key
    )
    SELECT campaign AS campaignId, toFloat64(sum(installs)) AS installs, toFloat64(sum(sessions)) AS sessions,
      toString(sum(revenue)) AS revenue
    FROM (
      SELECT origin.campaign AS campaign, 0 AS installs, active.sessions AS sessions, active.revenue AS revenue
      FROM active
      LEFT JOIN (
        SELECT device, argMax(campaign, installed) AS campaign
        FROM (
      SELECT install_id, argMax(device_key, revision) AS device, argMax(campaign_id, revision) AS campaign,
        argMax(verdict, revision) AS decided, argMax(installed_at, revision) AS installed
      FROM install_attributions
      WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND installed_at >= fromUnixTimestamp64Milli({lookbackMs:Int64}, 'UTC') AND device_key IN (SELECT device_key FROM active)
      GROUP BY install_id
      HAVING decided = 'install')
        GROUP BY device
      ) AS origin ON origin.device = active.device_key
      UNION ALL
      SELECT campaign, 1 AS installs, 0 AS sessions, toDecimal128(0, 6) AS revenue
      FROM (
      SELECT install_id, argMax(device_key, revision) AS device, argMax(campaign_id, revision) AS campaign,
        argMax(verdict, revision) AS decided, argMax(installed_at, revision) AS installed
      FROM install_attributions
      WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND installed_at >= fromUnixTimestamp64Milli({fromMs:Int64}, 'UTC') AND installed_at < fromUnixTimestamp64Milli({toMs:Int64}, 'UTC')
      GROUP BY install_id
      HAVING decided = 'install')
    )
    WHERE ({partnerId:String} = '' OR campaign IN (
      SELECT campaign_id FROM campaigns_mirror WHERE tenant_id = {tenantId:String}
      GROUP BY campaign_id HAVING argMax(partner_id, version) = {partnerId:String} AND {partnerId:String} != ''
    ))
    GROUP BY campaign
    ORDER BY campaign
