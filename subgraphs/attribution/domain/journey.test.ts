import type { Conversion } from '@tributary/schema';
import { aMatch, anInstall, dayMs, installedAt } from './builders.testing.ts';
import { buildJourney } from './journey.ts';

const convertedAt = installedAt + 10 * dayMs;
const conversion: Conversion = {
  conversionId: 'app_1:native:p-1#goal_1',
  goal: 'goal_1',
  convertedAt,
  deviceKey: 'device-1',
  valueAmount: '4.99',
  valueCurrency: 'USD',
};
const journeyOf = (touchpoints: readonly ReturnType<typeof aMatch>[], installs = [anInstall()]) =>
  buildJourney({
    conversion,
    touchpoints,
    installs,
    knownCampaigns: new Set(['a', 'b']),
    injectionCtitSeconds: 2,
  }).touchpoints.map((one) => one.touchpointId);

describe('buildJourney', () => {
  it('orders touchpoints by time, each once', () => {
    const late = aMatch({ touchpointId: 'late', occurredAt: convertedAt - 1 });
    const early = aMatch({ touchpointId: 'early', occurredAt: installedAt - dayMs });
    expect(journeyOf([late, early, late])).toEqual(['early', 'late']);
  });

  it('holds 90 days up to the conversion, both ends included', () => {
    const ids = journeyOf([
      aMatch({ touchpointId: 'at-conversion', occurredAt: convertedAt }),
      aMatch({ touchpointId: 'after', occurredAt: convertedAt + 1 }),
      aMatch({ touchpointId: 'at-90-days', occurredAt: convertedAt - 90 * dayMs }),
      aMatch({ touchpointId: 'older', occurredAt: convertedAt - 90 * dayMs - 1 }),
    ]);
    expect(ids).toEqual(['at-90-days', 'at-conversion']);
  });

  it('leaves out campaigns that the app does not have and clicks injected into an install or made by bots', () => {
    const ids = journeyOf([
      aMatch({ touchpointId: 'unknown', campaignId: 'x' }),
      aMatch({ touchpointId: 'none', campaignId: null }),
      aMatch({ touchpointId: 'injected', occurredAt: installedAt - 500 }),
      aMatch({ touchpointId: 'preview', isBot: true }),
      aMatch({ touchpointId: 'fine' }),
    ]);
    expect(ids).toEqual(['fine']);
  });
});
