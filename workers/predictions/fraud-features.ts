import type { FeatureRow } from '@tributary/platform/model-runtime';
import { type Bursts, burstKey, type Decision, type InstallFacts } from './decision-reader.ts';

const hourMs = 3_600_000;
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** Android ids are 16 hex digits; hashed ids are MD5, SHA-1 or SHA-256. */
const hex = /^([0-9a-f]{16}|[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})$/i;
/** What platforms give when tracking is off: no id, and no fault either. */
const zeros = /^[0-]+$/;

/** Reasons that put a touchpoint outside what attribution weighed for this install. */
const outside: ReadonlySet<string> = new Set(['outside_lookback_window', 'after_install', 'campaign_unknown', 'bot']);

function deviceIds(facts: InstallFacts): readonly string[] {
  return [facts.idfa, facts.idfv, facts.gaid, facts.androidId].filter((id) => id !== '' && !zeros.test(id));
}

function burstOf(decision: Decision, facts: InstallFacts | undefined, bursts: Bursts): number | null {
  const site = decision.candidates.find((one) => one.reason === 'won')?.touchpoint.siteId;
  if (!site || !facts) return null;
  const hour = Math.floor(decision.installedAt / hourMs) * hourMs;
  return bursts.get(burstKey(site, facts.deviceModel, hour)) ?? 1;
}

/**
 * The fraud features (models/features.json) of one decision. `facts` is undefined where the install event is gone
 * (retention, erasure): what only it could tell then reads as nothing wrong.
 */
export function fraudFeaturesOf(decision: Decision, facts: InstallFacts | undefined, bursts: Bursts): FeatureRow {
  const { candidates, installedAt } = decision;
  const clicks = candidates.filter((one) => one.touchpoint.kind === 'click' && one.ctitSeconds >= 0);
  const begin = facts?.installBeginAt ?? 0;
  const ids = facts ? deviceIds(facts) : [];
  const afterBegin = (at: number) => begin > 0 && at > begin && at <= installedAt;
  return {
    ctit_seconds: decision.ctitSeconds,
    closest_click_ctit_seconds: clicks.length === 0 ? null : Math.min(...clicks.map((one) => one.ctitSeconds)),
    injected_candidates: candidates.filter((one) => one.reason === 'engagement_injection').length,
    clicks_after_install_begin: clicks.filter((one) => afterBegin(one.touchpoint.occurredAt)).length,
    candidate_count: candidates.filter((one) => !outside.has(one.reason)).length,
    has_device_id: !facts || ids.length > 0 ? 1 : 0,
    malformed_device_id: ids.some((id) => !uuid.test(id) && !hex.test(id)) ? 1 : 0,
    flagged_bot: facts?.flags.includes('bot') ? 1 : 0,
    mobile: decision.platform === 'ios' || decision.platform === 'android' ? 1 : 0,
    site_model_installs_hour: burstOf(decision, facts, bursts),
  };
}
