-- events-page-1d: as the readers of the subgraphs ask it. Written by `node bench/src/query-files.ts`.
    SELECT source_format AS sourceFormat, event_id AS eventId, event_name AS name, event_kind AS kind, environment, device_key AS deviceKey,
      toFloat64(toUnixTimestamp64Milli(occurred_at)) AS occurredAt, toFloat64(toUnixTimestamp64Milli(received_at)) AS receivedAt,
      campaign_id AS campaignId, country, platform, toString(revenue_amount) AS amount, revenue_currency AS currency, properties
    FROM events
    WHERE tenant_id = {tenantId:String} AND app_id = {appId:String}
      AND occurred_at >= fromUnixTimestamp64Milli({fromMs:Int64}, 'UTC') AND occurred_at < fromUnixTimestamp64Milli({toMs:Int64}, 'UTC')
      AND ({name:String} = '' OR event_name = {name:String})
      AND ({partnerId:String} = '' OR campaign_id IN (
      SELECT campaign_id FROM campaigns_mirror WHERE tenant_id = {tenantId:String}
      GROUP BY campaign_id HAVING argMax(partner_id, version) = {partnerId:String} AND {partnerId:String} != ''
    ))
      AND ({afterMs:Int64} < 0 OR (occurred_at, event_id, source_format) < (fromUnixTimestamp64Milli({afterMs:Int64}, 'UTC'), {afterId:String}, {afterFormat:String}))
    ORDER BY events.occurred_at DESC, events.event_id DESC, events.source_format DESC
    LIMIT {limit:UInt32}
