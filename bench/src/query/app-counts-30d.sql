-- app-counts-30d: as the readers of the subgraphs ask it; answered from aggregates. Written by `node bench/src/query-files.ts`.
    SELECT app_id AS appId, event_kind AS kind, revenue_currency AS currency,
      toFloat64(sum(n)) AS events, toString(sum(multiIf(event_kind IN ('purchase', 'ad_revenue'), amount, event_kind = 'refund', -amount, toDecimal128(0, 6)))) AS revenue
    FROM (
      SELECT app_id, event_kind, revenue_currency, count() AS n, sum(revenue_amount) AS amount
      FROM events
      WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)} AND environment = 'production'
        AND toStartOfFifteenMinutes(occurred_at) >= toDateTime(intDiv({innerFrom:Int64}, 1000), 'UTC') AND toStartOfFifteenMinutes(occurred_at) < toDateTime(intDiv({innerTo:Int64}, 1000), 'UTC') AND ({partnerId:String} = '' OR campaign_id IN (
      SELECT campaign_id FROM campaigns_mirror WHERE tenant_id = {tenantId:String}
      GROUP BY campaign_id HAVING argMax(partner_id, version) = {partnerId:String} AND {partnerId:String} != ''
    ))
      GROUP BY app_id, event_kind, revenue_currency
      UNION ALL
      SELECT app_id, event_kind, revenue_currency, count() AS n, sum(revenue_amount) AS amount
      FROM events
      WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)} AND environment = 'production'
        AND ((occurred_at >= fromUnixTimestamp64Milli({headFrom:Int64}, 'UTC') AND occurred_at < fromUnixTimestamp64Milli({headTo:Int64}, 'UTC'))
    OR (occurred_at >= fromUnixTimestamp64Milli({tailFrom:Int64}, 'UTC') AND occurred_at < fromUnixTimestamp64Milli({tailTo:Int64}, 'UTC'))) AND ({partnerId:String} = '' OR campaign_id IN (
      SELECT campaign_id FROM campaigns_mirror WHERE tenant_id = {tenantId:String}
      GROUP BY campaign_id HAVING argMax(partner_id, version) = {partnerId:String} AND {partnerId:String} != ''
    ))
      GROUP BY app_id, event_kind, revenue_currency
    )
    GROUP BY app_id, event_kind, revenue_currency
    ORDER BY app_id, event_kind, revenue_currency
