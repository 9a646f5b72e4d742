import { type CandidateReason, defaultWindows, type Touchpoint } from '@tributary/schema';
import fc from 'fast-check';
import { aDecision, aMatch, anInstall, dayMs, hourMs, installedAt, secondMs } from './builders.testing.ts';
import { decideInstall, isInjected, type MatchedTouchpoint, maxEvidence, sameOutcome } from './waterfall.ts';

const before = (ms: number) => installedAt - ms;
const click = (id: string, agoMs: number, key: MatchedTouchpoint['matchKey'] = 'device_id', campaignId = 'a') =>
  aMatch({ touchpointId: id, occurredAt: before(agoMs), campaignId }, key);
const impression = (id: string, agoMs: number, key: MatchedTouchpoint['matchKey'] = 'device_id') =>
  aMatch({ touchpointId: id, kind: 'impression', occurredAt: before(agoMs), campaignId: 'b' }, key);

interface Case {
  readonly title: string;
  readonly touchpoints: readonly MatchedTouchpoint[];
  readonly rule: string;
  readonly winner: string | null;
  readonly reasons: Readonly<Record<string, CandidateReason>>;
}

const minute = 60 * secondMs;
const cases: readonly Case[] = [
  { title: 'nothing seen is organic', touchpoints: [], rule: 'organic', winner: null, reasons: {} },
  {
    title: 'the latest click wins over an older one with a stronger key',
    touchpoints: [click('old', 60 * minute, 'install_referrer'), click('new', 10 * minute, 'device_id')],
    rule: 'click_device_id',
    winner: 'new',
    reasons: { new: 'won', old: 'older_than_winner' },
  },
  {
    title: 'at equal time the install referrer outranks a click id, and that a device id',
    touchpoints: [click('d', minute), click('r', minute, 'install_referrer'), click('c', minute, 'click_id')],
    rule: 'click_install_referrer',
    winner: 'r',
    reasons: { r: 'won', c: 'weaker_match_than_winner', d: 'weaker_match_than_winner' },
  },
  {
    title: 'at equal time a click id outranks a device id',
    touchpoints: [click('d', minute), click('c', minute, 'click_id')],
    rule: 'click_click_id',
    winner: 'c',
    reasons: { c: 'won', d: 'weaker_match_than_winner' },
  },
  {
    title: 'an old click beats a recent impression',
    touchpoints: [click('c', 6 * dayMs), impression('i', minute)],
    rule: 'click_device_id',
    winner: 'c',
    reasons: { c: 'won', i: 'impression_beaten_by_click' },
  },
  {
    title: 'an impression wins when no click is eligible',
    touchpoints: [click('c', 8 * dayMs), impression('i1', 2 * minute), impression('i2', minute, 'click_id')],
    rule: 'impression_click_id',
    winner: 'i2',
    reasons: { c: 'outside_lookback_window', i1: 'older_than_winner', i2: 'won' },
  },
  {
    title: 'a click exactly as old as its window is eligible',
    touchpoints: [click('c', 7 * dayMs)],
    rule: 'click_device_id',
    winner: 'c',
    reasons: { c: 'won' },
  },
  {
    title: 'a click one millisecond older than its window is not',
    touchpoints: [click('c', 7 * dayMs + 1)],
    rule: 'organic',
    winner: null,
    reasons: { c: 'outside_lookback_window' },
  },
  {
    title: 'an impression exactly 24 h old is eligible',
    touchpoints: [impression('i', 24 * hourMs)],
    rule: 'impression_device_id',
    winner: 'i',
    reasons: { i: 'won' },
  },
  {
    title: 'an impression one millisecond older than 24 h is not',
    touchpoints: [impression('i', 24 * hourMs + 1)],
    rule: 'organic',
    winner: null,
    reasons: { i: 'outside_lookback_window' },
  },
  {
    title: 'a touchpoint after the install is not eligible',
    touchpoints: [click('c', -1)],
    rule: 'organic',
    winner: null,
    reasons: { c: 'after_install' },
  },
  {
    title: 'a click 1.9 s before the install is injected and falls through to the next',
    touchpoints: [click('fraud', 1_900), click('real', 10 * minute, 'device_id', 'b')],
    rule: 'click_device_id',
    winner: 'real',
    reasons: { fraud: 'engagement_injection', real: 'won' },
  },
  {
    title: 'a click exactly 2 s before the install is not injected',
    touchpoints: [click('c', 2_000)],
    rule: 'click_device_id',
    winner: 'c',
    reasons: { c: 'won' },
  },
  {
    title: 'an injected click leaves the install to an eligible impression',
    touchpoints: [click('fraud', 1_000), impression('i', minute)],
    rule: 'impression_device_id',
    winner: 'i',
    reasons: { fraud: 'engagement_injection', i: 'won' },
  },
  {
    title: 'a campaign that the app does not have cannot win',
    touchpoints: [click('foreign', minute, 'click_id', 'of-another-tenant'), click('own', 2 * minute)],
    rule: 'click_device_id',
    winner: 'own',
    reasons: { foreign: 'campaign_unknown', own: 'won' },
  },
  {
    title: 'a later click of a bot cannot win',
    touchpoints: [
      aMatch({ touchpointId: 'preview', occurredAt: before(minute), isBot: true }),
      click('own', 2 * minute),
    ],
    rule: 'click_device_id',
    winner: 'own',
    reasons: { preview: 'bot', own: 'won' },
  },
];

