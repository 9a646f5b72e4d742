-- report-country-30d: as the readers of the subgraphs ask it; answered from aggregates. Written by `node bench/src/query-files.ts`.
    SELECT g_COUNTRY AS country, g_PLATFORM AS platform, toFloat64(v_EVENTS) AS events, toFloat64(v_SESSIONS) AS sessions, toString(v_REVENUE) AS revenue, rest_REVENUE AS revenueRest
    FROM (
      SELECT f.d_COUNTRY AS g_COUNTRY, f.d_PLATFORM AS g_PLATFORM, sum(f.m_EVENTS) AS v_EVENTS, sum(f.m_SESSIONS) AS v_SESSIONS, sum(multiIf(f.cur IN ('', {currency:String}), toDecimal256(f.m_REVENUE, 6),
          r.factor > 0, multiplyDecimal(toDecimal256(f.m_REVENUE, 6), r.factor, 6), toDecimal256(0, 6))) AS v_REVENUE,
        sumMap(if(f.cur IN ('', {currency:String}) OR r.factor > 0 OR f.m_REVENUE = 0, CAST(map(), 'Map(String, Decimal(38, 6))'), map(f.cur, f.m_REVENUE))) AS rest_REVENUE
      FROM (
      SELECT toString(app_id) AS app, bucket_ AS bucket, toString(r_COUNTRY) AS d_COUNTRY, toString(r_PLATFORM) AS d_PLATFORM, toString(cur_) AS cur, day_ AS day, sum(n) AS m_EVENTS, sumIf(n, event_kind = 'session') AS m_SESSIONS, sum(multiIf(event_kind IN ('purchase', 'ad_revenue'), amount, event_kind = 'refund', -amount, toDecimal128(0, 6))) AS m_REVENUE
      FROM (
        SELECT app_id, event_kind, '' AS bucket_,
          '' AS campaign_,
          country AS r_COUNTRY, platform AS r_PLATFORM,
          revenue_currency AS cur_, if(revenue_currency IN ('', {currency:String}), toDate('1970-01-01'), toDate(toStartOfInterval(occurred_at, toIntervalMinute(30)), {zone0:String})) AS day_,
          count() AS n, sum(revenue_amount) AS amount
        FROM events
        WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)} AND environment = 'production'   AND toStartOfInterval(occurred_at, toIntervalMinute(30)) >= toDateTime(intDiv({innerFrom:Int64}, 1000), 'UTC') AND toStartOfInterval(occurred_at, toIntervalMinute(30)) < toDateTime(intDiv({innerTo:Int64}, 1000), 'UTC')
        GROUP BY app_id, event_kind, bucket_, campaign_, r_COUNTRY, r_PLATFORM, cur_, day_
      UNION ALL
        SELECT app_id, event_kind, '' AS bucket_,
          '' AS campaign_,
          country AS r_COUNTRY, platform AS r_PLATFORM,
          revenue_currency AS cur_, if(revenue_currency IN ('', {currency:String}), toDate('1970-01-01'), toDate(toStartOfInterval(occurred_at, toIntervalMinute(30)), {zone0:String})) AS day_,
          count() AS n, sum(revenue_amount) AS amount
        FROM events
        WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)} AND environment = 'production'   AND ((occurred_at >= fromUnixTimestamp64Milli({headFrom:Int64}, 'UTC') AND occurred_at < fromUnixTimestamp64Milli({headTo:Int64}, 'UTC'))
    OR (occurred_at >= fromUnixTimestamp64Milli({tailFrom:Int64}, 'UTC') AND occurred_at < fromUnixTimestamp64Milli({tailTo:Int64}, 'UTC')))
        GROUP BY app_id, event_kind, bucket_, campaign_, r_COUNTRY, r_PLATFORM, cur_, day_)
      GROUP BY app, bucket, d_COUNTRY, d_PLATFORM, cur, day
    ) AS f
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
      GROUP BY g_COUNTRY, g_PLATFORM HAVING v_EVENTS != 0 OR v_SESSIONS != 0 OR v_REVENUE != 0 OR notEmpty(mapKeys(rest_REVENUE))
    )
    ORDER BY v_EVENTS DESC NULLS LAST, g_COUNTRY, g_PLATFORM
    LIMIT {limit:UInt32} OFFSET {offset:UInt64}
    SETTINGS query_plan_join_swap_table = 'false'
