/** What one API key may ask: bounds on a single query and the bucket of cost points that it draws from. */
export interface RatePlan {
  /** Points that a full bucket holds. */
  readonly maximumAvailable: number;
  /** Points a second. */
  readonly restoreRate: number;
  /** Points one operation may request. */
  readonly maximumCost: number;
  /** Longest time range of one query, in days. */
  readonly rangeDays: number;
  /** How far back a query may begin, in days. */
  readonly lookBackDays: number;
  /** Rows of one report page. */
  readonly pageRows: number;
  /** Metrics × dimensions of one report. */
  readonly reportFields: number;
  /** Points of one time series. */
  readonly seriesPoints: number;
  /** Open subscriptions of one key. */
  readonly subscriptions: number;
}

export const ratePlans = {
  standard: {
    maximumAvailable: 10_000,
    restoreRate: 500,
    maximumCost: 5_000,
    rangeDays: 400,
    lookBackDays: 1_100,
    pageRows: 1_000,
    reportFields: 24,
    seriesPoints: 3_000,
    subscriptions: 200,
  },
  large: {
    maximumAvailable: 100_000,
    restoreRate: 5_000,
    maximumCost: 20_000,
    rangeDays: 800,
    lookBackDays: 2_200,
    pageRows: 10_000,
    reportFields: 40,
    seriesPoints: 10_000,
    subscriptions: 20_000,
  },
} as const satisfies Record<string, RatePlan>;

export type RatePlanName = keyof typeof ratePlans;

/** The plan of that name; the standard one for a name that is unknown or absent. */
export function ratePlanOf(name: string | undefined): RatePlan {
  return name !== undefined && Object.hasOwn(ratePlans, name) ? ratePlans[name as RatePlanName] : ratePlans.standard;
}

/** Where the Cache port holds an API key's bucket of cost points. A take of cost 0 reads it. */
export function costBucketKey(tenantId: string, keyId: string): string {
  return `${tenantId}:cost:${keyId}`;
}

/** The bucket of an API key: its own rate where it has one, else its plan's. */
export function costBucketOf(key: {
  readonly rate?: { readonly perSecond: number; readonly burst: number } | undefined;
  readonly ratePlan?: string | undefined;
}): { readonly capacity: number; readonly refillPerSecond: number } {
  const plan = ratePlanOf(key.ratePlan);
  return {
    capacity: key.rate?.burst ?? plan.maximumAvailable,
    refillPerSecond: key.rate?.perSecond ?? plan.restoreRate,
  };
}
