import { z } from 'zod';
import type { Cache } from '../cache.ts';
import { defineQuery, type Warehouse } from '../warehouse.ts';

/** What a campaign or an app has had today. */
export interface DayCounts {
  readonly installs: number;
  readonly sessions: number;
  /** Currency → purchases + ad revenue − refunds, a decimal text. Only currencies that occur. */
  readonly revenue: Readonly<Record<string, string>>;
}

/** Today's counters of one app, in its time zone. Production events only, as in reports. */
export interface LiveCounters extends DayCounts {
  /** `YYYY-MM-DD` in the app's time zone. */
  readonly day: string;
  /** Campaign id → its share; '' = without a campaign. */
  readonly campaigns: Readonly<Record<string, DayCounts>>;
  /** When they were counted, epoch ms. */
  readonly at: number;
}

export interface LiveCountersDeps {
  readonly warehouse: Warehouse;
  readonly cache: Cache;
  readonly nowMs: number;
}

export interface CountedApps {
  readonly tenantId: string;
  readonly appIds: readonly string[];
  /** IANA name. */
  readonly timezone: string;
}

/** Longer than any day, so that a counter never ends before its day. */
const ttlMs = 30 * 3_600_000;

/**
 * Grain: (app, campaign, kind, currency). Ordering key: app. Scan: projection by_quarter, one day; offsets of time zones are
 * whole quarters of an hour.
 */
const dayCounts = defineQuery({
  name: 'live_counters',
  sql: `SELECT app_id, campaign_id, event_kind, revenue_currency, toFloat64(count()) AS events,
  toString(sum(revenue_amount)) AS amount
FROM events
WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)} AND environment = 'production'
  AND event_kind IN ('install', 'session', 'purchase', 'ad_revenue', 'refund')
  AND toStartOfFifteenMinutes(occurred_at) >= {from:DateTime('UTC')}
  AND toStartOfFifteenMinutes(occurred_at) < {to:DateTime('UTC')}
GROUP BY app_id, campaign_id, event_kind, revenue_currency`,
  params: z.object({ tenantId: z.string(), appIds: z.array(z.string()), from: z.number(), to: z.number() }),
  row: z.object({
    app_id: z.string(),
    campaign_id: z.string(),
    event_kind: z.string(),
    revenue_currency: z.string(),
    events: z.number(),
    amount: z.string(),
  }),
});
type CountRow = z.output<typeof dayCounts.row>;

const dayCountsSchema = z.object({
  installs: z.number(),
  sessions: z.number(),
  revenue: z.record(z.string(), z.string()),
});
const countersSchema = dayCountsSchema.extend({
  day: z.string(),
  campaigns: z.record(z.string(), dayCountsSchema),
  at: z.number(),
});

const keyOf = (tenantId: string, appId: string, timezone: string, day: string): string =>
  `${tenantId}:live-counters:${appId}:${timezone}:${day}`;

/**
 * Counts today anew in the warehouse and keeps the answer in the cache. Counted, never added to: nothing can drift, and
 * a batch that is stored twice in a row of failures counts once. An app without events gets zeros.
 */
export async function refreshLiveCounters(
  { warehouse, cache, nowMs }: LiveCountersDeps,
  { tenantId, appIds, timezone }: CountedApps,
): Promise<ReadonlyMap<string, LiveCounters>> {
  const { day, fromMs, toMs } = dayOf(nowMs, timezone);
  const rows = await warehouse.query(dayCounts, {
    tenantId,
    appIds: [...appIds],
    from: fromMs / 1_000,
    to: toMs / 1_000,
  });
  const byApp = Map.groupBy(rows, ({ app_id }) => app_id);
  const counters = new Map<string, LiveCounters>();
  for (const appId of appIds) {
    const own = byApp.get(appId) ?? [];
    const campaigns = Map.groupBy(own, ({ campaign_id }) => campaign_id);
    counters.set(appId, {
      day,
      ...countsOf(own),
      campaigns: Object.fromEntries([...campaigns].map(([campaignId, some]) => [campaignId, countsOf(some)])),
      at: nowMs,
    });
  }
  await Promise.all(
    [...counters].map(([appId, value]) =>
      cache.set(keyOf(tenantId, appId, timezone, day), JSON.stringify(value), { ttlMs }),
    ),
  );
  return counters;
}

