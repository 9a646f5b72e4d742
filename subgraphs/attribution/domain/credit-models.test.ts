import { existsSync, readFileSync } from 'node:fs';
import type { AttributionModel } from '@tributary/schema';
import fc from 'fast-check';
import { aTouchpoint } from './builders.testing.ts';
import { assignCredit, type ConversionPath, creditPaths } from './credit-models.ts';

const models: readonly AttributionModel[] = [{ kind: 'first_touch' }, { kind: 'last_touch' }, { kind: 'linear' }];
const path = (campaignIds: readonly string[], conversions = 1, value = '0'): ConversionPath => ({
  campaignIds,
  conversions,
  value,
});
const touches = (campaignIds: readonly string[]) =>
  campaignIds.map((campaignId, i) => aTouchpoint({ touchpointId: `t${i}`, campaignId, occurredAt: i }));

describe('assignCredit', () => {
  it.each([
    ['first_touch', [{ campaignId: 'a', credit: 1 }]],
    ['last_touch', [{ campaignId: 'b', credit: 1 }]],
    [
      'linear',
      [
        { campaignId: 'a', credit: 0.5 },
        { campaignId: 'b', credit: 0.5 },
      ],
    ],
  ] as const)('by %s', (kind, credits) => {
    expect(assignCredit({ kind }, touches(['a', 'b', 'a', 'b']))).toEqual(credits);
  });

  it('gives nothing where there is no touchpoint with a campaign', () => {
    for (const model of models) {
      expect(assignCredit(model, [])).toEqual([]);
      expect(assignCredit(model, [aTouchpoint({ campaignId: null })])).toEqual([]);
    }
  });

  it('sums to 1 and does not depend on the order of the input', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...models),
        fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 50 }),
        fc.integer({ min: 0, max: 49 }),
        (model, ids, cut) => {
          const all = touches(ids);
          const credits = assignCredit(model, all);
          expect(credits.reduce((sum, one) => sum + one.credit, 0)).toBeCloseTo(1, 12);
          expect(assignCredit(model, [...all.slice(cut), ...all.slice(0, cut)])).toEqual(credits);
        },
      ),
    );
  });
});

describe('creditPaths', () => {
  it('splits value exactly and counts the unattributed apart', () => {
    const { byCampaign, unattributed } = creditPaths(
      [path(['a', 'b', 'c'], 2, '10'), path([], 3, '1.5'), path(['a'], 1, '-0.25')],
      { kind: 'linear' },
    );
    expect(byCampaign.get('a')?.value).toBe('3.083333');
    expect(byCampaign.get('c')?.value).toBe('3.333333');
    expect(byCampaign.get('a')?.conversions).toBeCloseTo(2 / 3 + 1, 12);
    expect(unattributed).toEqual({ conversions: 3, value: '1.5' });
  });

  it('gives away all conversions and all value, no more and no less', () => {
    const paths = fc.array(
      fc.record({
        campaignIds: fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 7 }),
        conversions: fc.integer({ min: 1, max: 1_000 }),
        value: fc.integer({ min: 0, max: 100_000_000 }).map((micros) => (micros / 1e4).toFixed(4)),
      }),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(fc.constantFrom(...models), paths, (model, given) => {
        const { byCampaign, unattributed } = creditPaths(given, model);
        const all = [...byCampaign.values(), unattributed];
        const total = (of: (one: { conversions: number; value: string }) => number) =>
          all.reduce((sum, one) => sum + of(one), 0);
        expect(total((one) => one.conversions)).toBeCloseTo(
          given.reduce((sum, one) => sum + one.conversions, 0),
          6,
        );
        expect(total((one) => Number(one.value))).toBeCloseTo(
          given.reduce((sum, one) => sum + Number(one.value), 0),
          4,
        );
      }),
    );
  });
});

/** Paths of a published data set; it is not part of the repository. */
const referenceFile = new URL('../../../../shared/data/channelattribution_Data.csv', import.meta.url);
const reference: readonly (readonly [string, number, number, number])[] = [
  ['alpha', 6308, 8447, 7574.718594],
  ['iota', 4606, 3355, 3857.096221],
  ['eta', 3164, 4167, 3539.951157],
  ['beta', 2831, 989, 2083.500145],
  ['theta', 1606, 653, 1022.801394],
  ['lambda', 902, 1207, 1035.257572],
  ['epsilon', 99, 531, 272.170438],
  ['zeta', 27, 107, 136.55154],
  ['kappa', 74, 230, 137.964078],
  ['gamma', 165, 92, 121.041639],
  ['delta', 1, 5, 1.725],
  ['mi', 2, 2, 2.222222],
];

if (existsSync(referenceFile)) {
  describe('creditPaths on 10,000 published paths', () => {
    const paths = readFileSync(referenceFile, 'utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => {
        const [text = '', conversions = '0', value = '0'] = line.split(';');
        return path(text.split(' > '), Number(conversions), value);
      });

    it.each([
      ['first_touch', 1],
      ['last_touch', 2],
      ['linear', 3],
    ] as const)('agrees with two independent programs by %s', (kind, column) => {
      const { byCampaign } = creditPaths(paths, { kind });
      for (const row of reference) expect(byCampaign.get(row[0])?.conversions).toBeCloseTo(row[column], 5);
      const all = [...byCampaign.values()];
      expect(all.reduce((sum, one) => sum + one.conversions, 0)).toBeCloseTo(19_785, 6);
      expect(all.reduce((sum, one) => sum + Number(one.value), 0)).toBeCloseTo(74_802.972, 3);
    });
  });
} else {
  describe.skip('creditPaths on 10,000 published paths [channelattribution_Data.csv is not at ../shared/data]', () => {
    it('is not run', () => undefined);
  });
}
