import type { ArpuCurve } from '@tributary/models';
import type { FeatureRow } from '@tributary/platform/model-runtime';
import type { LtvSubject } from './ltv-reader.ts';

const dayMs = 86_400_000;

/** The LTV features (models/features.json) of one install for one horizon. */
export function ltvFeaturesOf(subject: LtvSubject, curve: ArpuCurve, horizonDays: number, nowMs: number): FeatureRow {
  const ageDays = Math.max(0, (nowMs - subject.installedAt) / dayMs);
  const paid = subject.payments.filter(([day]) => day < horizonDays).reduce((sum, [, amount]) => sum + amount, 0);
  return {
    age_days: ageDays,
    horizon_days: horizonDays,
    revenue_to_date: paid,
    curve_at_age: curve(Math.min(ageDays, horizonDays)),
    curve_at_horizon: curve(horizonDays),
  };
}
