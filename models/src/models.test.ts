import fc from 'fast-check';
import {
  buildArpuCurve,
  createRulesRuntime,
  featureNames,
  featuresHashOf,
  fraudModel,
  ltvModel,
  scoreFraud,
  scoreLtv,
} from './index.ts';

const cleanInstall = {
  ctit_seconds: 240,
  closest_click_ctit_seconds: 240,
  injected_candidates: 0,
  clicks_after_install_begin: 0,
  candidate_count: 1,
  has_device_id: 1,
  malformed_device_id: 0,
  flagged_bot: 0,
  mobile: 1,
  site_model_installs_hour: 1,
};

describe('fraud-rules@1', () => {
  it('gives a plain attributed install a score of 0 and no reasons', () => {
    expect(scoreFraud(cleanInstall)).toEqual({ value: 0, reasons: [] });
  });

  it.each([
    ['a click refused as injected', { injected_candidates: 1 }, 'engagement_injection', 0.95],
    ['a click after the install began', { clicks_after_install_begin: 1 }, 'engagement_injection', 0.95],
    ['a click 1.9 s before the install', { closest_click_ctit_seconds: 1.9 }, 'engagement_injection', 0.95],
    ['a click 2 s before the install', { closest_click_ctit_seconds: 2 }, 'distribution_outlier', 0.55],
    ['ten installs of one model and site in an hour', { site_model_installs_hour: 10 }, 'distribution_outlier', 0.55],
    ['an id of no valid form', { malformed_device_id: 1 }, 'malformed_advertising_id', 0.5],
    ['twenty touchpoints', { candidate_count: 20 }, 'too_many_engagements', 0.4],
    ['no device id on a phone', { has_device_id: 0 }, 'anonymous_traffic', 0.25],
    ['a bot', { flagged_bot: 1 }, 'bot', 0.9],
  ])('sees %s', (_what, difference, reason, score) => {
    expect(scoreFraud({ ...cleanInstall, ...difference })).toEqual({ value: score, reasons: [reason] });
  });

  it.each([
    ['a click 10 s before the install', { closest_click_ctit_seconds: 10 }],
    ['nine installs of one model and site', { site_model_installs_hour: 9 }],
    ['a browser without a device id', { mobile: 0, has_device_id: 0 }],
  ])('passes over %s', (_what, difference) => {
    expect(scoreFraud({ ...cleanInstall, ...difference }).value).toBe(0);
  });

  it('adds up signs without leaving 0…1 and names the strongest first', () => {
    const all = { ...cleanInstall, injected_candidates: 2, candidate_count: 30, has_device_id: 0, flagged_bot: 1 };
    const { value, reasons } = scoreFraud(all);
    expect(value).toBeGreaterThan(0.99);
    expect(value).toBeLessThanOrEqual(1);
    expect(reasons).toEqual(['engagement_injection', 'bot', 'too_many_engagements', 'anonymous_traffic']);
  });
});

describe('ltv-rules@1', () => {
  const row = { age_days: 0, horizon_days: 90, revenue_to_date: 0, curve_at_age: 0, curve_at_horizon: 4 };

  it('expects of a new install what the average install brings', () => {
    expect(scoreLtv(row)).toEqual({ value: 4, reasons: ['app_curve'] });
  });

  it('expects less of who paid nothing, the longer they are known', () => {
    const at = (age: number, curve: number) =>
      scoreLtv({ ...row, age_days: age, curve_at_age: curve }).value / (4 - curve);
    expect(at(14, 2)).toBeCloseTo(0.5, 6);
    expect(at(56, 3)).toBeCloseTo(0.2, 6);
  });

  it('says what was observed once the horizon is reached', () => {
    expect(scoreLtv({ ...row, age_days: 90, revenue_to_date: 7.5 })).toEqual({
      value: 7.5,
      reasons: ['observed_revenue', 'horizon_reached'],
    });
  });

  it('caps what one early large purchase is projected to', () => {
    const { value, reasons } = scoreLtv({ ...row, age_days: 14, revenue_to_date: 500, curve_at_age: 1 });
    expect(value).toBe(500 + 20 * 3);
    expect(reasons).toContain('multiplier_capped');
  });

  it('keeps the total of a cohort of one age at the curve, save for the cap', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 10, noNaN: true }), { minLength: 2, maxLength: 30 }),
        fc.integer({ min: 1, max: 89 }),
        (paid, age) => {
          const mean = paid.reduce((sum, one) => sum + one, 0) / paid.length;
          fc.pre(mean > 0.6);
          const total = paid.reduce(
            (sum, one) =>
              sum +
              scoreLtv({ ...row, age_days: age, revenue_to_date: one, curve_at_age: mean, curve_at_horizon: mean + 2 })
                .value,
            0,
          );
          expect(total / paid.length).toBeCloseTo(mean + 2, 3);
        },
      ),
    );
  });
});

describe('the curve of an app', () => {
  it('is 0 for an app without installs', () => {
    expect(buildArpuCurve([], 180)(90)).toBe(0);
  });

  it('follows what was observed and grows slower after it', () => {
    const observed = Array.from({ length: 30 }, (_, day) => ({ day, revenue: 100, installs: 100 }));
    const curve = buildArpuCurve(observed, 180);
    expect(curve(0)).toBe(0);
    expect(curve(10)).toBeCloseTo(10, 9);
    expect(curve(10.5)).toBeCloseTo(10.5, 9);
    const tail = curve(180) - curve(30);
    expect(tail).toBeGreaterThan(0);
    expect(tail).toBeLessThan(150);
    expect(curve(1_000)).toBe(curve(180));
  });

  it('never falls unless refunds were observed', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            revenue: fc.double({ min: 0, max: 1e6, noNaN: true }),
            installs: fc.integer({ min: 1, max: 1e5 }),
          }),
          { maxLength: 60 },
        ),
        (days) => {
          const curve = buildArpuCurve(
            days.map((one, day) => ({ day, ...one })),
            90,
          );
          for (let age = 0; age < 90; age += 1) expect(curve(age + 1)).toBeGreaterThanOrEqual(curve(age));
        },
      ),
    );
  });
});

describe('features', () => {
  it('refuses a row that lacks a feature', async () => {
    const { mobile: _gone, ...row } = cleanInstall;
    await expect(createRulesRuntime().score(fraudModel.name, [row])).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  it('hashes by value, not by order of keys', () => {
    const turned = Object.fromEntries(Object.entries(cleanInstall).reverse());
    expect(featuresHashOf('fraud', turned)).toBe(featuresHashOf('fraud', cleanInstall));
    expect(featuresHashOf('fraud', { ...cleanInstall, ctit_seconds: null })).not.toBe(
      featuresHashOf('fraud', cleanInstall),
    );
  });

  it('names each feature once', () => {
    for (const set of ['fraud', 'ltv'] as const) expect(new Set(featureNames(set)).size).toBe(featureNames(set).length);
  });
});

describe('the rules runtime', () => {
  it('answers rows in order, by model name', async () => {
    const runtime = createRulesRuntime();
    const outputs = await runtime.score(fraudModel.name, [cleanInstall, { ...cleanInstall, flagged_bot: 1 }]);
    expect(outputs.map((one) => one.value)).toEqual([0, 0.9]);
    expect(runtime.models()).toEqual([fraudModel, ltvModel]);
  });

  it('refuses a model that it does not serve', async () => {
    await expect(createRulesRuntime().score('fraud-trees', [])).rejects.toMatchObject({ code: 'INTERNAL' });
  });
});
