import type {
  AttributionRule,
  AttributionWindows,
  Candidate,
  CandidateReason,
  InstallAttribution,
  InstallVerdict,
  MatchKey,
  Touchpoint,
} from '@tributary/schema';
import { weaknessOf } from './match-keys.ts';

/** The install to decide about. Times in epoch ms. */
export interface InstallFacts {
  readonly tenantId: string;
  readonly appId: string;
  readonly installId: string;
  readonly deviceKey: string;
  readonly installedAt: number;
  /** When the store began to install it; null where the platform doesn't tell. */
  readonly installBeginAt: number | null;
  readonly country: string | null;
  readonly platform: string | null;
}

/** A touchpoint that some key ties to the install. */
export interface MatchedTouchpoint {
  readonly touchpoint: Touchpoint;
  readonly matchKey: MatchKey;
}

/** Another install of the same device, earlier or later; only earlier ones matter. */
export interface DeviceInstall {
  readonly installId: string;
  readonly installedAt: number;
}

export interface DecideInstallInput {
  readonly install: InstallFacts;
  /** In any order; a touchpoint given under several keys counts once, under its strongest. */
  readonly touchpoints: readonly MatchedTouchpoint[];
  readonly windows: AttributionWindows;
  /** Ids of the campaigns of the install's tenant and app. */
  readonly knownCampaigns: ReadonlySet<string>;
  readonly deviceInstalls: readonly DeviceInstall[];
}

/** A decision before it is numbered and dated. */
export type InstallDecision = Omit<InstallAttribution, 'revision' | 'decidedAt' | 'trigger'>;

const hourMs = 3_600_000;
const dayMs = 86_400_000;
/** Evidence beyond this many candidates is left out, oldest first: click flooding would fill the table otherwise. */
export const maxEvidence = 100;

/**
 * Decides which touchpoint brought an install. Steps: deterministic click, deterministic impression, organic (the
 * probabilistic steps between them are a later wave). Within a step the latest wins; at equal time the stronger match key,
 * then the one received later, then the greater id. What isn't eligible falls through to the next.
 *
 * Pure: the order of the input is irrelevant, and deciding again gives the same.
 */
export function decideInstall(input: DecideInstallInput): InstallDecision {
  const { install } = input;
  const seen = strongestOnly(input.touchpoints).map((match) => ({ match, fault: faultOf(match, input) }));
  const eligible = seen.filter(({ fault }) => fault === null).map(({ match }) => match);
  const clicks = eligible.filter(({ touchpoint }) => touchpoint.kind === 'click');
  const winner = [...(clicks.length > 0 ? clicks : eligible)].sort(byPrecedence)[0] ?? null;
  const candidates = seen
    .map(({ match, fault }) => ({ match, candidate: candidateOf(match, fault ?? lossOf(match, winner), input) }))
    .sort((a, b) => Number(b.match === winner) - Number(a.match === winner) || byPrecedence(a.match, b.match))
    .slice(0, maxEvidence)
    .map(({ candidate }) => candidate);
  return {
    tenantId: install.tenantId,
    appId: install.appId,
    installId: install.installId,
    deviceKey: install.deviceKey,
    installedAt: install.installedAt,
    verdict: verdictOf(input),
    rule: winner ? ruleOf(winner) : 'organic',
    campaignId: winner?.touchpoint.campaignId ?? null,
    network: winner?.touchpoint.network ?? null,
    touchpointId: winner?.touchpoint.touchpointId ?? null,
    ctitSeconds: winner ? ctitSecondsOf(winner.touchpoint, install) : null,
    candidates,
    country: install.country,
    platform: install.platform,
  };
}

/** Whether two decisions say the same of an install. Evidence that changes nothing makes no new revision. */
export function sameOutcome(
  a: Pick<InstallDecision, 'verdict' | 'rule' | 'campaignId' | 'touchpointId'>,
  b: Pick<InstallDecision, 'verdict' | 'rule' | 'campaignId' | 'touchpointId'>,
): boolean {
  return (
    a.verdict === b.verdict && a.rule === b.rule && a.campaignId === b.campaignId && a.touchpointId === b.touchpointId
  );
}

/**
 * Whether a click can only have been made up to claim an install: it came after the download had begun, or too shortly
 * before the first start for a download to fit in. Only clicks are tested; the install itself must come after it.
 */
