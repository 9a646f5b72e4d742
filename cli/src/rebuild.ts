import { setTimeout as sleep } from 'node:timers/promises';
import type { Cache } from '@tributary/platform/cache';
import type { Clock } from '@tributary/platform/clock';
import { defineQuery, type Warehouse } from '@tributary/platform/warehouse';
import { refreshLiveCounters } from '@tributary/platform/warehouse/live-counters';
import { CodedError, type Config } from '@tributary/schema';
import { z } from 'zod';
import { openCommandStores } from './replay-stores.ts';

const tenantFree = 'The aggregates are of all tenants.';

/** Grain: projection. Scan: the catalogue. The keys are the projection's own text: only a query made of it reads it. */
const projections = defineQuery({
  name: 'rebuild.projections',
  sql: `SELECT name, query FROM system.projections WHERE database = currentDatabase() AND table = 'events' ORDER BY name`,
  params: z.object({}),
  row: z.object({ name: z.string(), query: z.string() }),
  tenantFree,
});

/** Grain: partition of the table (month). Scan: the catalogue of parts. */
const monthsOf = defineQuery({
  name: 'rebuild.months',
  sql: `SELECT partition_id AS month, toFloat64(sum(rows)) AS rows FROM system.parts
WHERE database = currentDatabase() AND table = 'events' AND active GROUP BY month ORDER BY month`,
  params: z.object({}),
  row: z.object({ month: z.string(), rows: z.number() }),
  tenantFree,
});

/** Grain: one row. Scan: the catalogue of mutations. */
const unfinished = defineQuery({
  name: 'rebuild.unfinished',
  sql: `SELECT toFloat64(count()) AS mutations, toFloat64(sum(parts_to_do)) AS parts, anyLast(latest_fail_reason) AS fault
FROM system.mutations
WHERE database = currentDatabase() AND table = 'events' AND NOT is_done AND NOT is_killed AND command ILIKE '%PROJECTION%'`,
  params: z.object({}),
  row: z.object({ mutations: z.number(), parts: z.number(), fault: z.string() }),
  tenantFree,
});

export interface RebuildDeps {
  readonly warehouse: Warehouse;
  readonly say: (line: string) => void;
  /** Where today's counters are kept; null where they are in other processes' memory. */
  readonly counters: {
    readonly cache: Cache;
    readonly clock: Clock;
    readonly apps: readonly { readonly tenantId: string; readonly appId: string; readonly timezone: string }[];
  } | null;
}

export interface RebuildReport {
  readonly rows: number;
  readonly projections: readonly string[];
  readonly countedApps: number;
}

/** `cli rebuild aggregates`, with the product running or stopped. */
export async function runRebuild(config: Config, print: (line: string) => void): Promise<RebuildReport> {
  const stores = await openCommandStores(config, 'rebuild');
  try {
    const { ports } = stores;
    const warehouse = await ports.warehouse();
    const counters = config.redisUrl
      ? { cache: await ports.cache(), clock: ports.clock, apps: (await ports.directory()).current().apps }
      : null;
    return await rebuildAggregates({ warehouse, counters, say: print });
  } finally {
    await stores.dispose();
  }
}

/**
 * Makes the aggregates of `events` anew from its rows, month by month, counts today's live counters again, and compares. Reports
 * stay right meanwhile: where a part has no aggregates, its rows are read. Rejects with INTERNAL when aggregates and
 * rows differ afterwards, or the engine says why it can't make them.
 */
