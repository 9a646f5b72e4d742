-- report-campaign-roas-30d: as the readers of the subgraphs ask it. Written by `node bench/src/query-files.ts`.
    SELECT g_CAMPAIGN AS campaign, toFloat64(v_INSTALLS) AS installs, toString(v_COST) AS cost, toString(if(notEmpty(mapKeys(rest_COST)) OR v_ATTRIBUTED_INSTALLS = 0, NULL, divideDecimal(v_COST * 1, toDecimal256(v_ATTRIBUTED_INSTALLS, 6), 6))) AS cpi, toString(v_REVENUE) AS revenue, toFloat64(if(notEmpty(mapKeys(rest_REVENUE)) OR notEmpty(mapKeys(rest_COST)) OR v_COST = 0, NULL, toFloat64(v_REVENUE) / toFloat64(v_COST))) AS roas, rest_COST AS costRest, rest_REVENUE AS revenueRest
    FROM (
      SELECT if(c.campaign_id != '', f.campaign, '') AS g_CAMPAIGN, sum(f.m_INSTALLS) AS v_INSTALLS, sum(multiIf(f.cur IN ('', {currency:String}), toDecimal256(f.m_COST, 6),
          r.factor > 0, multiplyDecimal(toDecimal256(f.m_COST, 6), r.factor, 6), toDecimal256(0, 6))) AS v_COST,
        sumMap(if(f.cur IN ('', {currency:String}) OR r.factor > 0 OR f.m_COST = 0, CAST(map(), 'Map(String, Decimal(38, 6))'), map(f.cur, f.m_COST))) AS rest_COST, sum(f.m_ATTRIBUTED_INSTALLS) AS v_ATTRIBUTED_INSTALLS, sum(multiIf(f.cur IN ('', {currency:String}), toDecimal256(f.m_REVENUE, 6),
          r.factor > 0, multiplyDecimal(toDecimal256(f.m_REVENUE, 6), r.factor, 6), toDecimal256(0, 6))) AS v_REVENUE,
        sumMap(if(f.cur IN ('', {currency:String}) OR r.factor > 0 OR f.m_REVENUE = 0, CAST(map(), 'Map(String, Decimal(38, 6))'), map(f.cur, f.m_REVENUE))) AS rest_REVENUE
      FROM (
      SELECT toString(a.app_id) AS app, bucket_ AS bucket, toString(o.origin) AS campaign, toString(cur_) AS cur, day_ AS day, toUInt64(0) AS m_INSTALLS, toDecimal128(0, 6) AS m_COST, toUInt64(0) AS m_ATTRIBUTED_INSTALLS, sum(multiIf(event_kind IN ('purchase', 'ad_revenue'), amount, event_kind = 'refund', -amount, toDecimal128(0, 6))) AS m_REVENUE
      FROM (
        SELECT app_id, bitXor(reinterpretAsUInt128(sipHash128(device_key)), reinterpretAsUInt128(sipHash128(app_id))) AS device_, event_kind, '' AS bucket_, '' AS own_,
          revenue_currency AS cur_, if(revenue_currency IN ('', {currency:String}), toDate('1970-01-01'), toDate(toDateTime(occurred_at), {zone0:String})) AS day_,
          1 AS n, revenue_amount AS amount
        FROM events WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)} AND environment = 'production' AND event_kind IN ('purchase', 'ad_revenue', 'refund')  AND occurred_at >= fromUnixTimestamp64Milli({fromMs:Int64}, 'UTC') AND occurred_at < fromUnixTimestamp64Milli({toMs:Int64}, 'UTC')) AS a
      LEFT ANY JOIN (
        SELECT bitXor(reinterpretAsUInt128(sipHash128(device_key)), reinterpretAsUInt128(sipHash128(app_id))) AS device, argMax(campaign_id, toUnixTimestamp64Milli(installed_at) * 1048576 + revision) AS origin
        FROM install_attributions
        WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)} AND installed_at >= fromUnixTimestamp64Milli({lookbackMs:Int64}, 'UTC') AND verdict = 'install' AND install_id NOT IN (
          SELECT install_id FROM install_attributions WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)} AND installed_at >= fromUnixTimestamp64Milli({lookbackMs:Int64}, 'UTC') AND revision > 1
          GROUP BY app_id, install_id HAVING argMax(verdict, revision) != 'install')
        GROUP BY device) AS o ON o.device = a.device_
      GROUP BY app, bucket, campaign, cur, day
      UNION ALL
      SELECT toString(i.app_id) AS app, '' AS bucket, toString(campaign_) AS campaign, toString('') AS cur, toDate('1970-01-01') AS day, countIf(decided = 'install') AS m_INSTALLS, toDecimal128(0, 6) AS m_COST, countIf(decided = 'install' AND campaign_ != '') AS m_ATTRIBUTED_INSTALLS, toDecimal128(0, 6) AS m_REVENUE
      FROM (
          SELECT app_id, install_id, argMax(device_key, revision) AS device, argMax(campaign_id, revision) AS campaign_,
            argMax(verdict, revision) AS decided, argMax(installed_at, revision) AS installed,
            argMax(touchpoint_id, revision) AS touch, argMax(country, revision) AS country_, argMax(platform, revision) AS platform_,
            argMax(candidates, revision) AS evidence
          FROM install_attributions
          WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)} AND installed_at >= fromUnixTimestamp64Milli({fromMs:Int64}, 'UTC') AND installed_at < fromUnixTimestamp64Milli({toMs:Int64}, 'UTC')
          GROUP BY app_id, install_id) AS i
      WHERE 1
      GROUP BY app, bucket, campaign, cur, day
      UNION ALL
      SELECT toString(app_id) AS app, '' AS bucket, toString(campaign_id) AS campaign, toString(cost_currency) AS cur, day_ AS day, toUInt64(0) AS m_INSTALLS, sum(cost) AS m_COST, toUInt64(0) AS m_ATTRIBUTED_INSTALLS, toDecimal128(0, 6) AS m_REVENUE
      FROM (
        SELECT app_id, campaign_id, cost_currency, costs_mirror.day AS day_, argMax(cost_amount, version) AS cost
        FROM costs_mirror
        WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)}  AND costs_mirror.day >= {fromDay0:Date} AND costs_mirror.day < {toDay0:Date}
        GROUP BY app_id, campaign_id, cost_currency, day_
      )
      GROUP BY app, bucket, campaign, cur, day
    ) AS f
    LEFT JOIN (
      SELECT app_id, campaign_id, argMax(network, version) AS network, argMax(partner_id, version) AS partner
      FROM campaigns_mirror WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)}
      GROUP BY app_id, campaign_id) AS c ON c.app_id = f.app AND c.campaign_id = f.campaign
    ASOF LEFT JOIN (
      SELECT currency, rate_day, argMax(if(direct, toDecimal256(rate_, 12), divideDecimal(toDecimal256(1, 12), toDecimal256(if(direct, 1, rate_), 12), 12)), direct) AS factor
      FROM (
        SELECT to_currency = {currency:String} AS direct, if(direct, from_currency, to_currency) AS currency,
          fx_rates_mirror.day AS rate_day, argMax(rate, version) AS rate_
        FROM fx_rates_mirror
        WHERE tenant_id = {tenantId:String} AND fx_rates_mirror.day < {ratesTo:Date}
          AND (to_currency = {currency:String} OR from_currency = {currency:String} AND rate > 0)
        GROUP BY direct, currency, rate_day
      )
      GROUP BY currency, rate_day) AS r ON r.currency = f.cur AND f.day >= r.rate_day
      WHERE 1
      GROUP BY g_CAMPAIGN HAVING v_INSTALLS != 0 OR v_COST != 0 OR notEmpty(mapKeys(rest_COST)) OR v_ATTRIBUTED_INSTALLS != 0 OR v_REVENUE != 0 OR notEmpty(mapKeys(rest_REVENUE))
    )
    ORDER BY v_INSTALLS DESC NULLS LAST, g_CAMPAIGN
    LIMIT {limit:UInt32} OFFSET {offset:UInt64}
    SETTINGS query_plan_join_swap_table = 'false'
