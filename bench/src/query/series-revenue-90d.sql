-- series-revenue-90d: as the readers of the subgraphs ask it; answered from aggregates. Written by `node bench/src/query-files.ts`.
    SELECT toString(toDate(slot, {timezone:String})) AS key, toFloat64(sum(multiIf(event_kind IN ('purchase', 'ad_revenue'), amount, event_kind = 'refund', -amount, toDecimal128(0, 6)))) AS value
    FROM (
      SELECT toStartOfFifteenMinutes(occurred_at) AS slot, event_kind, count() AS n, sum(revenue_amount) AS amount
      FROM events
      WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND environment = 'production'
        AND event_kind IN ('purchase', 'ad_revenue', 'refund') AND revenue_currency = {currency:String} AND toStartOfFifteenMinutes(occurred_at) >= toDateTime(intDiv({innerFrom:Int64}, 1000), 'UTC') AND toStartOfFifteenMinutes(occurred_at) < toDateTime(intDiv({innerTo:Int64}, 1000), 'UTC') AND ({partnerId:String} = '' OR campaign_id IN (
      SELECT campaign_id FROM campaigns_mirror WHERE tenant_id = {tenantId:String}
      GROUP BY campaign_id HAVING argMax(partner_id, version) = {partnerId:String} AND {partnerId:String} != ''
    ))
      GROUP BY slot, event_kind
      UNION ALL
      SELECT toStartOfFifteenMinutes(occurred_at) AS slot, event_kind, count() AS n, sum(revenue_amount) AS amount
      FROM events
      WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND environment = 'production'
        AND event_kind IN ('purchase', 'ad_revenue', 'refund') AND revenue_currency = {currency:String} AND ((occurred_at >= fromUnixTimestamp64Milli({headFrom:Int64}, 'UTC') AND occurred_at < fromUnixTimestamp64Milli({headTo:Int64}, 'UTC'))
    OR (occurred_at >= fromUnixTimestamp64Milli({tailFrom:Int64}, 'UTC') AND occurred_at < fromUnixTimestamp64Milli({tailTo:Int64}, 'UTC'))) AND ({partnerId:String} = '' OR campaign_id IN (
      SELECT campaign_id FROM campaigns_mirror WHERE tenant_id = {tenantId:String}
      GROUP BY campaign_id HAVING argMax(partner_id, version) = {partnerId:String} AND {partnerId:String} != ''
    ))
      GROUP BY slot, event_kind
    )
    GROUP BY key
