import { timeParam } from '@tributary/platform/warehouse';
import type { ReportDimension, ReportSource } from '@tributary/schema';
import type { ReportPlan } from './domain/report-plan.ts';
import {
  bucketOf,
  columnsOf,
  dateOf,
  dayBucketOf,
  eventScope,
  installEventDimensions,
  keysOf,
  pushed,
  rowRange,
  winnerDimensions,
  zonesOf,
} from './report-columns.ts';
import { attributedFacts, countedFacts, decisions, peopleFacts, winners } from './report-event-facts.ts';

const decisionColumns: Partial<Readonly<Record<ReportDimension, string>>> = {
  COUNTRY: 'country_',
  PLATFORM: 'platform_',
};

function installFacts(plan: ReportPlan): string {
  const joined = plan.columns.concat(plan.filters.map((one) => one.dimension));
  const told = installEventDimensions.some((name) => joined.includes(name));
  const won = winnerDimensions.some((name) => joined.includes(name));
  const columnOf = (name: ReportDimension) =>
    decisionColumns[name] ??
    {
      AD_GROUP: 'w.adgroup',
      CREATIVE: 'w.creative',
      APP_VERSION: 'e.app_version',
      OS_VERSION: 'e.os_version',
      DEVICE_MODEL: 'e.device_model',
    }[name as string];
  const installEvents = `
        SELECT app_id, concat(app_id, ':', source_format, ':', event_id) AS id, app_version, os_version, device_model
        FROM events WHERE ${eventScope} AND event_kind = 'install' AND ${rowRange}`;
  const filters = pushed(plan, columnOf).replaceAll('app_id', 'i.app_id');
  return `
      SELECT ${columnsOf(plan, {
        app: 'i.app_id',
        bucket: bucketOf(plan, 'i.app_id', 'toDateTime(installed)'),
        campaign: 'campaign_',
        dimension: columnOf,
        measures: {
          INSTALLS: "countIf(decided = 'install')",
          ATTRIBUTED_INSTALLS: "countIf(decided = 'install' AND campaign_ != '')",
          ORGANIC_INSTALLS: "countIf(decided = 'install' AND campaign_ = '')",
          REINSTALLS: "countIf(decided = 'reinstall')",
        },
      })}
      FROM (${decisions(`installed_at >= ${timeParam('fromMs')} AND installed_at < ${timeParam('toMs')}`)}) AS i
      ${told ? `LEFT JOIN (${installEvents}) AS e ON e.app_id = i.app_id AND e.id = i.install_id` : ''}
      ${won ? `LEFT JOIN (${winners}) AS w ON w.app_id = i.app_id AND w.event_id = i.touch` : ''}
      WHERE 1 ${filters}
      GROUP BY ${keysOf(plan)}`;
}

function costFacts(plan: ReportPlan): string {
  const days = byZoneDays(plan);
  return `
      SELECT ${columnsOf(plan, {
        app: 'app_id',
        bucket: dayBucketOf(plan, 'day_'),
        campaign: 'campaign_id',
        currency: 'cost_currency',
        day: 'day_',
        measures: { COST: 'sum(cost)' },
      })}
      FROM (
        SELECT app_id, campaign_id, cost_currency, costs_mirror.day AS day_, argMax(cost_amount, version) AS cost
        FROM costs_mirror
        WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)} ${pushed(plan, () => undefined)} AND ${days}
        GROUP BY app_id, campaign_id, cost_currency, day_
      )
      GROUP BY ${keysOf(plan)}`;
}

/** Costs come by the day of the app: the days that begin in the range, which differ by time zone. */
function byZoneDays(plan: ReportPlan): string {
  const within = (index: number) =>
    `costs_mirror.day >= {fromDay${index}:Date} AND costs_mirror.day < {toDay${index}:Date}`;
  const zones = zonesOf(plan);
  if (zones.length === 1) return within(0);
  return `(${zones.map((_, index) => `(app_id IN {zoneApps${index}:Array(String)} AND ${within(index)})`).join(' OR ')})`;
}

