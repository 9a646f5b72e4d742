import type { CampaignFigures, ModelName } from './queries.ts';

export type SortKey =
  | 'name'
  | 'spend'
  | 'installs'
  | 'live'
  | 'revenue'
  | 'roas'
  | 'first'
  | 'last'
  | 'linear'
  | 'ltv'
  | 'fraud';

const models: Record<'first' | 'last' | 'linear', ModelName> = {
  first: 'FIRST_TOUCH',
  last: 'LAST_TOUCH',
  linear: 'LINEAR',
};

export const creditOf = (campaign: CampaignFigures, key: 'first' | 'last' | 'linear'): number =>
  campaign.credit.find((share) => share.model === models[key])?.conversions ?? 0;

/** What a column sorts by; null (unknown) always comes last. */
export function sortValue(
  campaign: CampaignFigures,
  key: SortKey,
  live: ReadonlyMap<string, number>,
): number | string | null {
  switch (key) {
    case 'name':
      return campaign.name.toLowerCase();
    case 'spend':
      return Number(campaign.spend.amount);
    case 'installs':
      return campaign.installs;
    case 'live':
      return live.get(campaign.id) ?? 0;
    case 'revenue':
      return Number(campaign.revenue.amount);
    case 'roas':
      return campaign.roas;
    case 'ltv':
      return campaign.predictedLtv.perInstall ? Number(campaign.predictedLtv.perInstall.amount) : null;
    case 'fraud':
      return campaign.fraud.rate;
    default:
      return creditOf(campaign, key);
  }
}

export function sortCampaigns(
  campaigns: readonly CampaignFigures[],
  key: SortKey,
  descending: boolean,
  live: ReadonlyMap<string, number>,
): CampaignFigures[] {
  const sign = descending ? -1 : 1;
  return [...campaigns].sort((a, b) => {
    const [left, right] = [sortValue(a, key, live), sortValue(b, key, live)];
    if (left === null || right === null) return left === right ? 0 : left === null ? 1 : -1;
    return left < right ? -sign : left > right ? sign : a.id.localeCompare(b.id);
  });
}
