-- predictions: what a model said of a subject (an install), kept with the model's version and the hash of the features seen.
-- Grain: (model, subject, scored_at). Reads take argMax by scored_at. Order key: one app, one model, by subject.
CREATE TABLE IF NOT EXISTS predictions
(
  tenant_id LowCardinality(String),
  app_id LowCardinality(String),
  model LowCardinality(String),
  model_version LowCardinality(String),
  subject_id String,
  -- Time of the subject (install time), for range reads and partitioning.
  subject_at DateTime64(3, 'UTC'),
  scored_at DateTime64(3, 'UTC'),
  -- fraud: 0…1; ltv: amount in `currency` over horizon_days from the install
  value Float64,
  currency LowCardinality(String),
  horizon_days UInt16,
  reasons Array(LowCardinality(String)),
  features_hash String,
  latency_us UInt32
)
ENGINE = ReplacingMergeTree(scored_at)
PARTITION BY toYYYYMM(subject_at)
ORDER BY (app_id, model, horizon_days, subject_id);