/** Today's counters from the cache; from the warehouse when they are lost, which puts them back. */
export async function readLiveCounters(
  deps: LiveCountersDeps,
  { tenantId, appId, timezone }: { readonly tenantId: string; readonly appId: string; readonly timezone: string },
): Promise<LiveCounters> {
  const cached = await deps.cache.get(keyOf(tenantId, appId, timezone, dayOf(deps.nowMs, timezone).day));
  const parsed = cached === null ? null : countersSchema.safeParse(jsonOf(cached));
  if (parsed?.success) return parsed.data;
  const counters = await refreshLiveCounters(deps, { tenantId, appIds: [appId], timezone });
  return counters.get(appId) as LiveCounters;
}

export interface LocalDay {
  /** `YYYY-MM-DD`. */
  readonly day: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** The day of a moment in a time zone; 23 to 25 hours long. An unknown time zone counts as UTC. */
export function dayOf(atMs: number, timezone: string): LocalDay {
  const offsetAt = offsetsOf(timezone);
  const local = new Date(atMs + offsetAt(atMs));
  const midnight = Date.UTC(local.getUTCFullYear(), local.getUTCMonth(), local.getUTCDate());
  const instantOf = (wallMs: number): number => {
    const guess = wallMs - offsetAt(atMs);
    return wallMs - offsetAt(guess);
  };
  return {
    day: local.toISOString().slice(0, 10),
    fromMs: instantOf(midnight),
    toMs: instantOf(midnight + 86_400_000),
  };
}

/** Wall clock minus UTC in ms, at a moment. */
function offsetsOf(timezone: string): (atMs: number) => number {
  try {
    const format = new Intl.DateTimeFormat('en-US', { timeZone: timezone, timeZoneName: 'longOffset' });
    return (atMs) => {
      const name = format.formatToParts(atMs).find(({ type }) => type === 'timeZoneName')?.value ?? '';
      const [, sign, hours, minutes = '0'] = /GMT([+-])(\d+)(?::(\d+))?/.exec(name) ?? [];
      if (hours === undefined) return 0;
      return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
    };
  } catch {
    return () => 0;
  }
}

function countsOf(rows: readonly CountRow[]): DayCounts {
  const events = (kind: string) => rows.reduce((sum, row) => sum + (row.event_kind === kind ? row.events : 0), 0);
  const micros = new Map<string, bigint>();
  for (const { event_kind, revenue_currency, amount } of rows) {
    if (revenue_currency === '' || !moneyKinds.has(event_kind)) continue;
    const signed = event_kind === 'refund' ? -microsOf(amount) : microsOf(amount);
    micros.set(revenue_currency, (micros.get(revenue_currency) ?? 0n) + signed);
  }
  return {
    installs: events('install'),
    sessions: events('session'),
    revenue: Object.fromEntries([...micros].map(([currency, value]) => [currency, decimalOf(value)])),
  };
}

const moneyKinds: ReadonlySet<string> = new Set(['purchase', 'ad_revenue', 'refund']);

/** Of a decimal with at most six digits behind the point, as the warehouse has them. */
function microsOf(text: string): bigint {
  const [, sign, whole = '0', part = ''] = /^(-?)(\d+)(?:\.(\d{1,6}))?$/.exec(text) ?? [];
  const micros = BigInt(whole) * 1_000_000n + BigInt(part.padEnd(6, '0'));
  return sign === '-' ? -micros : micros;
}

function decimalOf(micros: bigint): string {
  const digits = (micros < 0n ? -micros : micros).toString().padStart(7, '0');
  const part = digits.slice(-6).replace(/0+$/, '');
  return `${micros < 0n ? '-' : ''}${digits.slice(0, -6)}${part ? `.${part}` : ''}`;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
