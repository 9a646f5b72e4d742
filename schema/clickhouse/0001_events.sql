-- events: one row per accepted event, first one of its dedupe key.
-- Grain: event. Writes: the consumer, as JSONEachRow blocks, exactly once by (block_id, block_index).
-- Order key: reports ask for one app, few event names and a time range; event_id makes the order total.
-- Partition: month of occurred_at, so that retention drops whole parts; a batch over two months is not atomic, which the
-- consumer's reconciliation by block_id covers.
-- block_id is text in UUID v7 form: orders by time (ClickHouse's UUID type does not).
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
SETTINGS non_replicated_deduplication_window = 0;
