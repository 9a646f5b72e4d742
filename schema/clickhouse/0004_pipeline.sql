-- dead_letters: what was refused and why, in full, so that it can be listed, fixed and replayed.
-- Grain: refused event. Order key: newest of an app.
CREATE TABLE IF NOT EXISTS dead_letters
(
  tenant_id LowCardinality(String),
  app_id LowCardinality(String),
  dead_letter_id String,
  stage LowCardinality(String),
  code LowCardinality(String),
  field LowCardinality(String),
  message String,
  source_format LowCardinality(String),
  event_id String,
  received_at DateTime64(3, 'UTC'),
  payload String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (app_id, received_at, dead_letter_id);

-- Mirrors of the relational store, so that a report that ranks by cost is one statement. Writes: the campaigns role.
-- Grain: one row per campaign (latest version wins) / per campaign and day.
CREATE TABLE IF NOT EXISTS campaigns_mirror
(
  tenant_id LowCardinality(String),
  app_id LowCardinality(String),
  campaign_id String,
  name String,
  network LowCardinality(String),
  partner_id String,
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (tenant_id, app_id, campaign_id);

CREATE TABLE IF NOT EXISTS costs_mirror
(
  tenant_id LowCardinality(String),
  app_id LowCardinality(String),
  campaign_id String,
  day Date,
  cost_amount Decimal(38, 6),
  cost_currency LowCardinality(String),
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (tenant_id, app_id, campaign_id, day, cost_currency);

-- worker_positions: how far each loop has read, by inserted_at. Read back on start; loops are idempotent over an overlap.
CREATE TABLE IF NOT EXISTS worker_positions
(
  worker LowCardinality(String),
  position_ms UInt64,
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY worker;
