-- install_attributions: every decision ever made about an install, with its evidence; the active one is the highest revision.
-- Grain: (install, revision). Writes: the attribution worker, one writer. A revision written twice collapses and is equal.
-- Order key: one app's installs by id; reads take argMax(…, revision) or LIMIT 1 BY within an app and time range.
CREATE TABLE IF NOT EXISTS install_attributions
(
  tenant_id LowCardinality(String),
  app_id LowCardinality(String),
  install_id String,
  revision UInt32,
  device_key String,
  installed_at DateTime64(3, 'UTC'),
  decided_at DateTime64(3, 'UTC'),
  verdict LowCardinality(String),
  `trigger` LowCardinality(String),
  rule LowCardinality(String),
  campaign_id String,
  network LowCardinality(String),
  touchpoint_id String,
  ctit_seconds Nullable(Float64),
  country LowCardinality(String),
  platform LowCardinality(String),
  -- JSON array of Candidate (schema/src/attribution.ts)
  candidates String CODEC(ZSTD(3)),
  INDEX device_key_bloom device_key TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(installed_at)
ORDER BY (app_id, install_id, revision);

-- journeys: per conversion the touchpoints that may earn credit, oldest first; the highest revision counts.
-- Grain: (conversion, revision). Order key: one app, conversion time, so that a report reads a range.
CREATE TABLE IF NOT EXISTS journeys
(
  tenant_id LowCardinality(String),
  app_id LowCardinality(String),
  conversion_id String,
  revision UInt32,
  goal LowCardinality(String),
  device_key String,
  install_id String,
  converted_at DateTime64(3, 'UTC'),
  decided_at DateTime64(3, 'UTC'),
  value_amount Decimal(38, 6),
  value_currency LowCardinality(String),
  touch_campaign_ids Array(String),
  touch_at Array(DateTime64(3, 'UTC')),
  touch_kinds Array(LowCardinality(String)),
  touch_ids Array(String)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(converted_at)
ORDER BY (app_id, converted_at, conversion_id, revision);
