import type { Features } from './features.ts';

/**
 * `ltv-rules@1`: what an install is expected to bring within `horizon_days` of its install.
 *
 *     value = revenue_to_date + m · (C(horizon) − C(age))
 *     m     = (1 − w) + w · revenue_to_date / C(age),   w = age / (age + 14),   0 ≤ m ≤ 20
 *
 * C is the app's curve of cumulative revenue per install by age. A new install is expected to be average (w = 0); the
 * longer it is observed the more its own spending relative to the curve counts. Over installs of one age m averages 1, so
 * a cohort's total equals the curve's, save for the cap, which keeps one early large purchase from being projected
 * without bound. Without a curve (new app) the value is what was observed.
 */
export const halfTrustDays = 14;
export const maxMultiplier = 20;

export type LtvReason = 'observed_revenue' | 'app_curve' | 'no_curve' | 'multiplier_capped' | 'horizon_reached';

export function scoreLtv(row: Features): { readonly value: number; readonly reasons: readonly LtvReason[] } {
  const observed = row['revenue_to_date'] ?? 0;
  const age = Math.max(0, row['age_days'] ?? 0);
  const horizon = row['horizon_days'] ?? 0;
  const reasons: LtvReason[] = observed !== 0 ? ['observed_revenue'] : [];
  if (age >= horizon) return { value: round(observed), reasons: [...reasons, 'horizon_reached'] };
  const atAge = row['curve_at_age'] ?? 0;
  const remaining = Math.max(0, (row['curve_at_horizon'] ?? 0) - atAge);
  if (remaining === 0) return { value: round(observed), reasons: [...reasons, 'no_curve'] };
  const trust = atAge > 0 ? age / (age + halfTrustDays) : 0;
  const raw = 1 - trust + (trust > 0 ? (trust * observed) / atAge : 0);
  const multiplier = Math.min(maxMultiplier, Math.max(0, raw));
  if (raw > maxMultiplier) reasons.push('multiplier_capped');
  return { value: round(observed + multiplier * remaining), reasons: [...reasons, 'app_curve'] };
}

/** Amounts have six decimals in the warehouse. */
function round(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
