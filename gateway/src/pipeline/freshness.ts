import type { Clock } from '@tributary/platform/clock';
import type { Directory } from '@tributary/platform/directory';
import type { LiveBus } from '@tributary/platform/live-bus';
import type { Principal } from './auth.ts';

/**
 * How fresh the data of apps is, as a text that changes when any of them got new data or the directory changed. Gateways that hear
 * the same messages have the same text; one that just started has one of its own, so that it can't revive an old answer.
 */
export interface Freshness {
  /** @param appIds null = every app of the principal. */
  tokenOf(principal: Pick<Principal, 'tenantId' | 'appIds'>, appIds: readonly string[] | null): string;
  /** A mutation of the tenant ran here: who made it sees it at once, also before the directory tells of it. */
  changed(tenantId: string): void;
  dispose(): void;
}

export async function createFreshness(deps: {
  readonly liveBus: Pick<LiveBus, 'subscribe'> | null;
  readonly directory: Directory;
  readonly clock: Clock;
}): Promise<Freshness> {
  const startedAt = deps.clock.now();
  const touchedAt = new Map<string, number>();
  const touch = (key: string, at: number) => {
    const known = touchedAt.get(key);
    // Two batches may carry the same time; each is a change.
    touchedAt.set(key, known === undefined || at > known ? at : known + 1);
  };
  let directoryVersion = deps.directory.current().version;
  /** Mutations that the directory may not have told of yet, by tenant. */
  const changes = new Map<string, number>();
  const releases: (() => void)[] = [
    deps.directory.onChange(({ version }) => {
      directoryVersion = version;
      changes.clear();
    }),
  ];
  if (deps.liveBus) {
    releases.push(
      await deps.liveBus.subscribe('metrics.touched', ({ tenantId, appId, at }) => {
        touch(tenantId, at);
        touch(`${tenantId}/${appId}`, at);
      }),
      await deps.liveBus.subscribe('directory.changed', ({ version }) => {
        directoryVersion = Math.max(directoryVersion, version);
      }),
    );
  }
  const at = (key: string) => touchedAt.get(key) ?? startedAt;
  return {
    tokenOf({ tenantId, appIds: own }, asked) {
      const appIds = asked ?? own;
      const data = appIds === null ? at(tenantId) : appIds.map((appId) => at(`${tenantId}/${appId}`)).join('.');
      const ran = changes.get(tenantId);
      return ran === undefined ? `${directoryVersion}-${data}` : `${directoryVersion}+${ran}-${data}`;
    },
    changed(tenantId) {
      changes.set(tenantId, (changes.get(tenantId) ?? 0) + 1);
    },
    dispose() {
      for (const release of releases) release();
    },
  };
}
