export const platforms = ['ios', 'android', 'web', 'cross_platform'] as const;

/** What `cli init` was told. */
export interface InitGiven {
  readonly tenant: string;
  readonly email: string;
  readonly app: string;
  readonly platform: (typeof platforms)[number];
  readonly currency: string;
  readonly timezone: string;
}
