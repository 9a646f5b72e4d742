/** One subject's features by name (models/features.json says which a model takes); `null` = not known. */
export type FeatureRow = Readonly<Record<string, number | null>>;

export interface ModelIdentity {
  readonly name: string;
  readonly version: string;
  /** What runs it, as reported by readiness and metrics. */
  readonly provider: 'rules' | 'cpu' | 'cuda' | 'remote';
}

export interface ModelOutput {
  /** fraud: 0…1. LTV: an amount in the app's currency. */
  readonly value: number;
  /** Names of what spoke for the value, strongest first; empty when nothing did. */
  readonly reasons: readonly string[];
  /** Of the feature names and values that were seen, so that a prediction can be traced to its inputs. */
  readonly featuresHash: string;
}

/**
 * Where models run. Callers name a model and give rows; where and how it runs is the adapter's matter.
 *
 * - `score` answers in the order of the rows, one output each; rows don't influence each other.
 * - Throws INTERNAL for a model that this runtime does not serve, or a row that lacks one of the model's features
 *   (a feature that isn't known is given as `null`).
 * - Disposal: waits for what runs; idempotent.
 */
export interface ModelRuntime {
  models(): readonly ModelIdentity[];
  score(model: string, rows: readonly FeatureRow[]): Promise<readonly ModelOutput[]>;
  dispose(): Promise<void>;
}
