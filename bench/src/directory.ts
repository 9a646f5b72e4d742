import type { Directory } from '@tributary/platform/directory';
import { type DirectorySnapshot, sha256Hex } from '@tributary/schema';

/** One app and one write key, as the collector knows them; the benchmarks' stand-in for a published directory. */
export function benchDirectory(key: string): Directory {
  const snapshot: DirectorySnapshot = {
    version: 1,
    publishedAt: 0,
    apps: [
      {
        appId: 'app_bench',
        tenantId: 'ten_bench',
        name: 'Bench',
        platform: 'android',
        enabled: true,
        timezone: 'UTC',
        currency: 'USD',
        storeUrl: null,
        ipPolicy: 'truncate',
        clickLookbackHours: 168,
        viewLookbackHours: 24,
        reinstallDays: 90,
        retentionDays: 400,
      },
    ],
    links: [],
    campaigns: [],
    goals: [],
    keys: [
      {
        keyId: 'key_bench',
        kind: 'write',
        hash: sha256Hex(key),
        tenantId: 'ten_bench',
        appIds: ['app_bench'],
        scopes: ['ingest:write'],
        enabled: true,
      },
    ],
  };
  return {
    current: () => snapshot,
    onChange: () => () => undefined,
    refresh: async () => undefined,
    dispose: async () => undefined,
  };
}
