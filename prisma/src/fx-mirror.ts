import { defineQuery, type Warehouse } from '@tributary/platform/warehouse';
import { trimDecimal } from '@tributary/schema';
import { z } from 'zod';
import { readCount } from './changes.ts';
import type { Relational } from './client.ts';

const mirroredRates = defineQuery({
  name: 'mirrors_fx_rates',
  sql: `-- Grain: from, to, day. Order key: (tenant_id, to_currency, from_currency, day). Scan: one tenant's rates.
SELECT from_currency, to_currency, toString(day) AS rate_day, toString(argMax(rate, version)) AS last_rate,
  max(version) AS last_version
FROM fx_rates_mirror
WHERE tenant_id = {tenantId:String}
GROUP BY from_currency, to_currency, day`,
  params: z.object({ tenantId: z.string() }),
  row: z.object({
    from_currency: z.string(),
    to_currency: z.string(),
    rate_day: z.string(),
    last_rate: z.string(),
    /** UInt64 comes as text or number by the engine's settings; counts here are far below 2^53. */
    last_version: z.coerce.number(),
  }),
});

/**
 * Brings the warehouse's mirror of dated rates to the relational store's state, tenant by tenant; writes only what differs and returns
 * how many rows that was. A rate is only ever set, never taken away. Repeats and concurrent calls are harmless.
 */
export async function syncFxMirror(options: {
  readonly relational: Relational;
  readonly warehouse: Warehouse;
}): Promise<number> {
  const { relational, warehouse } = options;
  const tenants = await relational.client.fxRate.findMany({ distinct: ['tenantId'], select: { tenantId: true } });
  let written = 0;
  for (const { tenantId } of tenants) {
    // The mirror before its source: a row that another process writes meanwhile then has a version above ours.
    const mirrored = new Map(
      (await warehouse.query(mirroredRates, { tenantId })).map((row) => [
        `${row.from_currency} ${row.to_currency} ${row.rate_day}`,
        row,
      ]),
    );
    const { version, rates } = await relational.transact(
      async (tx) => ({
        version: await readCount(tx, 'mirrors'),
        rates: await tx.fxRate.findMany({ where: { tenantId } }),
      }),
      { snapshot: true },
    );
    const rows = rates.flatMap(({ from, to, day, rate }) => {
      const old = mirrored.get(`${from} ${to} ${day.toISOString().slice(0, 10)}`);
      if (old && trimDecimal(old.last_rate) === trimDecimal(rate.toFixed(12))) return [];
      return [
        {
          tenant_id: tenantId,
          from_currency: from,
          to_currency: to,
          day: day.toISOString().slice(0, 10),
          rate: rate.toFixed(12),
          version: Math.max(version, (old?.last_version ?? 0) + 1),
        },
      ];
    });
    if (rows.length > 0) await warehouse.insertRows({ name: 'mirrors_fx_rates', table: 'fx_rates_mirror', rows });
    written += rows.length;
  }
  return written;
}
