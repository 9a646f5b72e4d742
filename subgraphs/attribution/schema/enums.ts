import type { SubgraphBuilder } from '../../src/kit.ts';

/** The enums of decisions: GraphQL names are the upper-case form of the values in schema/src/attribution.ts. */
export function addEnums(builder: SubgraphBuilder) {
  return {
    Rule: builder.enumType('AttributionRule', {
      description: 'The step of the waterfall that decided.',
      values: {
        CLICK_INSTALL_REFERRER: {
          value: 'click_install_referrer',
          description: 'A click whose id is in the install referrer.',
        },
        CLICK_CLICK_ID: { value: 'click_click_id', description: 'A click whose id the install names.' },
        CLICK_DEVICE_ID: { value: 'click_device_id', description: 'A click of the same device.' },
        IMPRESSION_CLICK_ID: { value: 'impression_click_id', description: 'An impression whose id the install names.' },
        IMPRESSION_DEVICE_ID: { value: 'impression_device_id', description: 'An impression of the same device.' },
        ORGANIC: { value: 'organic', description: 'No eligible touchpoint.' },
      } as const,
    }),
    Reason: builder.enumType('CandidateReason', {
      description: 'Why a candidate won or lost.',
      values: {
        WON: { value: 'won', description: 'It is what the install is attributed to.' },
        OLDER_THAN_WINNER: { value: 'older_than_winner', description: 'Eligible, but the winner came later.' },
        WEAKER_MATCH_THAN_WINNER: {
          value: 'weaker_match_than_winner',
          description: 'As late as the winner, but tied by a weaker key.',
        },
        IMPRESSION_BEATEN_BY_CLICK: {
          value: 'impression_beaten_by_click',
          description: 'Any eligible click beats any impression.',
        },
        OUTSIDE_LOOKBACK_WINDOW: { value: 'outside_lookback_window', description: 'Too long before the install.' },
        AFTER_INSTALL: { value: 'after_install', description: 'It came after the install.' },
        ENGAGEMENT_INJECTION: { value: 'engagement_injection', description: 'Refused as click injection.' },
        CAMPAIGN_UNKNOWN: { value: 'campaign_unknown', description: 'It names no campaign of this app.' },
        BOT: { value: 'bot', description: 'It came from a crawler, a link preview or another bot.' },
      } as const,
    }),
    Match: builder.enumType('MatchKey', {
      description: 'What ties a touchpoint to an install, strongest first.',
      values: {
        INSTALL_REFERRER: { value: 'install_referrer', description: 'The click id in the install referrer.' },
        CLICK_ID: { value: 'click_id', description: 'The click id.' },
        DEVICE_ID: { value: 'device_id', description: 'A device id or anonymous id that both share.' },
      } as const,
    }),
    Kind: builder.enumType('TouchpointKind', {
      description: 'What a touchpoint is.',
      values: {
        CLICK: { value: 'click', description: 'A click.' },
        IMPRESSION: { value: 'impression', description: 'An impression.' },
      } as const,
    }),
    Trigger: builder.enumType('AttributionTrigger', {
      description: 'Why a revision exists.',
      values: {
        INSTALL: { value: 'install', description: 'The first decision.' },
        LATE_TOUCHPOINT: { value: 'late_touchpoint', description: 'A touchpoint arrived after the decision.' },
        REBUILD: { value: 'rebuild', description: 'Decided again with other facts or rules.' },
      } as const,
    }),
    Verdict: builder.enumType('InstallVerdict', {
      description: 'What the install counts as.',
      values: {
        INSTALL: { value: 'install', description: 'A new install.' },
        REINSTALL: { value: 'reinstall', description: 'The device had the app within the reinstall window.' },
      } as const,
    }),
    Model: builder.enumType('AttributionModelKind', {
      description: 'How one conversion is shared among its touchpoints.',
      values: {
        FIRST_TOUCH: { value: 'first_touch', description: 'All to the first.' },
        LAST_TOUCH: { value: 'last_touch', description: 'All to the last.' },
        LINEAR: { value: 'linear', description: 'Equal shares.' },
      } as const,
    }),
  };
}

export type AttributionEnums = ReturnType<typeof addEnums>;
