/** What the attribution folders (domain, worker, subgraph, console) agree on. Times are UTC epoch milliseconds. */

export type TouchpointKind = 'click' | 'impression';

/** A click or impression that may be eligible for credit. */
export interface Touchpoint {
  /** Event id of the click or impression event. */
  readonly touchpointId: string;
  readonly kind: TouchpointKind;
  readonly occurredAt: number;
  readonly receivedAt: number;
  readonly campaignId: string | null;
  readonly network: string | null;
  readonly linkId: string | null;
  readonly clickId: string | null;
  readonly siteId: string | null;
  /** Flagged by the collector as a crawler's, a preview's or a HEAD request. */
  readonly isBot: boolean;
}

/** How a touchpoint was tied to an install; in the waterfall's order of strength. */
export type MatchKey = 'install_referrer' | 'click_id' | 'device_id';

/** The rule (step of the waterfall) that decided. */
export type AttributionRule =
  | 'click_install_referrer'
  | 'click_click_id'
  | 'click_device_id'
  | 'impression_click_id'
  | 'impression_device_id'
  | 'organic';

/** Why a candidate won or lost. */
export type CandidateReason =
  | 'won'
  | 'older_than_winner'
  | 'weaker_match_than_winner'
  | 'impression_beaten_by_click'
  | 'outside_lookback_window'
  | 'after_install'
  | 'engagement_injection'
  | 'campaign_unknown'
  | 'bot';

/** One touchpoint seen while deciding, and what became of it. */
export interface Candidate {
  readonly touchpoint: Touchpoint;
  readonly matchKey: MatchKey;
  readonly eligible: boolean;
  readonly reason: CandidateReason;
  /** Seconds from the touchpoint to the install; negative when it came after. */
  readonly ctitSeconds: number;
  /** The lookback window applied to it, in hours. */
  readonly windowHours: number;
}

export type InstallVerdict = 'install' | 'reinstall';

/** The decision about one install with all its evidence. One revision is active per install: the highest. */
export interface InstallAttribution {
  readonly tenantId: string;
  readonly appId: string;
  readonly installId: string;
  readonly deviceKey: string;
  readonly installedAt: number;
  readonly verdict: InstallVerdict;
  /** 1 for the first decision; +1 whenever the outcome changes. */
  readonly revision: number;
  readonly decidedAt: number;
  /** Why this revision exists. */
  readonly trigger: 'install' | 'late_touchpoint' | 'rebuild';
  readonly rule: AttributionRule;
  readonly campaignId: string | null;
  readonly network: string | null;
  readonly touchpointId: string | null;
  readonly ctitSeconds: number | null;
  readonly candidates: readonly Candidate[];
  readonly country: string | null;
  readonly platform: string | null;
}

/** The windows in force; defaults of ../attribution semantics: click 7 d, view 24 h. Boundaries inclusive. */
export interface AttributionWindows {
  readonly clickLookbackHours: number;
  readonly viewLookbackHours: number;
  readonly reinstallDays: number;
  /** CTIT below this many seconds is click injection. */
  readonly injectionCtitSeconds: number;
}

export const defaultWindows: AttributionWindows = {
  clickLookbackHours: 7 * 24,
  viewLookbackHours: 24,
  reinstallDays: 90,
  injectionCtitSeconds: 2,
};

/** The multi-touch models that exist today. Later waves add members; parameters ride on the variant. */
export type AttributionModel =
  | { readonly kind: 'first_touch' }
  | { readonly kind: 'last_touch' }
  | { readonly kind: 'linear' };

/** A conversion: a goal event with a value. */
export interface Conversion {
  readonly conversionId: string;
  readonly goal: string;
  readonly convertedAt: number;
  readonly deviceKey: string;
  readonly valueAmount: string;
  readonly valueCurrency: string;
}

/** The ordered touchpoints of one conversion, oldest first. Empty = unattributed. */
export interface Journey {
  readonly conversion: Conversion;
  readonly touchpoints: readonly Touchpoint[];
}

/** A share of one conversion. Credits of one conversion sum to 1. */
export interface Credit {
  readonly campaignId: string;
  /** 0…1 */
  readonly credit: number;
}
