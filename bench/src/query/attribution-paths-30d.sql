-- attribution-paths-30d: as the readers of the subgraphs ask it. Written by `node bench/src/query-files.ts`.
    SELECT path, toFloat64(count()) AS conversions, toString(sumIf(amount, unit = {currency:String})) AS value
    FROM (
      SELECT if({partnerId:String} = '', whole_path,
        arrayMap(campaign -> if(has((SELECT groupArray(campaign_id) FROM (
      SELECT campaign_id FROM campaigns_mirror WHERE tenant_id = {tenantId:String}
      GROUP BY campaign_id HAVING argMax(partner_id, version) = {partnerId:String} AND {partnerId:String} != ''
    )), campaign), campaign, '-'), whole_path)) AS path, converted, amount, unit
      FROM (
      SELECT arrayFilter(
          (campaign, at) -> campaign != '' AND at >= converted - toIntervalDay({lookbackDays:UInt16}) AND at <= converted,
          argMax(touch_campaign_ids, revision), argMax(touch_at, revision)
        ) AS whole_path,
        max(converted_at) AS converted, argMax(value_amount, revision) AS amount, argMax(value_currency, revision) AS unit
      FROM journeys
      WHERE tenant_id = {tenantId:String} AND app_id = {appId:String}
        AND converted_at >= fromUnixTimestamp64Milli({fromMs:Int64}, 'UTC') AND converted_at < fromUnixTimestamp64Milli({toMs:Int64}, 'UTC')
        AND ({goal:String} = '' OR goal = {goal:String})
      GROUP BY conversion_id
      )
      WHERE {partnerId:String} = '' OR arrayExists(campaign -> has((SELECT groupArray(campaign_id) FROM (
      SELECT campaign_id FROM campaigns_mirror WHERE tenant_id = {tenantId:String}
      GROUP BY campaign_id HAVING argMax(partner_id, version) = {partnerId:String} AND {partnerId:String} != ''
    )), campaign), whole_path)
    )
    GROUP BY path
