import type { FeatureRow, ModelIdentity, ModelOutput, ModelRuntime } from '@tributary/platform/model-runtime';
import { CodedError } from '@tributary/schema';
import { type FeatureSet, featuresHashOf } from './features.ts';
import { scoreFraud } from './fraud-rules.ts';
import { scoreLtv } from './ltv-rules.ts';

export const fraudModel: ModelIdentity = { name: 'fraud-rules', version: '1', provider: 'rules' };
export const ltvModel: ModelIdentity = { name: 'ltv-rules', version: '1', provider: 'rules' };

/** Horizons that are kept per install, days. */
export const ltvHorizons = [30, 90, 180] as const;

interface RuleModel {
  readonly identity: ModelIdentity;
  readonly set: FeatureSet;
  readonly score: (row: FeatureRow) => Omit<ModelOutput, 'featuresHash'>;
}

const ruleModels: readonly RuleModel[] = [
  { identity: fraudModel, set: 'fraud', score: scoreFraud },
  { identity: ltvModel, set: 'ltv', score: scoreLtv },
];

/**
 * The models that are plain rules. Trained models join by another adapter of the same port, which reads
 * models/artifacts; nothing here stands in for them.
 */
export function createRulesRuntime(): ModelRuntime {
  return {
    models: () => ruleModels.map((model) => model.identity),
    async score(name, rows) {
      const model = ruleModels.find((candidate) => candidate.identity.name === name);
      if (!model) throw new CodedError('INTERNAL', { cause: new Error(`no model ${name} in the rules runtime`) });
      return rows.map((row) => ({ featuresHash: featuresHashOf(model.set, row), ...model.score(row) }));
    },
    dispose: async () => undefined,
  };
}
