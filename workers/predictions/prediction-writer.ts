import type { ModelIdentity, ModelOutput } from '@tributary/platform/model-runtime';
import type { Warehouse } from '@tributary/platform/warehouse';

/** One scored subject, as it is stored. */
export interface ScoredSubject {
  readonly tenantId: string;
  readonly appId: string;
  readonly installId: string;
  readonly installedAt: number;
  /** Empty for fraud. */
  readonly currency: string;
  /** 0 for fraud. */
  readonly horizonDays: number;
  readonly output: ModelOutput;
}

/**
 * Stores predictions. Written twice they collapse to the latest by (app, model, horizon, install), so every pass may be
 * repeated.
 */
export async function writePredictions(
  warehouse: Warehouse,
  model: ModelIdentity,
  scored: readonly ScoredSubject[],
  at: { readonly scoredAt: number; readonly latencyUs: number },
): Promise<void> {
  if (scored.length === 0) return;
  await warehouse.insertRows({
    name: 'predictions_store',
    table: 'predictions',
    rows: scored.map((one) => ({
      tenant_id: one.tenantId,
      app_id: one.appId,
      model: model.name,
      model_version: model.version,
      subject_id: one.installId,
      subject_at: one.installedAt,
      scored_at: at.scoredAt,
      value: one.output.value,
      currency: one.currency,
      horizon_days: one.horizonDays,
      reasons: one.output.reasons,
      features_hash: one.output.featuresHash,
      latency_us: Math.round(at.latencyUs),
    })),
  });
}