export async function rebuildAggregates({ warehouse, say, counters }: RebuildDeps): Promise<RebuildReport> {
  const startedAt = performance.now();
  const seconds = () => `${((performance.now() - startedAt) / 1_000).toFixed(1)} s`;
  const made = await warehouse.query(projections, {});
  const months = await warehouse.query(monthsOf, {});
  for (const { month, rows } of months) {
    for (const { name } of made) {
      // Without this, parts that have them are passed over.
      for (const verb of ['CLEAR', 'MATERIALIZE']) {
        await warehouse.execute({
          name: `rebuild.${verb.toLowerCase()}`,
          sql: `ALTER TABLE events ${verb} PROJECTION ${name} IN PARTITION ID '${month}'`,
        });
      }
    }
    await untilDone(warehouse, (parts) => say(`${seconds()}: ${month}, ${parts} parts to do`));
    say(`${seconds()}: ${month} done, ${rows} rows`);
  }
  for (const projection of made) {
    await compare(warehouse, projection);
    say(`${seconds()}: ${projection.name} equals the rows`);
  }
  const countedApps = counters ? await countAgain(warehouse, counters) : 0;
  say(
    counters
      ? `today's counters of ${countedApps} apps counted again`
      : "today's counters are in the memory of the processes: they are counted again with the next events and at their start",
  );
  const rows = months.reduce((sum, month) => sum + month.rows, 0);
  return { rows, projections: made.map(({ name }) => name), countedApps };
}

const pollMs = 200;
const saidEachMs = 2_000;

async function untilDone(warehouse: Warehouse, told: (parts: number) => void): Promise<void> {
  let saidAt = Date.now();
  for (;;) {
    const [state] = await warehouse.query(unfinished, {});
    if (!state || state.mutations === 0) return;
    if (state.fault !== '') {
      throw new CodedError('INTERNAL', {
        message: `The warehouse could not make an aggregate: ${state.fault.slice(0, 300)}`,
      });
    }
    if (Date.now() - saidAt > saidEachMs) {
      saidAt = Date.now();
      told(state.parts);
    }
    await sleep(pollMs);
  }
}

const fingerprintRow = z.object({ groups: z.number(), rows: z.number(), revenue: z.string(), mark: z.string() });
type Fingerprint = z.output<typeof fingerprintRow>;

/** Asked from the rows and from the aggregates in one statement, so that both see the same parts. */
async function compare(warehouse: Warehouse, { name, query }: { readonly name: string; readonly query: string }) {
  const keys = /^SELECT\s+(.*?),\s*count\(\),\s*sum\(revenue_amount\)\s+GROUP BY/is.exec(query)?.[1];
  if (keys === undefined)
    throw new CodedError('INTERNAL', { message: `The projection ${name} is made of something else.` });
  const of = (
    settings: string,
  ) => `SELECT toFloat64(count()) AS groups, toFloat64(sum(n)) AS rows, toString(sum(amount)) AS revenue,
  toString(groupBitXor(mark)) AS mark
FROM (SELECT count() AS n, sum(revenue_amount) AS amount, sipHash64(${keys}, n, amount) AS mark FROM events GROUP BY ${keys}
  SETTINGS ${settings})`;
  const both = defineQuery({
    name: 'rebuild.compare',
    sql: `SELECT * FROM (${of('optimize_use_projections = 0')}) UNION ALL SELECT * FROM (${of(
      `optimize_use_projections = 1, force_optimize_projection_name = '${name}'`,
    )})`,
    params: z.object({}),
    row: fingerprintRow,
    tenantFree,
    timeoutMs: 3_600_000,
  });
  const [rows, aggregates] = await warehouse.query(both, {});
  if (sameAs(rows, aggregates)) return;
  throw new CodedError('INTERNAL', {
    message: `The aggregates ${name} differ from the rows after they were made anew.`,
  });
}

const sameAs = (one: Fingerprint | undefined, other: Fingerprint | undefined): boolean =>
  JSON.stringify(one) === JSON.stringify(other);

async function countAgain(
  warehouse: Warehouse,
  { cache, clock, apps }: NonNullable<RebuildDeps['counters']>,
): Promise<number> {
  for (const { tenantId, appId, timezone } of apps) {
    await refreshLiveCounters({ warehouse, cache, nowMs: clock.now() }, { tenantId, appIds: [appId], timezone });
  }
  return apps.length;
}
