import { fraudModel } from '@tributary/models';
import type { Warehouse } from '@tributary/platform/warehouse';
import { benchTenant } from './query-list.ts';

/**
 * The generated data set: 90 days that end at `nowMs`, 3 apps, 50 campaigns, 30 countries, 400,000 devices of which half
 * have installed, whatever the count of events. Made inside the engine, a day a statement.
 */
const days = 90;
const dayMs = 86_400_000;
const devices = 400_000;

const hash = (salt: number) => `cityHash64(number, {day:UInt32}, ${salt})`;
const app = `concat('app_', toString(if(${hash(1)} % 10 < 6, 1, if(${hash(1)} % 10 < 9, 2, 3))))`;
/** A few make up most, as in life. */
const skewed = (of: number, salt: number) => `toUInt32(${of} * pow(${hash(salt)} % 10000 / 10000, 3))`;
const countries = `['US','DE','IN','BR','GB','FR','ES','IT','PL','NL','SE','NO','FI','DK','CZ','AT','CH','BE','PT','GR','TR','JP','KR','AU','CA','MX','AR','CL','ZA','EG']`;

/** One day of events. Kinds: half custom, a quarter sessions, then screens, money, engagements, installs. */
const eventsSql = `
  INSERT INTO events (tenant_id, app_id, event_id, block_id, block_index, dedupe_hash, payload_hash, source_format, environment,
    event_name, event_kind, device_key, occurred_at, sent_at, received_at, inserted_at, campaign_id, country, platform, app_version,
    os_version, device_model, locale, timezone, revenue_amount, revenue_currency, properties)
  SELECT {tenant:String}, ${app}, concat('e', toString(number), '-', toString({day:UInt32})),
    concat('019ab000-', leftPad(toString({day:UInt32}), 4, '0'), '-7000-8000-000000000000'), number, leftPad(hex(${hash(2)}), 16, '0'), leftPad(hex(${hash(3)}), 16, '0'),
    'native', 'production',
    multiIf(kind = 'custom', concat('event_', toString(${skewed(8, 4)})), kind), 
    multiIf(k < 500, 'custom', k < 760, 'session', k < 880, 'screen', k < 910, 'purchase', k < 930, 'ad_revenue', k < 932, 'refund', k < 955, 'click', k < 990, 'impression', 'install') AS kind,
    concat('device-', toString(${hash(5)} % ${devices})),
    fromUnixTimestamp64Milli(toInt64({from:Int64} + ${hash(6)} % ${dayMs}), 'UTC') AS at, at, at, at,
    if(kind IN ('click', 'impression'), concat('cmp_', toString(${skewed(50, 7)})), ''), ${countries}[1 + ${skewed(30, 8)}], if(${hash(9)} % 10 < 7, 'android', 'ios'),
    concat('1.', toString(${hash(10)} % 20)), toString(10 + ${hash(11)} % 8), concat('model-', toString(${hash(12)} % 200)), 'en', 'UTC',
    if(kind IN ('purchase', 'ad_revenue', 'refund'), toDecimal128(${hash(13)} % 2000 / 100, 6), toDecimal128(0, 6)),
    if(kind IN ('purchase', 'ad_revenue', 'refund'), 'USD', ''), concat('{"level":', toString(${hash(14)} % 100), '}')
  FROM (SELECT number, ${hash(0)} % 1000 AS k FROM numbers({rows:UInt64}))`;

const decisionsSql = `
  INSERT INTO install_attributions (tenant_id, app_id, install_id, revision, device_key, installed_at, decided_at, verdict, \`trigger\`, rule,
    campaign_id, network, touchpoint_id, country, platform, candidates)
  SELECT {tenant:String}, ${app.replaceAll('{day:UInt32}', '0')} AS app_, concat(app_, ':native:i', toString(number)), 1, concat('device-', toString(number)),
    fromUnixTimestamp64Milli(toInt64({from:Int64} + cityHash64(number, 21) % ({days:Int64} * ${dayMs})), 'UTC') AS at, at, 'install', 'install',
    'click_device_id', if(cityHash64(number, 22) % 10 < 4, '', concat('cmp_', toString(cityHash64(number, 23) % 50))), 'network', 'touch',
    ${countries}[1 + cityHash64(number, 24) % 30], 'android', repeat('[{"touchpoint":{"campaignId":"cmp_1"}}]', 5)
  FROM numbers(${devices / 2})`;

const journeysSql = `
  INSERT INTO journeys (tenant_id, app_id, conversion_id, revision, goal, device_key, install_id, converted_at, decided_at, value_amount,
    value_currency, touch_campaign_ids, touch_at, touch_kinds, touch_ids)
  SELECT {tenant:String}, ${app.replaceAll('{day:UInt32}', '0')}, concat('c', toString(number)), 1, 'goal_1', concat('device-', toString(number)), '',
    fromUnixTimestamp64Milli(toInt64({from:Int64} + cityHash64(number, 31) % ({days:Int64} * ${dayMs})), 'UTC') AS at, at, toDecimal128(cityHash64(number, 32) % 3000 / 100, 6), 'USD',
    arrayMap(place -> concat('cmp_', toString(cityHash64(number, place) % 50)), range(1 + cityHash64(number, 33) % 4)) AS path,
    arrayMap(_ -> at - toIntervalHour(3), path), arrayMap(_ -> 'click', path), path
  FROM numbers(100000)`;

const smallTables = [
  `INSERT INTO campaigns_mirror SELECT {tenant:String}, concat('app_', toString(1 + number % 3)), concat('cmp_', toString(intDiv(number, 3))), 'name', concat('network-', toString(number % 5)), concat('par_', toString(number % 4)), 1 FROM numbers(150)`,
  `INSERT INTO costs_mirror SELECT {tenant:String}, concat('app_', toString(1 + number % 3)), concat('cmp_', toString(intDiv(number, 3) % 50)), toDate(fromUnixTimestamp64Milli({from:Int64})) + intDiv(number, 150), toDecimal128(100, 6), 'USD', 1 FROM numbers(13500)`,
  `INSERT INTO predictions (tenant_id, app_id, model, model_version, subject_id, subject_at, scored_at, value, horizon_days) SELECT tenant_id, app_id, {model:String}, '1', install_id, installed_at, installed_at, cityHash64(install_id) % 100 / 100, 0 FROM install_attributions`,
] as const;

/** Fills an empty warehouse with `rows` events. */
export async function fillWarehouse(
  warehouse: Warehouse,
  options: { readonly rows: number; readonly nowMs: number; readonly log: (line: string) => void },
): Promise<void> {
  const { rows, nowMs, log } = options;
  const from = nowMs - days * dayMs;
  const run = (name: string, sql: string, params: Record<string, unknown>) =>
    warehouse.execute({
      name,
      sql,
      params: { tenant: benchTenant, ...params },
      timeoutMs: 600_000,
      settings: { max_partitions_per_insert_block: 0 },
    });
  const startedAt = performance.now();
  for (let day = 0; day < days; day += 1) {
    await run('bench_events', eventsSql, { day, from: from + day * dayMs, rows: Math.round(rows / days) });
    if (day % 15 === 14)
      log(
        `${Math.round((rows / days) * (day + 1))} events after ${Math.round((performance.now() - startedAt) / 1_000)} s`,
      );
  }
  await run('bench_decisions', decisionsSql, { from, days });
  await run('bench_journeys', journeysSql, { from, days });
  for (const sql of smallTables) await run('bench_small', sql, { from, model: fraudModel.name });
}
