import { timeParam } from '@tributary/platform/warehouse';
import { type ReportDimension, type ReportMetric, type ReportSource, reportMetric } from '@tributary/schema';
import { idHash, idInAppHash, linkedHashesSql } from '@tributary/schema/identity-sql';
import { isWholeHalfHours } from './domain/calendar.ts';
import type { ReportPlan } from './domain/report-plan.ts';
import {
  edgeRows,
  engagementKinds,
  halfHour,
  halfHourMs,
  minute,
  minuteMs,
  quarter,
  quarterMs,
  signedAmount,
  wholeGrains,
} from './events-sql.ts';
import {
  bucketOf,
  columnsOf,
  eventColumns,
  eventScope,
  keysOf,
  money,
  pushed,
  rateDayOf,
  rowDimensions,
  rowRange,
  winnerDimensions,
  zonesOf,
} from './report-columns.ts';

const activityMeasures: Partial<Readonly<Record<ReportMetric, string>>> = {
  EVENTS: 'sum(n)',
  SESSIONS: "sumIf(n, event_kind = 'session')",
  PURCHASES: "sumIf(n, event_kind = 'purchase')",
  REVENUE: `sum(${signedAmount})`,
  CLICKS: "sumIf(n, event_kind = 'click')",
  IMPRESSIONS: "sumIf(n, event_kind = 'impression')",
};

function kindsOf(bases: readonly ReportMetric[]): string {
  if (bases.includes('EVENTS')) return '';
  const kinds = [
    ...(bases.includes('SESSIONS') ? ["'session'"] : []),
    ...(bases.includes('PURCHASES') ? ["'purchase'"] : []),
    ...(bases.includes('REVENUE') ? ["'purchase'", "'ad_revenue'", "'refund'"] : []),
    ...(bases.includes('CLICKS') ? ["'click'"] : []),
    ...(bases.includes('IMPRESSIONS') ? ["'impression'"] : []),
  ];
  return `AND event_kind IN (${[...new Set(kinds)].join(', ')})`;
}

/** The periods of a projection of `events`. */
interface Slots {
  readonly expression: string;
  readonly ms: number;
}

const byMinute: Slots = { expression: minute, ms: minuteMs };
const byQuarter: Slots = { expression: quarter, ms: quarterMs };
const byCountry: Slots = { expression: halfHour, ms: halfHourMs };

const inCampaign: readonly ReportDimension[] = ['EVENT_NAME', 'EVENT_KIND', 'CAMPAIGN', 'NETWORK', 'PARTNER', 'APP'];
const inCountry: readonly ReportDimension[] = ['EVENT_KIND', 'COUNTRY', 'PLATFORM', 'APP'];

/** The periods of the projection that keeps all that the report asks; null where only rows do. */
function slotsOf(plan: ReportPlan): Slots | null {
  const used = [...plan.dimensions, ...plan.columns, ...plan.filters.map((one) => one.dimension)];
  if (used.every((one) => inCampaign.includes(one))) return plan.grain === 'MINUTE' ? byMinute : byQuarter;
  const halfHours = plan.grain !== 'MINUTE' && zonesOf(plan).every((zone) => isWholeHalfHours(zone, plan.range));
  return halfHours && !plan.byCampaign && used.every((one) => inCountry.includes(one)) ? byCountry : null;
}

/** Period by which the plan's range is cut, ms. */
export const slotMsOf = (plan: ReportPlan): number => slotsOf(plan)?.ms ?? quarterMs;

const ofSource = (plan: ReportPlan, source: ReportSource) =>
  plan.bases.filter((metric) => reportMetric(metric).source === source);

/**
 * Counts by the campaign that events themselves name, or by none: from a projection where its keys suffice (rows of the two
 * ends), else from rows.
 */
