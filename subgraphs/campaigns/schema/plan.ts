import { limits, type RatePlan, ratePlanOf } from '@tributary/schema';
import type { SubgraphContext, SubgraphKit } from '../../src/kit.ts';
import type { SchemaDeps } from './types.ts';

interface PlanOfKey {
  readonly name: string;
  readonly plan: RatePlan;
}

interface BucketState {
  readonly maximumAvailable: number;
  readonly currentlyAvailable: number;
  readonly restoreRate: number;
}

/** The caller's key as the directory has it; a key that isn't there has the standard plan. */
function planOf({ directory }: SchemaDeps, { caller }: SubgraphContext): PlanOfKey & { readonly bucket: Bucket } {
  const key = directory.current().keys.find((one) => one.keyId === caller.keyId && one.tenantId === caller.tenantId);
  const plan = ratePlanOf(key?.ratePlan);
  const rate = key?.rate;
  return {
    name: key?.ratePlan ?? 'standard',
    plan,
    bucket: { capacity: rate?.burst ?? plan.maximumAvailable, refillPerSecond: rate?.perSecond ?? plan.restoreRate },
  };
}

interface Bucket {
  readonly capacity: number;
  readonly refillPerSecond: number;
}

/** `Query.settings` and `Query.rateLimit`: need no scope, since they say nothing but what the asking key may do. */
export function addPlan({ builder }: SubgraphKit, deps: SchemaDeps): void {
  const Settings = builder.objectRef<PlanOfKey>('PlanSettings').implement({
    description: 'Bounds of this key’s queries.',
    fields: (t) => ({
      ratePlan: t.exposeString('name', { description: 'Name of the plan.' }),
      maximumCost: t.int({
        description: 'Points that one operation may cost.',
        resolve: ({ plan }) => plan.maximumCost,
      }),
      rangeDays: t.int({
        description: 'Longest time range of one query, in days.',
        resolve: ({ plan }) => plan.rangeDays,
      }),
      lookBackDays: t.int({
        description: 'How far back a range may begin, in days.',
        resolve: ({ plan }) => plan.lookBackDays,
      }),
      pageRows: t.int({ description: 'Rows of one report page.', resolve: ({ plan }) => plan.pageRows }),
      reportFields: t.int({
        description: 'Metrics and dimensions of one report, together.',
        resolve: ({ plan }) => plan.reportFields,
      }),
      seriesPoints: t.int({ description: 'Points of one time series.', resolve: ({ plan }) => plan.seriesPoints }),
      subscriptions: t.int({
        description: 'Open subscriptions of one key.',
        resolve: ({ plan }) => plan.subscriptions,
      }),
      depth: t.int({ description: 'Levels of one operation.', resolve: () => limits.graphqlDepth }),
      aliases: t.int({ description: 'Aliases of one operation.', resolve: () => limits.graphqlAliases }),
      tokens: t.int({ description: 'Tokens of one document.', resolve: () => limits.graphqlTokens }),
      bodyBytes: t.int({ description: 'Bytes of one request.', resolve: () => limits.graphqlBodyBytes }),
    }),
  });
  const RateLimit = builder.objectRef<BucketState>('RateLimit').implement({
    description: 'The bucket of cost points that this key draws from; looking costs nothing.',
    fields: (t) => ({
      maximumAvailable: t.exposeFloat('maximumAvailable', { description: 'Points of a full bucket.' }),
      currentlyAvailable: t.exposeFloat('currentlyAvailable', { description: 'Points in it now.' }),
      restoreRate: t.exposeFloat('restoreRate', { description: 'Points that come back a second.' }),
    }),
  });
  builder.queryFields((t) => ({
    settings: t.field({
      type: Settings,
      description: 'What this key may ask: time range, look-back, cardinality.',
      resolve: (_root, _args, context) => planOf(deps, context),
    }),
    rateLimit: t.field({
      type: RateLimit,
      description: 'How many cost points this key has left.',
      resolve: async (_root, _args, context) => {
        const { tenantId, keyId } = context.caller;
        const { bucket } = planOf(deps, context);
        // The gateway takes from the bucket of the same key.
        const { available } = await deps.cache.takeTokens(`${tenantId}:cost:${keyId}`, { ...bucket, cost: 0 });
        return {
          maximumAvailable: bucket.capacity,
          currentlyAvailable: available,
          restoreRate: bucket.refillPerSecond,
        };
      },
    }),
  }));
}
