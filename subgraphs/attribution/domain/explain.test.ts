import { aDecision, aMatch, installedAt } from './builders.testing.ts';
import { durationText, explainCandidate, explainDecision } from './explain.ts';
import { decideInstall } from './waterfall.ts';

describe('durationText', () => {
  it.each([
    [0.44, '0.4 s'],
    [59.9, '59.9 s'],
    [95, '1 min 35 s'],
    [3_600, '1 h'],
    [3_900, '1 h 5 min'],
    [604_800, '7 d'],
    [608_400, '7 d 1 h'],
  ])('shows %p seconds as %p', (seconds, text) => expect(durationText(seconds)).toBe(text));
});

describe('explanations', () => {
  it('say which click won, by what tie and how long before', () => {
    const decision = decideInstall(
      aDecision({ touchpoints: [aMatch({ occurredAt: installedAt - 95_000 }, 'install_referrer')] }),
    );
    expect(explainDecision(decision)).toBe(
      'The latest eligible click won, tied to the install by its click id in the install referrer, 1 min 35 s before it.',
    );
    const [candidate] = decision.candidates;
    expect(explainCandidate({ ...candidate!, kind: 'click' })).toBe(
      'Won: this click came 1 min 35 s before the install, within the window of 7 d, tied by its click id in the install referrer.',
    );
  });

  it('say why an install is organic', () => {
    expect(explainDecision(decideInstall(aDecision()))).toBe(
      'No click or impression matches this install; it is organic.',
    );
    const injected = aDecision({ touchpoints: [aMatch({ occurredAt: installedAt - 500 })] });
    expect(explainDecision(decideInstall(injected))).toBe(
      'The one click or impression that matches this install is not eligible; it is organic.',
    );
    const two = aDecision({
      touchpoints: [
        aMatch({ occurredAt: installedAt - 500 }),
        aMatch({ touchpointId: 'touch-2', campaignId: 'unknown' }),
      ],
      deviceInstalls: [{ installId: 'earlier', installedAt: installedAt - 1 }],
    });
    expect(explainDecision(decideInstall(two))).toBe(
      'None of the 2 clicks and impressions that matches this install is eligible; it is organic. The device had this app before, so this counts as a reinstall.',
    );
  });
});
