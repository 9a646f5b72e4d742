import { newId } from '@tributary/schema';
import { z } from 'zod';
import type { RelationalReader } from '../client.ts';
import { currency } from '../inputs.ts';
import { defineCommand } from './command.ts';
import { refuseField, requireWholeTenant } from './scope.ts';

/** Dated rates of exchange, and what costs given in another currency are worth by them. */

const rateText = z.string().regex(/^\d{1,12}(\.\d{1,12})?$/, { error: 'must be a positive plain decimal text' });

/** A rate counts until a later day has one, but no longer than this. */
export const rateValidDays = 31;

/** Sets rates of days; one given again replaces the first. Costs converted by them are computed anew. */
export const setFxRates = defineCommand({
  operation: 'setFxRates',
  topics: ['mirrors'],
  input: z.object({
    rates: z
      .array(z.object({ day: z.iso.date(), from: currency, to: currency, rate: rateText }))
      .min(1)
      .max(5_000),
  }),
  run: async (scope, { rates }) => {
    requireWholeTenant(scope);
    for (const [place, { from, to, rate }] of rates.entries()) {
      if (from === to) refuseField(`rates.${place}.to`, 'is the same currency');
      if (/^0+(\.0+)?$/.test(rate)) refuseField(`rates.${place}.rate`, 'must be above 0');
    }
    // One statement can't set the same row twice: the last one given counts.
    const rows = [...new Map(rates.map((row) => [`${row.day} ${row.from} ${row.to}`, row])).values()];
    await scope.tx.$executeRaw`
      INSERT INTO "FxRate" ("id", "tenantId", "day", "from", "to", "rate")
      SELECT given.id, ${scope.tenantId}, given.day::date, given.source, given.target, given.rate::numeric
      FROM unnest(${rows.map(() => newId('cost'))}::text[], ${rows.map((row) => row.day)}::text[],
        ${rows.map((row) => row.from)}::text[], ${rows.map((row) => row.to)}::text[], ${rows.map((row) => row.rate)}::text[])
        AS given (id, day, source, target, rate)
      ON CONFLICT ("tenantId", "from", "to", "day") DO UPDATE SET "rate" = EXCLUDED."rate"`;
    const converted = await convertAnew(scope.tx, scope.tenantId, rows);
    const pairs = [...new Set(rows.map((row) => `${row.from}/${row.to}`))].sort();
    const days = rows.map((row) => row.day).sort();
    const facts = { pairs, firstDay: days[0], lastDay: days.at(-1), rates: rows.length, costsConverted: converted };
    return {
      result: { rates: rows.length, costsConverted: converted },
      audit: [{ action: 'fx_rates.set', subjectId: pairs.join(' ').slice(0, 200), facts }],
    };
  },
});

/** Costs of the pairs and days that changed, by the rates as they are now. Rows without a rate keep what they have. */
async function convertAnew(
  tx: RelationalReader,
  tenantId: string,
  rates: readonly { readonly day: string; readonly from: string; readonly to: string }[],
): Promise<number> {
  const from = rates.flatMap((row) => [row.from, row.to]);
  const to = rates.flatMap((row) => [row.to, row.from]);
  const days = rates.flatMap((row) => [row.day, row.day]);
  return tx.$executeRaw`
    UPDATE "CostRow" AS cost SET "amount" = round(cost."sourceAmount" * known.rate, 6), "updatedAt" = now()
    FROM (
      SELECT touched."id", (
        SELECT CASE WHEN fx."from" = touched."sourceCurrency" THEN fx."rate" ELSE 1 / fx."rate" END
        FROM "FxRate" AS fx
        WHERE fx."tenantId" = ${tenantId} AND fx."day" <= touched."day" AND fx."day" > touched."day" - ${rateValidDays}::int
          AND ((fx."from" = touched."sourceCurrency" AND fx."to" = touched."currency")
            OR (fx."to" = touched."sourceCurrency" AND fx."from" = touched."currency"))
        ORDER BY fx."day" DESC, fx."from" = touched."sourceCurrency" DESC LIMIT 1
      ) AS rate
      FROM "CostRow" AS touched
      WHERE touched."tenantId" = ${tenantId} AND touched."sourceCurrency" IS NOT NULL AND EXISTS (
        SELECT 1 FROM unnest(${from}::text[], ${to}::text[], ${days}::text[]) AS given (source, target, day)
        WHERE given.source = touched."sourceCurrency" AND given.target = touched."currency"
          AND touched."day" >= given.day::date AND touched."day" < given.day::date + ${rateValidDays}::int)
    ) AS known
    WHERE cost."tenantId" = ${tenantId} AND cost."id" = known."id" AND known.rate IS NOT NULL
      AND cost."amount" <> round(cost."sourceAmount" * known.rate, 6)`;
}

export interface ConversionQuestion {
  readonly from: string;
  readonly to: string;
  readonly day: string;
  readonly amount: string;
}

/**
 * What the amounts are worth on their days, by the latest rate on or before the day (the pair's own, else the inverse of the
 * other way round), rounded to 6 decimals; null where there is no rate of the last 31 days.
 */
export async function convertAmounts(
  tx: RelationalReader,
  tenantId: string,
  questions: readonly ConversionQuestion[],
): Promise<readonly (string | null)[]> {
  if (questions.length === 0) return [];
  const rows = await tx.$queryRaw<{ place: number; amount: string | null }[]>`
    SELECT asked.place, (
      SELECT round(asked.amount::numeric * CASE WHEN fx."from" = asked.source THEN fx."rate" ELSE 1 / fx."rate" END, 6)::text
      FROM "FxRate" AS fx
      WHERE fx."tenantId" = ${tenantId} AND fx."day" <= asked.day::date AND fx."day" > asked.day::date - ${rateValidDays}::int
        AND ((fx."from" = asked.source AND fx."to" = asked.target) OR (fx."to" = asked.source AND fx."from" = asked.target))
      ORDER BY fx."day" DESC, fx."from" = asked.source DESC LIMIT 1
    ) AS amount
    FROM unnest(${questions.map((_, place) => place)}::int[], ${questions.map((one) => one.from)}::text[],
      ${questions.map((one) => one.to)}::text[], ${questions.map((one) => one.day)}::text[],
      ${questions.map((one) => one.amount)}::text[]) AS asked (place, source, target, day, amount)`;
  const found = new Map(rows.map(({ place, amount }) => [place, amount]));
  return questions.map((_, place) => found.get(place) ?? null);
}
