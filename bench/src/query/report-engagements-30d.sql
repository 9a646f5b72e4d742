-- report-engagements-30d: as the readers of the subgraphs ask it; answered from aggregates. Written by `node bench/src/query-files.ts`.
    SELECT bucket AS time, g_CAMPAIGN AS campaign, toFloat64(v_CLICKS) AS clicks, toFloat64(v_IMPRESSIONS) AS impressions, toFloat64(if( v_IMPRESSIONS = 0, NULL, toFloat64(v_CLICKS) / toFloat64(v_IMPRESSIONS))) AS ctr
    FROM (
      SELECT f.bucket AS bucket, if(c.campaign_id != '', f.campaign, '') AS g_CAMPAIGN, sum(f.m_CLICKS) AS v_CLICKS, sum(f.m_IMPRESSIONS) AS v_IMPRESSIONS
      FROM (
      SELECT toString(app_id) AS app, bucket_ AS bucket, toString(campaign_) AS campaign, sumIf(n, event_kind = 'click') AS m_CLICKS, sumIf(n, event_kind = 'impression') AS m_IMPRESSIONS
      FROM (
        SELECT app_id, event_kind, toString(toDate(toStartOfFifteenMinutes(occurred_at), {zone0:String})) AS bucket_,
          campaign_id AS campaign_,
          count() AS n, sum(revenue_amount) AS amount
        FROM events
        WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)} AND environment = 'production' AND event_kind IN ('click', 'impression')  AND toStartOfFifteenMinutes(occurred_at) >= toDateTime(intDiv({innerFrom:Int64}, 1000), 'UTC') AND toStartOfFifteenMinutes(occurred_at) < toDateTime(intDiv({innerTo:Int64}, 1000), 'UTC')
        GROUP BY app_id, event_kind, bucket_, campaign_
      UNION ALL
        SELECT app_id, event_kind, toString(toDate(toStartOfFifteenMinutes(occurred_at), {zone0:String})) AS bucket_,
          campaign_id AS campaign_,
          count() AS n, sum(revenue_amount) AS amount
        FROM events
        WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)} AND environment = 'production' AND event_kind IN ('click', 'impression')  AND ((occurred_at >= fromUnixTimestamp64Milli({headFrom:Int64}, 'UTC') AND occurred_at < fromUnixTimestamp64Milli({headTo:Int64}, 'UTC'))
    OR (occurred_at >= fromUnixTimestamp64Milli({tailFrom:Int64}, 'UTC') AND occurred_at < fromUnixTimestamp64Milli({tailTo:Int64}, 'UTC')))
        GROUP BY app_id, event_kind, bucket_, campaign_)
      GROUP BY app, bucket, campaign
    ) AS f
    LEFT JOIN (
      SELECT app_id, campaign_id, argMax(network, version) AS network, argMax(partner_id, version) AS partner
      FROM campaigns_mirror WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)}
      GROUP BY app_id, campaign_id) AS c ON c.app_id = f.app AND c.campaign_id = f.campaign
      WHERE 1
      GROUP BY bucket, g_CAMPAIGN HAVING v_CLICKS != 0 OR v_IMPRESSIONS != 0
    )
    ORDER BY bucket ASC, bucket, g_CAMPAIGN
    LIMIT {limit:UInt32} OFFSET {offset:UInt64}
    SETTINGS query_plan_join_swap_table = 'false'
