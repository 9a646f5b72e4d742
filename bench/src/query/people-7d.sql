-- people-7d: as the readers of the subgraphs ask it. Written by `node bench/src/query-files.ts`.
    SELECT app_id AS appId, toFloat64(uniqExact(device_key)) AS people
    FROM events
    WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)} AND environment = 'production'
      AND occurred_at >= fromUnixTimestamp64Milli({fromMs:Int64}, 'UTC') AND occurred_at < fromUnixTimestamp64Milli({toMs:Int64}, 'UTC')
      AND event_kind NOT IN ('click', 'impression') AND ({partnerId:String} = '' OR campaign_id IN (
      SELECT campaign_id FROM campaigns_mirror WHERE tenant_id = {tenantId:String}
      GROUP BY campaign_id HAVING argMax(partner_id, version) = {partnerId:String} AND {partnerId:String} != ''
    ))
    GROUP BY app_id
