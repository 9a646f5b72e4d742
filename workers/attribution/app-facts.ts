import { type AttributionWindows, type DirectoryGoal, type DirectorySnapshot, defaultWindows } from '@tributary/schema';

/** What deciding needs to know of one app. */
export interface AppFacts {
  readonly tenantId: string;
  readonly appId: string;
  readonly windows: AttributionWindows;
  /** Ids of the app's campaigns. */
  readonly knownCampaigns: ReadonlySet<string>;
  /** Every app has the goal of being installed, under the id `install` where its owner named none. */
  readonly goals: readonly AppGoal[];
}

export type AppGoal = Pick<DirectoryGoal, 'goalId' | 'eventKind' | 'eventName'>;

export const installGoal: AppGoal = { goalId: 'install', eventKind: 'install', eventName: null };

/** The app as its tenant set it up; null when the directory has no such app of that tenant. */
export function appFactsOf(directory: DirectorySnapshot, tenantId: string, appId: string): AppFacts | null {
  const app = directory.apps.find((one) => one.appId === appId && one.tenantId === tenantId);
  if (!app) return null;
  const own = <T extends { readonly tenantId: string; readonly appId: string }>(all: readonly T[]) =>
    all.filter((one) => one.appId === appId && one.tenantId === tenantId);
  const goals = own(directory.goals);
  const namesInstalls = goals.some((goal) => goal.eventKind === 'install' && goal.eventName === null);
  return {
    tenantId,
    appId,
    windows: {
      ...defaultWindows,
      clickLookbackHours: app.clickLookbackHours,
      viewLookbackHours: app.viewLookbackHours,
      reinstallDays: app.reinstallDays,
    },
    knownCampaigns: new Set(own(directory.campaigns).map((one) => one.campaignId)),
    goals: namesInstalls ? goals : [...goals, installGoal],
  };
}