/** Conversions with their path cut to the look-back, as the attribution subgraph reads them; shared among the path's touches. */
function conversionFacts(plan: ReportPlan): string {
  // Tuples: campaign, is first, is last, share of one, share of the value (the last takes what division left over).
  const shares = plan.byCampaign
    ? `arrayJoin(if(empty(path), [('', 1, 1, toFloat64(1), value)],
            arrayMap((campaign, place) -> (campaign, place = 1, place = length(path), 1 / length(path),
              if(place = length(path), value - divideDecimal(value, toDecimal128(length(path), 0), 6) * (length(path) - 1),
                toDecimal128(divideDecimal(value, toDecimal128(length(path), 0), 6), 6))),
              path, arrayEnumerate(path))))`
    : `('', 1, 1, toFloat64(1), value)`;
  return `
      SELECT ${columnsOf(plan, {
        bucket: bucketOf(plan, 'app_id', 'toDateTime(converted)'),
        campaign: 'share.1',
        dimension: (name) => (name === 'GOAL' ? 'goal_' : undefined),
        currency: 'unit',
        day: dateOf(plan, 'app_id', 'toDateTime(converted)'),
        measures: {
          CONVERSIONS: 'toFloat64(sum(share.3))',
          CONVERSIONS_FIRST_TOUCH: 'toFloat64(sum(share.2))',
          CONVERSIONS_LINEAR: 'sum(share.4)',
          CONVERSION_VALUE: 'sumIf(value, share.3)',
          CONVERSION_VALUE_FIRST_TOUCH: 'sumIf(value, share.2)',
          CONVERSION_VALUE_LINEAR: 'sum(toDecimal128(share.5, 6))',
        },
      })}
      FROM (
        SELECT app_id, goal_, converted, unit, value, ${shares} AS share
        FROM (
          SELECT app_id, conversion_id, argMax(goal, revision) AS goal_, max(converted_at) AS converted,
            argMax(value_amount, revision) AS value, argMax(value_currency, revision) AS unit,
            arrayFilter((campaign, at) -> campaign != '' AND at >= converted - toIntervalDay({lookbackDays:UInt16}) AND at <= converted,
              argMax(touch_campaign_ids, revision), argMax(touch_at, revision)) AS path
          FROM journeys
          WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)} ${pushed(plan, (name) => (name === 'GOAL' ? 'goal' : undefined))}
            AND converted_at >= ${timeParam('fromMs')} AND converted_at < ${timeParam('toMs')}
          GROUP BY app_id, conversion_id
        )
      )
      GROUP BY ${keysOf(plan)}`;
}

/** Installs with a fraud score; one whose only engagement was refused as injected counts for the campaign that claimed it. */
function fraudFacts(plan: ReportPlan): string {
  const claimant = `if(campaign_ != '', campaign_, JSONExtractString(arrayFirst(
            one -> JSONExtractString(one, 'reason') = 'engagement_injection', JSONExtractArrayRaw(evidence)), 'touchpoint', 'campaignId'))`;
  return `
      SELECT ${columnsOf(plan, {
        app: 'i.app_id',
        bucket: bucketOf(plan, 'i.app_id', 'toDateTime(installed)'),
        campaign: plan.byCampaign ? claimant : "''",
        dimension: (name) => decisionColumns[name],
        measures: {
          SCORED_INSTALLS: 'count()',
          SUSPECT_INSTALLS: 'countIf(p.score >= {suspectFrom:Float64} AND p.score < {fraudFrom:Float64})',
          FRAUD_INSTALLS: 'countIf(p.score >= {fraudFrom:Float64})',
        },
      })}
      FROM (${decisions(`installed_at >= ${timeParam('fromMs')} AND installed_at < ${timeParam('toMs')}`)}) AS i
      INNER JOIN (
        SELECT app_id, subject_id, argMax(value, scored_at) AS score
        FROM predictions
        WHERE tenant_id = {tenantId:String} AND app_id IN {appIds:Array(String)} AND model = {fraudModel:String} AND horizon_days = 0
          AND subject_at >= ${timeParam('fromMs')} AND subject_at < ${timeParam('toMs')}
        GROUP BY app_id, subject_id
      ) AS p ON p.app_id = i.app_id AND p.subject_id = i.install_id
      WHERE 1 ${pushed(plan, (name) => decisionColumns[name]).replaceAll('app_id', 'i.app_id')}
      GROUP BY ${keysOf(plan)}`;
}

/** The rows of one source. */
export function factsOf(plan: ReportPlan, source: ReportSource): string {
  switch (source) {
    case 'activity':
      return plan.byCampaign ? attributedFacts(plan, source) : countedFacts(plan, source);
    case 'people':
      return peopleFacts(plan);
    case 'engagements':
      return countedFacts(plan, source);
    case 'installs':
      return installFacts(plan);
    case 'cost':
      return costFacts(plan);
    case 'conversions':
      return conversionFacts(plan);
    case 'fraud':
      return fraudFacts(plan);
  }
}
