import type { AttributionRule, Candidate, InstallAttribution, MatchKey } from '@tributary/schema';

const keyTexts: Readonly<Record<MatchKey, string>> = {
  install_referrer: 'its click id in the install referrer',
  click_id: 'its click id',
  device_id: 'a device id that both share',
};

const ruleTexts: Readonly<Record<Exclude<AttributionRule, 'organic'>, string>> = {
  click_install_referrer: `The latest eligible click won, tied to the install by ${keyTexts.install_referrer}`,
  click_click_id: `The latest eligible click won, tied to the install by ${keyTexts.click_id}`,
  click_device_id: `The latest eligible click won, tied to the install by ${keyTexts.device_id}`,
  impression_click_id: `No click was eligible; the latest eligible impression won, tied to the install by ${keyTexts.click_id}`,
  impression_device_id: `No click was eligible; the latest eligible impression won, tied to the install by ${keyTexts.device_id}`,
};

/** A duration of seconds in words with at most two units: `1 h 5 min`, `0.4 s`. */
export function durationText(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds * 10) / 10} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return joined(minutes, 'min', Math.round(seconds % 60), 's');
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return joined(hours, 'h', minutes % 60, 'min');
  return joined(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

function joined(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

/** One or two plain English sentences on what was decided and by which rule. */
export function explainDecision(
  decision: Pick<InstallAttribution, 'rule' | 'ctitSeconds' | 'candidates' | 'verdict'>,
): string {
  const again =
    decision.verdict === 'reinstall' ? ' The device had this app before, so this counts as a reinstall.' : '';
  if (decision.rule === 'organic') {
    const seen = decision.candidates.length;
    const why =
      seen === 0
        ? 'No click or impression matches this install'
        : `${seen === 1 ? 'The one click or impression' : `None of the ${seen} clicks and impressions`} that matches this install ${seen === 1 ? 'is not' : 'is'} eligible`;
    return `${why}; it is organic.${again}`;
  }
  const before = decision.ctitSeconds === null ? '' : `, ${durationText(decision.ctitSeconds)} before it`;
  return `${ruleTexts[decision.rule]}${before}.${again}`;
}

/** One plain English sentence on why a candidate won or lost. */
export function explainCandidate(candidate: Omit<Candidate, 'touchpoint'> & { kind: 'click' | 'impression' }): string {
  const { kind, reason, ctitSeconds, windowHours, matchKey } = candidate;
  const window = durationText(windowHours * 3_600);
  const ago = durationText(Math.abs(ctitSeconds));
  switch (reason) {
    case 'won':
      return `Won: this ${kind} came ${ago} before the install, within the window of ${window}, tied by ${keyTexts[matchKey]}.`;
    case 'older_than_winner':
      return `Eligible, but the ${kind} that won came later.`;
    case 'weaker_match_than_winner':
      return `Eligible and as late as the winner, but ${keyTexts[matchKey]} is a weaker tie than the winner's.`;
    case 'impression_beaten_by_click':
      return 'Eligible, but any eligible click beats any impression.';
    case 'outside_lookback_window':
      return `Not eligible: this ${kind} came ${ago} before the install, outside the window of ${window}.`;
    case 'after_install':
      return `Not eligible: this ${kind} came ${ago} after the install.`;
    case 'engagement_injection':
      return `Refused as click injection: it came ${ago} before the first start, after the download had begun or too late for one.`;
    case 'campaign_unknown':
      return `Not eligible: this ${kind} names no campaign of this app.`;
    case 'bot':
      return `Not eligible: this ${kind} came from a crawler, a link preview or another bot.`;
  }
}
