-- events: one row per accepted event, first one of its dedupe key.
-- Grain: event. Writes: the consumer, as JSONEachRow blocks, exactly once by (block_id, block_index).
-- Order key: reports ask for one app, few event names and a time range; event_id makes the order total.
-- Partition: month of occurred_at, so that retention drops whole parts; a batch over two months is not atomic, which the
-- consumer's reconciliation by block_id covers.
-- block_id is text in UUID v7 form: orders by time (ClickHouse's UUID type does not).
-- Absent optional fields are '' (or 1970 for times): no column is Nullable. An event without money has currency ''.
-- Counts need no FINAL: a row is there once.
--
-- Aggregates: two projections, stored in each part. ClickHouse uses one only if the query is made of its expressions:
--   by_minute   tenant_id, app_id, environment, event_kind, event_name, campaign_id, revenue_currency,
--               toStartOfMinute(occurred_at)
--   by_quarter  the same, country, platform, toStartOfFifteenMinutes(occurred_at)
--   both        count(), sum(revenue_amount)
-- The rules, each of them measured (a query that breaks one is right but reads rows):
--   * Bound the time by the projection's expression, not by the column:
--       toStartOfFifteenMinutes(occurred_at) >= {from:DateTime('UTC')}   and not   occurred_at >= …
--     Bounds must therefore be whole minutes or quarters.
--   * No countIf or sumIf: group by event_kind (or filter by it) and pivot outside.
--   * Group by any subset of the keys, or by functions of them: toDate(toStartOfFifteenMinutes(occurred_at), tz).
--   * Aggregates are count() and sum(revenue_amount) as they stand; divide or round outside.
-- In tests, SETTINGS force_optimize_projection = 1 makes a query fail that would read rows.
CREATE TABLE IF NOT EXISTS events
(
  tenant_id LowCardinality(String),
  app_id LowCardinality(String),
  event_id String,
  block_id String,
  block_index UInt32,
  dedupe_hash FixedString(16),
  payload_hash FixedString(16),
  source_format LowCardinality(String),
  environment LowCardinality(String) DEFAULT 'production',
  event_name LowCardinality(String),
  event_kind LowCardinality(String),
  device_key String,
  anonymous_id String,
  user_id String,
  idfa String,
  idfv String,
  gaid String,
  android_id String,
  occurred_at DateTime64(3, 'UTC'),
  sent_at DateTime64(3, 'UTC'),
  received_at DateTime64(3, 'UTC'),
  inserted_at DateTime64(3, 'UTC') DEFAULT now64(3),
  clock_skew_ms Int64,
  network LowCardinality(String),
  source LowCardinality(String),
  medium LowCardinality(String),
  campaign_id String,
  adgroup_id String,
  creative_id String,
  keyword String,
  site_id String,
  link_id String,
  click_id String,
  install_referrer String,
  install_begin_at DateTime64(3, 'UTC'),
  referrer String,
  url String,
  platform LowCardinality(String),
  os_version LowCardinality(String),
  app_version LowCardinality(String),
  sdk LowCardinality(String),
  device_model LowCardinality(String),
  locale LowCardinality(String),
  timezone LowCardinality(String),
  country LowCardinality(String),
  region LowCardinality(String),
  city LowCardinality(String),
  ip String,
  user_agent String,
  revenue_amount Decimal(38, 6),
  revenue_currency LowCardinality(String),
  consent LowCardinality(String),
  properties String CODEC(ZSTD(3)),
  flags Array(LowCardinality(String)),

  INDEX block_id_range block_id TYPE minmax GRANULARITY 1,
  INDEX inserted_at_range inserted_at TYPE minmax GRANULARITY 1,
  INDEX dedupe_hash_bloom dedupe_hash TYPE bloom_filter(0.001) GRANULARITY 1,
  INDEX device_key_bloom device_key TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX click_id_bloom click_id TYPE bloom_filter(0.01) GRANULARITY 1,

  -- Aggregates live in the part, so they can't disagree with the rows. Reads must use the same expressions.
  PROJECTION by_minute
  (
    SELECT tenant_id, app_id, environment, event_kind, event_name, campaign_id, revenue_currency,
      toStartOfMinute(occurred_at), count(), sum(revenue_amount)
    GROUP BY tenant_id, app_id, environment, event_kind, event_name, campaign_id, revenue_currency, toStartOfMinute(occurred_at)
  ),
  PROJECTION by_quarter
  (
    SELECT tenant_id, app_id, environment, event_kind, event_name, campaign_id, country, platform, revenue_currency,
      toStartOfFifteenMinutes(occurred_at), count(), sum(revenue_amount)
    GROUP BY tenant_id, app_id, environment, event_kind, event_name, campaign_id, country, platform, revenue_currency, toStartOfFifteenMinutes(occurred_at)
  )
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (app_id, event_name, occurred_at, event_id)
-- The engine's own memory of inserts is written before the part and loses rows at a crash; it stays off.
SETTINGS non_replicated_deduplication_window = 0;
