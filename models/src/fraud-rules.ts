import type { Features } from './features.ts';

/** Reasons of shared meaning with attribution's fraud reasons. */
export type FraudReason =
  | 'engagement_injection'
  | 'distribution_outlier'
  | 'malformed_advertising_id'
  | 'anonymous_traffic'
  | 'too_many_engagements'
  | 'bot';

interface FraudRule {
  readonly reason: FraudReason;
  /** How much of the remaining doubt the rule takes away when it holds, 0…1. */
  readonly weight: number;
  readonly holds: (row: Features) => boolean;
}

const above = (value: number | null | undefined, limit: number) => value != null && value >= limit;
const within = (value: number | null | undefined, from: number, to: number) =>
  value != null && value >= from && value < to;

/** A click can't lead to an install in less: the store page alone takes longer. */
export const injectionCtitSeconds = 2;
/** Injected installs that stay just above it pile up below this: real logs show a glut at 3–10 s. */
export const suspiciousCtitSeconds = 10;
/** Touchpoints of one device before one install. */
export const manyEngagements = 20;
/** Installs of one device model from one site within an hour. */
export const burstInstalls = 10;

/**
 * The rules of `fraud-rules@1`. Weights are set by hand, not trained: one certain sign is FRAUD (≥ 0.8) alone; a strong
 * sign is SUSPECT (≥ 0.5) alone; weak ones need company.
 */
export const fraudRules: readonly FraudRule[] = [
  {
    reason: 'engagement_injection',
    weight: 0.95,
    holds: (row) =>
      above(row['injected_candidates'], 1) ||
      above(row['clicks_after_install_begin'], 1) ||
      within(row['closest_click_ctit_seconds'], 0, injectionCtitSeconds),
  },
  { reason: 'bot', weight: 0.9, holds: (row) => row['flagged_bot'] === 1 },
  {
    reason: 'distribution_outlier',
    weight: 0.55,
    holds: (row) =>
      within(row['closest_click_ctit_seconds'], injectionCtitSeconds, suspiciousCtitSeconds) ||
      above(row['site_model_installs_hour'], burstInstalls),
  },
  { reason: 'malformed_advertising_id', weight: 0.5, holds: (row) => row['malformed_device_id'] === 1 },
  { reason: 'too_many_engagements', weight: 0.4, holds: (row) => above(row['candidate_count'], manyEngagements) },
  // Privacy settings take ids away from honest people too, so alone it is no suspicion.
  { reason: 'anonymous_traffic', weight: 0.25, holds: (row) => row['mobile'] === 1 && row['has_device_id'] === 0 },
];

/** Noisy-or of the rules that hold: 1 − Π(1 − weight). 0…1; reasons strongest first. */
export function scoreFraud(row: Features): { readonly value: number; readonly reasons: readonly FraudReason[] } {
  const held = fraudRules.filter((rule) => rule.holds(row));
  const doubt = held.reduce((left, rule) => left * (1 - rule.weight), 1);
  return {
    value: Math.round((1 - doubt) * 1e6) / 1e6,
    reasons: held.toSorted((a, b) => b.weight - a.weight).map((rule) => rule.reason),
  };
}