describe('decideInstall', () => {
  it.each(cases)('$title', ({ touchpoints, rule, winner, reasons }) => {
    const decision = decideInstall(aDecision({ touchpoints }));
    expect(decision).toMatchObject({ rule, touchpointId: winner });
    expect(Object.fromEntries(decision.candidates.map((one) => [one.touchpoint.touchpointId, one.reason]))).toEqual(
      reasons,
    );
  });

  it('refuses a click that came after the install began, however long the download took', () => {
    const install = anInstall({ installBeginAt: before(90 * secondMs) });
    const decision = decideInstall(
      aDecision({ install, touchpoints: [click('fraud', 60 * secondMs), click('real', 120 * secondMs)] }),
    );
    expect(decision.touchpointId).toBe('real');
    expect(decision.candidates.map((one) => one.reason)).toEqual(['won', 'engagement_injection']);
  });

  it('names campaign, network and CTIT of the winner', () => {
    const decision = decideInstall(aDecision({ touchpoints: [click('c', 90 * secondMs)] }));
    expect(decision).toMatchObject({ campaignId: 'a', network: 'acme', ctitSeconds: 90 });
  });

  it('applies the windows of the app', () => {
    const windows = { ...defaultWindows, clickLookbackHours: 1, injectionCtitSeconds: 0 };
    const decision = decideInstall(aDecision({ windows, touchpoints: [click('old', hourMs + 1), click('new', 0)] }));
    expect(decision.touchpointId).toBe('new');
    expect(decision.candidates.every((one) => one.windowHours === 1)).toBe(true);
  });

  it('counts a touchpoint that several keys tie to the install once, under the strongest', () => {
    const touchpoints = [click('c', minute, 'device_id'), click('c', minute, 'install_referrer')];
    expect(decideInstall(aDecision({ touchpoints })).candidates).toEqual([
      expect.objectContaining({ matchKey: 'install_referrer', reason: 'won' }),
    ]);
  });

  it('keeps the winner and the latest others as evidence when clicks flood', () => {
    const flood = Array.from({ length: 500 }, (_, i) => click(`flood-${i}`, 1_000 + i));
    const decision = decideInstall(aDecision({ touchpoints: [click('real', hourMs), ...flood.slice(0, 400)] }));
    expect(decision.touchpointId).toBe('real');
    expect(decision.candidates).toHaveLength(maxEvidence);
    expect(decision.candidates[0]?.reason).toBe('won');
  });

  it.each([
    ['no other install', [], 'install'],
    ['one 90 d before', [{ installId: 'x', installedAt: before(90 * dayMs) }], 'reinstall'],
    ['one more than 90 d before', [{ installId: 'x', installedAt: before(90 * dayMs + 1) }], 'install'],
    ['one later', [{ installId: 'x', installedAt: installedAt + 1 }], 'install'],
    ['itself', [{ installId: anInstall().installId, installedAt }], 'install'],
    ['a smaller id at the same instant', [{ installId: 'a', installedAt }], 'reinstall'],
    ['a greater id at the same instant', [{ installId: 'z', installedAt }], 'install'],
  ] as const)('with %3$s as verdict where the device has %1$s', (_title, deviceInstalls, verdict) => {
    expect(decideInstall(aDecision({ deviceInstalls })).verdict).toBe(verdict);
  });
});

