-- people-7d: as the readers of the subgraphs ask it. Written by `node bench/src/query-files.ts`.
    SELECT app_id AS appId, people FROM (SELECT app_id, toFloat64(uniqExact(if(person = 0, own, person))) AS people
FROM (SELECT app_id, reinterpretAsUInt128(sipHash128(device_key)) AS own, bitXor(reinterpretAsUInt128(sipHash128(device_key)), reinterpretAsUInt128(sipHash128(app_id))) AS own_in_app FROM (SELECT app_id, device_key
      FROM events
      WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)} AND environment = 'production'
        AND occurred_at >= fromUnixTimestamp64Milli({fromMs:Int64}, 'UTC') AND occurred_at < fromUnixTimestamp64Milli({toMs:Int64}, 'UTC')
        AND event_kind NOT IN ('click', 'impression') AND ({partnerId:String} = '' OR campaign_id IN (
      SELECT campaign_id FROM campaigns_mirror WHERE tenant_id = {tenantId:String}
      GROUP BY campaign_id HAVING argMax(partner_id, version) = {partnerId:String} AND {partnerId:String} != ''
    )))) AS keys
LEFT ANY JOIN (SELECT bitXor(reinterpretAsUInt128(sipHash128(device_key)), reinterpretAsUInt128(sipHash128(app_id))) AS linked, reinterpretAsUInt128(sipHash128(person_id)) AS person FROM (
  SELECT one.app_id AS app_id, one.device_key AS device_key,
    multiIf(three.person_id != '', three.person_id, two.person_id != '', two.person_id, one.person_id) AS person_id
  FROM (
  SELECT app_id, device_key, person_id
  FROM (
    SELECT app_id, device_key, argMax(person_id, version) AS person_id, argMax(unlinked, version) AS undone,
      max(version) AS said
    FROM identity_links
    WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)}
    GROUP BY app_id, device_key
  )
  WHERE undone = 0
  ORDER BY said, device_key
  LIMIT 200 BY app_id, person_id
) AS one
  LEFT ANY JOIN (
  SELECT app_id, device_key, person_id
  FROM (
    SELECT app_id, device_key, argMax(person_id, version) AS person_id, argMax(unlinked, version) AS undone,
      max(version) AS said
    FROM identity_links
    WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)}
    GROUP BY app_id, device_key
  )
  WHERE undone = 0
  ORDER BY said, device_key
  LIMIT 200 BY app_id, person_id
) AS two ON one.app_id = two.app_id AND one.person_id = two.device_key
  LEFT ANY JOIN (
  SELECT app_id, device_key, person_id
  FROM (
    SELECT app_id, device_key, argMax(person_id, version) AS person_id, argMax(unlinked, version) AS undone,
      max(version) AS said
    FROM identity_links
    WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)}
    GROUP BY app_id, device_key
  )
  WHERE undone = 0
  ORDER BY said, device_key
  LIMIT 200 BY app_id, person_id
) AS three ON two.app_id = three.app_id AND two.person_id = three.device_key
)) AS links ON own_in_app = linked
GROUP BY app_id
SETTINGS join_algorithm = 'hash')