export function countedFacts(plan: ReportPlan, source: 'activity' | 'engagements'): string {
  const bases = ofSource(plan, source);
  const slots = slotsOf(plan);
  const slice = (times: string, slot: string) => `
        SELECT app_id, event_kind, ${bucketOf(plan, 'app_id', slot)} AS bucket_,
          ${plan.byCampaign ? 'campaign_id' : "''"} AS campaign_,
          ${rowDimensions(plan)
            .map((name) => `${eventColumns[name] ?? "''"} AS r_${name},`)
            .join(' ')}
          ${money(plan) ? `revenue_currency AS cur_, ${rateDayOf(plan, slot)} AS day_,` : ''}
          count() AS n, sum(revenue_amount) AS amount
        FROM events
        WHERE ${eventScope} ${kindsOf(bases)} ${pushed(plan, (name) => eventColumns[name])} AND ${times}
        GROUP BY app_id, event_kind, bucket_, campaign_${rowDimensions(plan)
          .map((name) => `, r_${name}`)
          .join('')}${money(plan) ? ', cur_, day_' : ''}`;
  const slices = slots
    ? [slice(wholeGrains(slots.expression), slots.expression), slice(edgeRows, slots.expression)]
    : [slice(rowRange, 'toDateTime(occurred_at)')];
  const isRevenue = bases.includes('REVENUE');
  return `
      SELECT ${columnsOf(plan, {
        bucket: 'bucket_',
        campaign: 'campaign_',
        dimension: (name) => `r_${name}`,
        ...(isRevenue ? { currency: 'cur_', day: 'day_' } : {}),
        measures: pick(activityMeasures, bases),
      })}
      FROM (${slices.join('\n      UNION ALL')})
      GROUP BY ${keysOf(plan)}`;
}

function pick(measures: Partial<Record<ReportMetric, string>>, bases: readonly ReportMetric[]) {
  return Object.fromEntries(bases.map((metric) => [metric, measures[metric]])) as Partial<Record<ReportMetric, string>>;
}

/** Decisions in force about installs of a range, one row per install. */
export const decisions = (where: string) => `
          SELECT app_id, install_id, argMax(device_key, revision) AS device, argMax(campaign_id, revision) AS campaign_,
            argMax(verdict, revision) AS decided, argMax(installed_at, revision) AS installed,
            argMax(touchpoint_id, revision) AS touch, argMax(country, revision) AS country_, argMax(platform, revision) AS platform_,
            argMax(candidates, revision) AS evidence
          FROM install_attributions
          WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)} AND ${where}
          GROUP BY app_id, install_id`;

/** Ad group and creative of engagements that won, by event id. */
export const winners = `
        SELECT app_id, event_id, any(adgroup_id) AS adgroup, any(creative_id) AS creative
        FROM events
        WHERE ${eventScope} AND event_kind IN ${engagementKinds}
          AND event_id IN (SELECT touchpoint_id FROM install_attributions
            WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)} AND touchpoint_id != ''
              AND installed_at >= ${timeParam('lookbackMs')} AND installed_at < ${timeParam('toMs')})
        GROUP BY app_id, event_id`;

/**
 * The campaign that brought each device's latest new install, by the device's hash within its app. Device and time are those
 * of the install's event, so all revisions have the same. Installs whose last word is no new one are few (an earlier install
 * came to light) and left out by name: grouping all decisions by install first takes nearly three times as long. All devices:
 * reading the events once more to narrow them to those that paid takes as long as it saves.
 */
function originsOf(plan: ReportPlan): string {
  const scope = `tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)} AND installed_at >= ${timeParam('lookbackMs')}`;
  const newest = 'toUnixTimestamp64Milli(installed_at) * 1048576 + revision';
  const won = winnerDimensions.some((name) => plan.columns.includes(name));
  const origin = `
        SELECT ${idInAppHash('device_key')} AS device, argMax(campaign_id, ${newest}) AS origin${
          won ? `, any(app_id) AS app_, argMax(touchpoint_id, ${newest}) AS touch` : ''
        }
        FROM install_attributions
        WHERE ${scope} AND verdict = 'install' AND install_id NOT IN (
          SELECT install_id FROM install_attributions WHERE ${scope} AND revision > 1
          GROUP BY app_id, install_id HAVING argMax(verdict, revision) != 'install')
        GROUP BY device`;
  if (!won) return origin;
  return `SELECT o.device AS device, o.origin AS origin, w.adgroup AS adgroup, w.creative AS creative
        FROM (${origin}) AS o LEFT JOIN (${winners}) AS w ON w.app_id = o.app_ AND w.event_id = o.touch`;
}

