import { defaultWindows, type Touchpoint } from '@tributary/schema';
import type { DecideInstallInput, InstallFacts, MatchedTouchpoint } from './waterfall.ts';

export const installedAt = Date.UTC(2026, 10, 24, 12);
export const secondMs = 1_000;
export const hourMs = 3_600_000;
export const dayMs = 86_400_000;

/** A click of campaign `a`, ten minutes before the install. */
export function aTouchpoint(overrides: Partial<Touchpoint> = {}): Touchpoint {
  const occurredAt = overrides.occurredAt ?? installedAt - 600 * secondMs;
  return {
    touchpointId: 'touch-1',
    kind: 'click',
    occurredAt,
    receivedAt: occurredAt + 50,
    campaignId: 'a',
    network: 'acme',
    linkId: null,
    clickId: null,
    siteId: null,
    isBot: false,
    ...overrides,
  };
}

export function aMatch(
  overrides: Partial<Touchpoint> = {},
  matchKey: MatchedTouchpoint['matchKey'] = 'device_id',
): MatchedTouchpoint {
  return { touchpoint: aTouchpoint(overrides), matchKey };
}

export function anInstall(overrides: Partial<InstallFacts> = {}): InstallFacts {
  return {
    tenantId: 'ten_1',
    appId: 'app_1',
    installId: 'app_1:native:install-1',
    deviceKey: 'device-1',
    installedAt,
    installBeginAt: null,
    country: 'DE',
    platform: 'android',
    ...overrides,
  };
}

export function aDecision(overrides: Partial<DecideInstallInput> = {}): DecideInstallInput {
  return {
    install: anInstall(),
    touchpoints: [],
    windows: defaultWindows,
    knownCampaigns: new Set(['a', 'b', 'c']),
    deviceInstalls: [],
    ...overrides,
  };
}