export function isInjected(
  touchpoint: Pick<Touchpoint, 'kind' | 'occurredAt'>,
  install: Pick<InstallFacts, 'installedAt' | 'installBeginAt'>,
  injectionCtitSeconds: number,
): boolean {
  if (touchpoint.kind !== 'click' || touchpoint.occurredAt > install.installedAt) return false;
  if (install.installBeginAt !== null && touchpoint.occurredAt > install.installBeginAt) return true;
  return install.installedAt - touchpoint.occurredAt < injectionCtitSeconds * 1_000;
}

/** A reinstall is an install of a device that had one within `reinstallDays`. (Retargeting, which lifts it, comes later.) */
function verdictOf({ install, windows, deviceInstalls }: DecideInstallInput): InstallVerdict {
  const since = install.installedAt - windows.reinstallDays * dayMs;
  const earlier = deviceInstalls.some(
    ({ installId, installedAt }) =>
      installId !== install.installId &&
      installedAt >= since &&
      // Two at the same instant: the smaller id is the first, so that exactly one of them is the reinstall.
      (installedAt < install.installedAt || (installedAt === install.installedAt && installId < install.installId)),
  );
  return earlier ? 'reinstall' : 'install';
}

function strongestOnly(matches: readonly MatchedTouchpoint[]): MatchedTouchpoint[] {
  const byId = new Map<string, MatchedTouchpoint>();
  for (const match of matches) {
    const { touchpointId } = match.touchpoint;
    const other = byId.get(touchpointId);
    if (!other || weaknessOf(match.matchKey) < weaknessOf(other.matchKey)) byId.set(touchpointId, match);
  }
  return [...byId.values()];
}

/** Why a touchpoint may not win at all; null = eligible. The first that applies is named. */
function faultOf({ touchpoint }: MatchedTouchpoint, input: DecideInstallInput): CandidateReason | null {
  const { install, windows, knownCampaigns } = input;
  const ageMs = install.installedAt - touchpoint.occurredAt;
  if (touchpoint.isBot) return 'bot';
  if (ageMs < 0) return 'after_install';
  if (ageMs > windowHoursOf(touchpoint, windows) * hourMs) return 'outside_lookback_window';
  if (touchpoint.campaignId === null || !knownCampaigns.has(touchpoint.campaignId)) return 'campaign_unknown';
  return isInjected(touchpoint, install, windows.injectionCtitSeconds) ? 'engagement_injection' : null;
}

/** Why an eligible touchpoint lost. */
function lossOf(match: MatchedTouchpoint, winner: MatchedTouchpoint | null): CandidateReason {
  if (winner === null || match === winner) return 'won';
  if (match.touchpoint.kind === 'impression' && winner.touchpoint.kind === 'click') return 'impression_beaten_by_click';
  const sameTime = match.touchpoint.occurredAt === winner.touchpoint.occurredAt;
  return sameTime && weaknessOf(match.matchKey) > weaknessOf(winner.matchKey)
    ? 'weaker_match_than_winner'
    : 'older_than_winner';
}

function candidateOf(
  { touchpoint, matchKey }: MatchedTouchpoint,
  reason: CandidateReason,
  { install, windows }: DecideInstallInput,
): Candidate {
  return {
    touchpoint,
    matchKey,
    eligible: eligibleReasons.has(reason),
    reason,
    ctitSeconds: ctitSecondsOf(touchpoint, install),
    windowHours: windowHoursOf(touchpoint, windows),
  };
}

const eligibleReasons: ReadonlySet<CandidateReason> = new Set([
  'won',
  'older_than_winner',
  'weaker_match_than_winner',
  'impression_beaten_by_click',
]);

/** A total order: the first of a step wins it. */
function byPrecedence(a: MatchedTouchpoint, b: MatchedTouchpoint): number {
  return (
    b.touchpoint.occurredAt - a.touchpoint.occurredAt ||
    weaknessOf(a.matchKey) - weaknessOf(b.matchKey) ||
    b.touchpoint.receivedAt - a.touchpoint.receivedAt ||
    (a.touchpoint.touchpointId < b.touchpoint.touchpointId ? 1 : -1)
  );
}

function ruleOf({ touchpoint, matchKey }: MatchedTouchpoint): AttributionRule {
  if (touchpoint.kind === 'click') return `click_${matchKey}`;
  // A referrer carries an id as any other click id; impressions have no rule of their own for it.
  return matchKey === 'device_id' ? 'impression_device_id' : 'impression_click_id';
}

function windowHoursOf(touchpoint: Touchpoint, windows: AttributionWindows): number {
  return touchpoint.kind === 'click' ? windows.clickLookbackHours : windows.viewLookbackHours;
}

function ctitSecondsOf(touchpoint: Touchpoint, install: InstallFacts): number {
  return (install.installedAt - touchpoint.occurredAt) / 1_000;
}
