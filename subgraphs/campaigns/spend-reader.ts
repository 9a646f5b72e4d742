import type { Relational } from '@tributary/prisma/client';
import { trimDecimal } from '@tributary/schema';
import type { DayBounds } from '../src/days.ts';
import type { Reach } from './catalogue-reader.ts';

export interface SpendQuestion {
  readonly campaignId: string;
  readonly days: DayBounds;
  /** Costs in another currency are not in the sum. */
  readonly currency: string;
}

/**
 * Sums of cost, one statement for all questions, added up by the store as decimals. Answers in the order of the
 * questions, `"0"` where there is no cost or the campaign is out of the reader's reach.
 */
export function createSpendReader({ client }: Pick<Relational, 'client'>) {
  return async (
    { tenantId, appIds, partnerId }: Reach,
    questions: readonly SpendQuestion[],
  ): Promise<readonly string[]> => {
    // Grain: question. Reads the unique index (tenantId, campaignId, day, currency), one range of it per question.
    const rows = await client.$queryRaw<{ place: number; amount: string }[]>`
      SELECT asked.place, sum(cost."amount")::text AS amount
      FROM unnest(${questions.map((_, place) => place)}::int[], ${questions.map((one) => one.campaignId)}::text[],
        ${questions.map((one) => one.days.from)}::text[], ${questions.map((one) => one.days.to)}::text[],
        ${questions.map((one) => one.currency)}::text[]) AS asked (place, campaign_id, from_day, to_day, currency)
      JOIN "CostRow" AS cost ON cost."tenantId" = ${tenantId} AND cost."campaignId" = asked.campaign_id
        AND cost."day" >= asked.from_day::date AND cost."day" < asked.to_day::date AND cost."currency" = asked.currency
      WHERE (${appIds === null}::boolean OR cost."appId" = ANY (${[...(appIds ?? [])]}::text[]))
        AND (${partnerId}::text IS NULL OR EXISTS (
          SELECT 1 FROM "Campaign" AS owner
          WHERE owner."tenantId" = ${tenantId} AND owner."id" = cost."campaignId" AND owner."partnerId" = ${partnerId}))
      GROUP BY asked.place`;
    const sums = new Map(rows.map(({ place, amount }) => [place, trimDecimal(amount)]));
    return questions.map((_, place) => sums.get(place) ?? '0');
  };
}

export type SpendReader = ReturnType<typeof createSpendReader>;
