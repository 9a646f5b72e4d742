-- live-hour-totals: as the readers of the subgraphs ask it; answered from aggregates. Written by `node bench/src/query-files.ts`.
    SELECT toFloat64(sum(n)) AS events, toFloat64(sumIf(n, event_kind = 'install')) AS installs,
      toFloat64(sumIf(n, event_kind = 'session')) AS sessions,
      toString(sumIf(multiIf(event_kind IN ('purchase', 'ad_revenue'), amount, event_kind = 'refund', -amount, toDecimal128(0, 6)), revenue_currency = {currency:String})) AS revenue
    FROM (
      SELECT event_kind, revenue_currency, count() AS n, sum(revenue_amount) AS amount
      FROM events
      WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND environment = 'production'
        AND toStartOfMinute(occurred_at) >= toDateTime(intDiv({fromMs:Int64}, 1000), 'UTC') AND toStartOfMinute(occurred_at) < toDateTime(intDiv({toMs:Int64}, 1000), 'UTC')
        AND ({partnerId:String} = '' OR campaign_id IN (
      SELECT campaign_id FROM campaigns_mirror WHERE tenant_id = {tenantId:String}
      GROUP BY campaign_id HAVING argMax(partner_id, version) = {partnerId:String} AND {partnerId:String} != ''
    ))
      GROUP BY event_kind, revenue_currency
    )
