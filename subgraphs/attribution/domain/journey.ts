import type { Conversion, Journey } from '@tributary/schema';
import { type InstallFacts, isInjected, type MatchedTouchpoint } from './waterfall.ts';

/** Touchpoints older than this before the conversion earn no credit, whatever a query's look-back says. */
export const journeyDays = 90;
const dayMs = 86_400_000;

export interface BuildJourneyInput {
  readonly conversion: Conversion;
  /** Matched to the device, in any order, each once or more. */
  readonly touchpoints: readonly MatchedTouchpoint[];
  /** The device's installs; a click that was injected into one of them earns no credit. */
  readonly installs: readonly Pick<InstallFacts, 'installedAt' | 'installBeginAt'>[];
  readonly knownCampaigns: ReadonlySet<string>;
  readonly injectionCtitSeconds: number;
}

/**
 * The journey of a conversion: its touchpoints of known campaigns up to the conversion and at most 90 days before it
 * (both ends inclusive), oldest first; those of bots earn nothing. No touchpoints = unattributed.
 */
export function buildJourney(input: BuildJourneyInput): Journey {
  const { conversion, installs, knownCampaigns } = input;
  const since = conversion.convertedAt - journeyDays * dayMs;
  const byId = new Map(input.touchpoints.map(({ touchpoint }) => [touchpoint.touchpointId, touchpoint]));
  const touchpoints = [...byId.values()]
    .filter(
      (one) =>
        !one.isBot &&
        one.occurredAt >= since &&
        one.occurredAt <= conversion.convertedAt &&
        one.campaignId !== null &&
        knownCampaigns.has(one.campaignId) &&
        !installs.some((install) => isInjected(one, install, input.injectionCtitSeconds)),
    )
    .sort((a, b) => a.occurredAt - b.occurredAt || (a.touchpointId < b.touchpointId ? -1 : 1));
  return { conversion, touchpoints };
}
