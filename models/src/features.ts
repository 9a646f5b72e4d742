import { createHash } from 'node:crypto';
import { CodedError } from '@tributary/schema';
import declared from '../features.json' with { type: 'json' };

/** Sets of features: what each kind of model takes, in the order of models/features.json. */
export type FeatureSet = keyof typeof declared.sets;

export type Features = Readonly<Record<string, number | null>>;

/** Feature names of a set, in the trained order. */
export function featureNames(set: FeatureSet): readonly string[] {
  return declared.sets[set].map((feature) => feature.name);
}

/**
 * The values of a set in its order; `null` stays `null`. Throws INTERNAL when the row lacks a feature or holds one that is
 * neither a number nor null: a silent default would be scored as a fact.
 */
export function featureVector(set: FeatureSet, row: Features): readonly (number | null)[] {
  return featureNames(set).map((name) => {
    const value = row[name];
    if (value === null || (typeof value === 'number' && Number.isFinite(value))) return value;
    throw new CodedError('INTERNAL', { cause: new Error(`feature ${set}.${name} is ${String(value)}`) });
  });
}

/** 16 hex digits over names and values in order: equal inputs, equal hash. */
export function featuresHashOf(set: FeatureSet, row: Features): string {
  const vector = featureVector(set, row);
  return createHash('sha256')
    .update(JSON.stringify([declared.version, set, featureNames(set), vector]))
    .digest('hex')
    .slice(0, 16);
}
