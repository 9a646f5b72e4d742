-- export_jobs: state of each export; the highest version counts. Writes: the events role, by whoever runs the job.
-- Grain: (tenant, job, version). Order key: one job of one tenant; the list of running jobs at start scans the recent part.
-- Kept here, not in the relational store, because the events role has no other store, and a job's life is a few rows.
CREATE TABLE IF NOT EXISTS export_jobs
(
  tenant_id LowCardinality(String),
  app_id LowCardinality(String),
  job_id String,
  version UInt64,
  state LowCardinality(String),
  format LowCardinality(String),
  -- What was asked, as JSON, with the caller's rights at that time.
  request String CODEC(ZSTD(3)),
  request_hash String,
  attempt UInt32,
  bytes_done UInt64,
  error_code LowCardinality(String),
  created_at DateTime64(3, 'UTC'),
  updated_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(created_at)
ORDER BY (tenant_id, job_id)
TTL toDateTime(created_at) + INTERVAL 90 DAY DELETE;

-- dead_letter_replays: what came of each replay of a dead letter; makes a replay idempotent by its key.
-- Grain: (tenant, app, key, dead letter). Order key: one request's outcomes.
CREATE TABLE IF NOT EXISTS dead_letter_replays
(
  tenant_id LowCardinality(String),
  app_id LowCardinality(String),
  idempotency_key String,
  dead_letter_id String,
  request_hash String,
  verdict LowCardinality(String),
  code LowCardinality(String),
  replayed_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(replayed_at)
ORDER BY (tenant_id, app_id, idempotency_key, dead_letter_id);
