import { type DirectoryKey, type DirectorySnapshot, sha256Hex } from '@tributary/schema';

export function aKey(rawKey: string, overrides: Partial<DirectoryKey> = {}): DirectoryKey {
  return {
    keyId: `key_${rawKey}`,
    kind: 'write',
    hash: sha256Hex(rawKey),
    tenantId: 'ten_1',
    appIds: ['app_1'],
    scopes: ['ingest:write'],
    enabled: true,
    ...overrides,
  };
}

/** A small whole snapshot: one app with a link, a campaign, two goals and the key `wk_1`. */
export function aSnapshot(overrides: Partial<DirectorySnapshot> = {}): DirectorySnapshot {
  const owner = { tenantId: 'ten_1', appId: 'app_1' };
  return {
    version: 1,
    publishedAt: 1_000,
    apps: [
      {
        ...owner,
        name: 'App',
        platform: 'ios',
        enabled: true,
        timezone: 'UTC',
        currency: 'EUR',
        storeUrl: null,
        ipPolicy: 'truncate',
        clickLookbackHours: 168,
        viewLookbackHours: 24,
        reinstallDays: 90,
        retentionDays: 365,
      },
    ],
    links: [
      {
        ...owner,
        linkId: 'lnk_1',
        slug: 'go',
        campaignId: 'cmp_1',
        network: 'net',
        targetUrl: 'https://example.com/',
        expiresAt: null,
      },
    ],
    campaigns: [{ ...owner, campaignId: 'cmp_1', partnerId: null, name: 'Spring', network: 'net' }],
    keys: [aKey('wk_1')],
    goals: [
      { ...owner, goalId: 'goal_1', name: 'Purchase', eventKind: 'purchase', eventName: null },
      { ...owner, goalId: 'goal_2', name: 'Level', eventKind: 'custom', eventName: 'level_done' },
    ],
    ...overrides,
  };
}
