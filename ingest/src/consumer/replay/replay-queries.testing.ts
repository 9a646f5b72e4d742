import { defineQuery } from '@tributary/platform/warehouse';
import { z } from 'zod';

const tenantFree = 'a test';
export const noParams = z.object({});

export const storedIds = defineQuery({
  name: 'test.ids',
  sql: 'SELECT event_id AS id FROM events ORDER BY id',
  params: noParams,
  row: z.object({ id: z.string() }),
  tenantFree,
});

/** Of rows and of their aggregates, which must agree. */
export const storedSums = defineQuery({
  name: 'test.sums',
  sql: `SELECT toFloat64(count()) AS rows, toString(sum(revenue_amount)) AS revenue,
  (SELECT toFloat64(sum(n)) FROM (SELECT count() AS n FROM events GROUP BY app_id, toStartOfMinute(occurred_at)
    SETTINGS optimize_use_projections = 1)) AS aggregated FROM events`,
  params: noParams,
  row: z.object({ rows: z.number(), revenue: z.string(), aggregated: z.number() }),
  tenantFree,
});
