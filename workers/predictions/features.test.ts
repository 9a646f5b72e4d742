import { burstKey, type Decision, type InstallFacts } from './decision-reader.ts';
import { fraudFeaturesOf } from './fraud-features.ts';
import { observationsOf } from './ltv-reader.ts';
import { aCandidate } from './rows.testing.ts';

describe('fraud features', () => {
  const decision = (candidates: object[]): Decision => ({
    tenantId: 'ten_a',
    appId: 'app_a',
    installId: 'app_a:native:x',
    revision: 1,
    verdict: 'install',
    platform: 'ios',
    installedAt: 100_000,
    decidedAt: 100_000,
    ctitSeconds: null,
    candidates: candidates as unknown as Decision['candidates'],
  });
  const facts: InstallFacts = {
    installId: 'app_a:native:x',
    idfa: '',
    idfv: '',
    gaid: '',
    androidId: '',
    deviceModel: 'iPhone16,1',
    flags: [],
    installBeginAt: 0,
  };

  it('count clicks between the begin of the install and its opening', () => {
    const clicks = [70_000, 90_000, 99_000].map((occurredAt) =>
      aCandidate({ occurredAt, ctitSeconds: (100_000 - occurredAt) / 1_000, reason: 'older_than_winner' }),
    );
    expect(fraudFeaturesOf(decision(clicks), { ...facts, installBeginAt: 80_000 }, new Map())).toMatchObject({
      clicks_after_install_begin: 2,
      closest_click_ctit_seconds: 1,
      candidate_count: 3,
    });
  });

  it('leave out touchpoints after the install and outside the window', () => {
    const candidates = [
      aCandidate({ occurredAt: 200_000, ctitSeconds: -100, reason: 'after_install' }),
      aCandidate({ occurredAt: 0, ctitSeconds: 100, reason: 'outside_lookback_window' }),
    ];
    expect(fraudFeaturesOf(decision(candidates), facts, new Map())).toMatchObject({
      candidate_count: 0,
      closest_click_ctit_seconds: 100,
    });
  });

  it('see a burst of one device model from the winning site', () => {
    const won = aCandidate({ occurredAt: 0, ctitSeconds: 100, reason: 'won', siteId: 'site-1' });
    const burst = new Map([[burstKey('site-1', 'iPhone16,1', 0), 12]]);
    const other = new Map([[burstKey('site-1', 'other', 0), 12]]);
    expect(fraudFeaturesOf(decision([won]), facts, burst)['site_model_installs_hour']).toBe(12);
    expect(fraudFeaturesOf(decision([won]), facts, other)['site_model_installs_hour']).toBe(1);
    expect(fraudFeaturesOf(decision([]), facts, burst)['site_model_installs_hour']).toBeNull();
  });

  it('say nothing against an install whose event is gone', () => {
    expect(fraudFeaturesOf(decision([]), undefined, new Map())).toMatchObject({
      has_device_id: 1,
      malformed_device_id: 0,
      flagged_bot: 0,
    });
  });
});

describe('observations by age', () => {
  it('count for a day the installs that lived through it whole', () => {
    const ages = [
      { day: 0, installs: 5 },
      { day: 2, installs: 3 },
      { day: 3, installs: 1 },
    ];
    expect(observationsOf(ages, [{ day: 1, revenue: 8 }])).toEqual([
      { day: 0, installs: 4, revenue: 0 },
      { day: 1, installs: 4, revenue: 8 },
      { day: 2, installs: 1, revenue: 0 },
    ]);
  });
});
