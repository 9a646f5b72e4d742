import { timeParam } from '@tributary/platform/warehouse';
import { z } from 'zod';

/** Kinds that move money. Revenue = purchase + ad_revenue − refund. */
export const revenueKindNames: ReadonlySet<string> = new Set(['purchase', 'ad_revenue', 'refund']);
export const revenueKinds = `('purchase', 'ad_revenue', 'refund')`;

/** Revenue of aggregated rows that hold `event_kind` and a summed `amount`, as a signed Decimal. */
export const signedAmount = `multiIf(event_kind IN ('purchase', 'ad_revenue'), amount, event_kind = 'refund', -amount, toDecimal128(0, 6))`;

/** Kinds that are ad engagements, made before there is a person in the app. */
export const engagementKinds = `('click', 'impression')`;

export const minuteMs = 60_000;
export const quarterMs = 900_000;
export const halfHourMs = 1_800_000;

/** Parameters of `sliceRange`. */
export const sliceParams = {
  headFrom: z.number(),
  headTo: z.number(),
  innerFrom: z.number(),
  innerTo: z.number(),
  tailFrom: z.number(),
  tailTo: z.number(),
};

/** Conditions of the rows at both ends of a range that the projection's grain doesn't cover. */
export const edgeRows = `((occurred_at >= ${timeParam('headFrom')} AND occurred_at < ${timeParam('headTo')})
    OR (occurred_at >= ${timeParam('tailFrom')} AND occurred_at < ${timeParam('tailTo')}))`;

/** Conditions of whole grains; only the projection's own expression lets the engine read the projection. */
export const wholeGrains = (expression: string) =>
  `${expression} >= toDateTime(intDiv({innerFrom:Int64}, 1000), 'UTC') AND ${expression} < toDateTime(intDiv({innerTo:Int64}, 1000), 'UTC')`;

export const quarter = 'toStartOfFifteenMinutes(occurred_at)';
export const minute = 'toStartOfMinute(occurred_at)';
export const halfHour = 'toStartOfInterval(occurred_at, toIntervalMinute(30))';

/**
 * The wall between partners, in SQL: with `partnerId` set, only rows whose campaign is that partner's; with '' all rows.
 * Every query of the subgraphs that a partner may cause holds it. `column` is a campaign id; by_minute and by_quarter have it.
 */
export const partnerWall = (column = 'campaign_id') => `({partnerId:String} = '' OR ${column} IN ${partnerCampaigns})`;

/** Campaigns of the partner, by the mirror's latest version of each. */
export const partnerCampaigns = `(
      SELECT campaign_id FROM campaigns_mirror WHERE tenant_id = {tenantId:String}
      GROUP BY campaign_id HAVING argMax(partner_id, version) = {partnerId:String} AND {partnerId:String} != ''
    )`;

/** Parameter of `partnerWall`. */
export const partnerParam = { partnerId: z.string() };
