import { type AttributionModel, type Credit, type Touchpoint, trimDecimal } from '@tributary/schema';

/**
 * Credits of one conversion by campaign, in the order in which campaigns first appear. They sum to 1 (to the rounding of
 * a double); touchpoints without a campaign take no part; without any touchpoint the answer is empty: unattributed.
 *
 * The order of the input is irrelevant: touchpoints are taken by time, then id.
 */
export function assignCredit(model: AttributionModel, touchpoints: readonly Touchpoint[]): Credit[] {
  const path = touchpoints
    .filter((one) => one.campaignId !== null)
    .sort((a, b) => a.occurredAt - b.occurredAt || (a.touchpointId < b.touchpointId ? -1 : 1))
    .map((one) => one.campaignId as string);
  return [...sharesOf(model, path)].map(([campaignId, { part, of }]) => ({ campaignId, credit: part / of }));
}

/** Conversions that went the same way: the campaigns touched, oldest first, repeats kept. Empty = unattributed. */
export interface ConversionPath {
  readonly campaignIds: readonly string[];
  readonly conversions: number;
  /** Decimal text: what these conversions are worth together. */
  readonly value: string;
}

export interface PathCredit {
  readonly conversions: number;
  /** Decimal text with up to 6 decimals, rounded half away from zero. */
  readonly value: string;
}

export interface PathCredits {
  readonly byCampaign: ReadonlyMap<string, PathCredit>;
  readonly unattributed: PathCredit;
}

/**
 * Credits over aggregated paths: what a campaign table needs, from far fewer rows than conversions. Attributed value is
 * credit × value, reckoned in whole 10⁻¹² of the currency, so that sums lose nothing to floats.
 */
export function creditPaths(paths: readonly ConversionPath[], model: AttributionModel): PathCredits {
  const sums = new Map<string, { conversions: number; value: bigint }>();
  const unattributed = { conversions: 0, value: 0n };
  for (const path of paths) {
    const value = parseFine(path.value);
    const shares = sharesOf(model, path.campaignIds);
    if (shares.size === 0) {
      unattributed.conversions += path.conversions;
      unattributed.value += value;
      continue;
    }
    let left = value;
    let remaining = shares.size;
    for (const [campaignId, { part, of }] of shares) {
      remaining -= 1;
      // The last takes what division left over, so that the parts add up to the whole.
      const given = remaining === 0 ? left : (value * BigInt(part)) / BigInt(of);
      left -= given;
      const sum = sums.get(campaignId) ?? { conversions: 0, value: 0n };
      sum.conversions += (path.conversions * part) / of;
      sum.value += given;
      sums.set(campaignId, sum);
    }
  }
  const shown = (sum: { conversions: number; value: bigint }): PathCredit => ({
    conversions: sum.conversions,
    value: formatFine(sum.value),
  });
  return {
    byCampaign: new Map([...sums].map(([campaignId, sum]) => [campaignId, shown(sum)])),
    unattributed: shown(unattributed),
  };
}

/** A share as a fraction of whole numbers. */
interface Share {
  readonly part: number;
  readonly of: number;
}

function sharesOf(model: AttributionModel, path: readonly string[]): Map<string, Share> {
  const first = path[0];
  const last = path.at(-1);
  if (first === undefined || last === undefined) return new Map();
  switch (model.kind) {
    case 'first_touch':
      return new Map([[first, { part: 1, of: 1 }]]);
    case 'last_touch':
      return new Map([[last, { part: 1, of: 1 }]]);
    case 'linear': {
      const shares = new Map<string, Share>();
      for (const id of path) shares.set(id, { part: (shares.get(id)?.part ?? 0) + 1, of: path.length });
      return shares;
    }
  }
}

const fineDigits = 12;
const shownDigits = 6;

function parseFine(decimal: string): bigint {
  const negative = decimal.startsWith('-');
  const [whole = '0', fraction = ''] = decimal.replace('-', '').split('.');
  const fine = BigInt(whole + fraction.slice(0, fineDigits).padEnd(fineDigits, '0'));
  return negative ? -fine : fine;
}

function formatFine(fine: bigint): string {
  const scale = 10n ** BigInt(fineDigits - shownDigits);
  const size = fine < 0n ? -fine : fine;
  const digits = ((size + scale / 2n) / scale).toString().padStart(shownDigits + 1, '0');
  return trimDecimal(`${fine < 0n ? '-' : ''}${digits.slice(0, -shownDigits)}.${digits.slice(-shownDigits)}`);
}
