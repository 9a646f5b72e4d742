-- Aggregates of events: three projections in place of the two of 0001. by_quarter kept country and platform beside campaign
-- and name, which left 13 million rows of 50 million events; counts, series and campaigns now come from a few hundred
-- thousand, and countries have rows of their own.
--
--   by_minute   tenant_id, app_id, environment, toStartOfMinute(occurred_at), event_kind, event_name, campaign_id,
--               revenue_currency
--   by_quarter  tenant_id, app_id, environment, event_kind, toStartOfFifteenMinutes(occurred_at), event_name, campaign_id,
--               revenue_currency
--   by_country  tenant_id, app_id, environment, event_kind, toStartOfInterval(occurred_at, toIntervalMinute(30)), country,
--               platform, revenue_currency
--   each        count(), sum(revenue_amount)
-- They live in the part, so they can't disagree with the rows. The rules of 0001 for reading them stand: bound the time by the
-- projection's expression, no countIf, group by any subset of the keys, aggregates as they stand.
-- Order of keys: time stands behind the keys that every reader fixes, so that a range is read as one piece: minutes right
-- behind the app (the live view asks all kinds), quarters behind the kind (a series asks few).
-- Periods: days of every time zone are sums of quarters. Half hours halve the rows of countries; only Nepal, the Chatham Islands
-- and Eucla lie at odd quarters, and their reports by country and day read rows.
-- What names campaign and country at once, or country and event name, reads rows.
-- Measured, inserts of 50,000 rows: 1.7 µs of CPU a row without projections, 2.2 with those of 0001, 2.45 with these; the
-- parts then hold half as many rows of aggregates, so merges have less to do.
ALTER TABLE events DROP PROJECTION IF EXISTS by_minute, DROP PROJECTION IF EXISTS by_quarter;

ALTER TABLE events
  ADD PROJECTION IF NOT EXISTS by_minute
  (
    SELECT tenant_id, app_id, environment, toStartOfMinute(occurred_at), event_kind, event_name, campaign_id, revenue_currency,
      count(), sum(revenue_amount)
    GROUP BY tenant_id, app_id, environment, toStartOfMinute(occurred_at), event_kind, event_name, campaign_id, revenue_currency
  ),
  ADD PROJECTION IF NOT EXISTS by_quarter
  (
    SELECT tenant_id, app_id, environment, event_kind, toStartOfFifteenMinutes(occurred_at), event_name, campaign_id,
      revenue_currency, count(), sum(revenue_amount)
    GROUP BY tenant_id, app_id, environment, event_kind, toStartOfFifteenMinutes(occurred_at), event_name, campaign_id,
      revenue_currency
  ),
  ADD PROJECTION IF NOT EXISTS by_country
  (
    SELECT tenant_id, app_id, environment, event_kind, toStartOfInterval(occurred_at, toIntervalMinute(30)), country, platform,
      revenue_currency, count(), sum(revenue_amount)
    GROUP BY tenant_id, app_id, environment, event_kind, toStartOfInterval(occurred_at, toIntervalMinute(30)), country,
      platform, revenue_currency
  );

-- Events of before get theirs in the background; until then their rows are read.
ALTER TABLE events
  MATERIALIZE PROJECTION by_minute,
  MATERIALIZE PROJECTION by_quarter,
  MATERIALIZE PROJECTION by_country;