/**
 * What people do, by the campaign that brought them; engagements by the one they name. Rows as they are: finding each one's
 * origin costs less than summing by device first.
 */
export function attributedFacts(plan: ReportPlan, source: 'activity' | 'people'): string {
  const bases = ofSource(plan, source);
  const people = source === 'people';
  const kinds = people ? `AND event_kind NOT IN ${engagementKinds}` : kindsOf(bases);
  const own = bases.includes('EVENTS');
  const ownColumn = (column: string) => (own ? `if(event_kind IN ${engagementKinds}, ${column}, '')` : "''");
  const where = `${eventScope} ${kinds} ${pushed(plan, (name) => eventColumns[name])} AND ${rowRange}`;
  const dims = rowDimensions(plan);
  const slot = 'toDateTime(occurred_at)';
  const rows = `
        SELECT app_id, ${idInAppHash('device_key')} AS device_, ${people ? `${idHash('device_key')} AS own_person_, ` : ''}event_kind, ${bucketOf(plan, 'app_id', slot)} AS bucket_, ${ownColumn('campaign_id')} AS own_,
          ${dims.map((name) => `${winnerDimensions.includes(name as never) ? ownColumn(eventColumns[name]!) : eventColumns[name]} AS r_${name},`).join(' ')}
          ${money(plan) ? `revenue_currency AS cur_, ${rateDayOf(plan, slot)} AS day_,` : ''}
          1 AS n, revenue_amount AS amount
        FROM events WHERE ${where}`;
  const engaged = `event_kind IN ${engagementKinds}`;
  const origin = (won: string, ownName: string) => (own ? `if(${engaged}, ${ownName}, ${won})` : won);
  return `
      SELECT ${columnsOf(plan, {
        app: 'a.app_id',
        bucket: 'bucket_',
        campaign: origin('o.origin', 'own_'),
        dimension: (name) =>
          name === 'AD_GROUP'
            ? origin('o.adgroup', 'r_AD_GROUP')
            : name === 'CREATIVE'
              ? origin('o.creative', 'r_CREATIVE')
              : `r_${name}`,
        ...(bases.includes('REVENUE') ? { currency: 'cur_', day: 'day_' } : {}),
        measures: people ? { PEOPLE: personState('a.own_person_') } : pick(activityMeasures, bases),
      })}
      FROM (${rows}) AS a
      LEFT ANY JOIN (${originsOf(plan)}) AS o ON o.device = a.device_
      ${people ? `LEFT ANY JOIN ${links} ON a.device_ = linked` : ''}
      GROUP BY ${keysOf(plan)}`;
}

const links = `${linkedHashesSql()} AS links`;
const personState = (own: string) => `uniqExactState(if(person = 0, ${own}, person))`;

/** People can't be summed from a projection: rows of the range. */
export function peopleFacts(plan: ReportPlan): string {
  if (plan.byCampaign) return attributedFacts(plan, 'people');
  return `
      SELECT ${columnsOf(plan, {
        bucket: bucketOf(plan, 'app_id', 'toDateTime(occurred_at)'),
        dimension: (name) => eventColumns[name],
        measures: { PEOPLE: personState(idHash('device_key')) },
      })}
      FROM events LEFT ANY JOIN ${links} ON ${idInAppHash('device_key')} = linked
      WHERE ${eventScope} AND event_kind NOT IN ${engagementKinds} ${pushed(plan, (name) => eventColumns[name])} AND ${rowRange}
      GROUP BY ${keysOf(plan)}`;
}