const matchArbitrary: fc.Arbitrary<MatchedTouchpoint> = fc
  .record({
    id: fc.integer({ min: 0, max: 30 }),
    kind: fc.constantFrom('click' as const, 'impression' as const),
    // Coarse times, so that ties occur.
    agoSeconds: fc.oneof(fc.integer({ min: -10, max: 10 }), fc.integer({ min: 0, max: 9 * 86_400 })),
    campaignId: fc.constantFrom('a', 'b', 'unknown', null),
    matchKey: fc.constantFrom('install_referrer' as const, 'click_id' as const, 'device_id' as const),
    isBot: fc.boolean(),
  })
  .map(({ id, kind, agoSeconds, campaignId, matchKey, isBot }) => ({
    touchpoint: {
      touchpointId: `${kind}-${id}-${agoSeconds}-${campaignId}-${isBot}`,
      kind,
      occurredAt: before(agoSeconds * 1_000),
      receivedAt: before(agoSeconds * 1_000),
      campaignId,
      network: null,
      linkId: null,
      clickId: null,
      siteId: null,
      isBot,
    } satisfies Touchpoint,
    matchKey,
  }));

const inputArbitrary = fc
  .record({
    touchpoints: fc.array(matchArbitrary, { maxLength: 40 }),
    beganSecondsAgo: fc.option(fc.integer({ min: 0, max: 100 }), { nil: null }),
  })
  .map(({ touchpoints, beganSecondsAgo }) =>
    aDecision({
      touchpoints,
      install: anInstall({ installBeginAt: beganSecondsAgo === null ? null : before(beganSecondsAgo * 1_000) }),
    }),
  );

describe('decideInstall, for any input', () => {
  it('does not depend on the order of the touchpoints', () => {
    fc.assert(
      fc.property(
        inputArbitrary.chain((input) =>
          fc.tuple(
            fc.constant(input),
            fc.shuffledSubarray([...input.touchpoints], {
              minLength: input.touchpoints.length,
              maxLength: input.touchpoints.length,
            }),
          ),
        ),
        ([input, shuffled]) => {
          expect(decideInstall({ ...input, touchpoints: shuffled })).toEqual(decideInstall(input));
        },
      ),
    );
  });

  it('has one winner at most, which is eligible, in its window, known and not injected', () => {
    fc.assert(
      fc.property(inputArbitrary, (input) => {
        const decision = decideInstall(input);
        const won = decision.candidates.filter((one) => one.reason === 'won');
        expect(won.length).toBe(decision.rule === 'organic' ? 0 : 1);
        for (const { touchpoint, ctitSeconds, windowHours, eligible } of won) {
          expect(touchpoint.touchpointId).toBe(decision.touchpointId);
          expect(eligible).toBe(true);
          expect(ctitSeconds >= 0 && ctitSeconds <= windowHours * 3_600).toBe(true);
          expect(input.knownCampaigns.has(touchpoint.campaignId!)).toBe(true);
          expect(isInjected(touchpoint, input.install, 2)).toBe(false);
        }
      }),
    );
  });

  it('leaves no eligible candidate that is later than a winner of the same kind, and no organic one', () => {
    fc.assert(
      fc.property(inputArbitrary, (input) => {
        const { candidates, rule } = decideInstall(input);
        const winner = candidates.find((one) => one.reason === 'won');
        const eligible = candidates.filter((one) => one.eligible);
        expect(rule === 'organic').toBe(eligible.length === 0);
        for (const other of eligible) {
          if (other.touchpoint.kind === winner?.touchpoint.kind) {
            expect(other.touchpoint.occurredAt).toBeLessThanOrEqual(winner.touchpoint.occurredAt);
          } else expect(winner?.touchpoint.kind).toBe('click');
        }
      }),
    );
  });

  it('gives the same again when its own evidence is decided anew', () => {
    fc.assert(
      fc.property(inputArbitrary, (input) => {
        const once = decideInstall(input);
        const again = decideInstall({ ...input, touchpoints: once.candidates });
        expect(again).toEqual(once);
        expect(sameOutcome(once, again)).toBe(true);
      }),
    );
  });
});
