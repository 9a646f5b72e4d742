-- fx_rates_mirror: dated exchange rates of a tenant, mirrored from the relational store (FxRate) by the campaigns role, so
-- that a report converts money inside its one statement.
-- Grain: (tenant, from, to, day); the latest version wins. A rate counts until a later day has one.
-- rate: how many units of to_currency one unit of from_currency was worth on that day.
-- Order key: a report reads one tenant's rates into one target currency.
CREATE TABLE IF NOT EXISTS fx_rates_mirror
(
  tenant_id LowCardinality(String),
  from_currency LowCardinality(String),
  to_currency LowCardinality(String),
  day Date,
  rate Decimal(38, 12),
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (tenant_id, to_currency, from_currency, day);
