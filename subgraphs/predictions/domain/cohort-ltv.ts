import { type Money, trimDecimal } from '@tributary/schema';

/** Sums of the installs of a cohort, as the warehouse counts them. */
export interface CohortSums {
  readonly installs: number;
  /** Installs with a prediction of the horizon. */
  readonly scored: number;
  /** Sum of predictions, decimal text. */
  readonly total: string;
  readonly model: string | null;
  readonly modelVersion: string | null;
}

export const emptyCohort: CohortSums = { installs: 0, scored: 0, total: '0', model: null, modelVersion: null };

/** Money of a decimal text; six decimals at most. */
export function moneyOf(amount: string, currency: string): Money {
  return { amount: trimDecimal(amount), currency };
}

/** Mean prediction per scored install, rounded to six decimals; null when none is scored. */
export function perInstallOf(sums: CohortSums): string | null {
  return sums.scored === 0 ? null : trimDecimal((Number(sums.total) / sums.scored).toFixed(6));
}
