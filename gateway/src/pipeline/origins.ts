import type { Directory } from '@tributary/platform/directory';
import type { DirectorySnapshot } from '@tributary/schema';

/** Which apps let pages of an origin query (`intake.webOrigins`). Indexed once per snapshot. */
export function createOriginCheck(
  directory: Directory,
): (origin: string, holder?: { readonly tenantId: string; readonly appIds: readonly string[] | null }) => boolean {
  const indexes = new WeakMap<DirectorySnapshot, ReadonlyMap<string, readonly AppOfOrigin[]>>();
  return (origin, holder) => {
    const snapshot = directory.current();
    const index = indexes.get(snapshot) ?? indexOrigins(snapshot);
    indexes.set(snapshot, index);
    const apps = index.get(origin) ?? [];
    if (!holder) return apps.length > 0;
    const { tenantId, appIds } = holder;
    return apps.some((app) => app.tenantId === tenantId && (appIds === null || appIds.includes(app.appId)));
  };
}

interface AppOfOrigin {
  readonly appId: string;
  readonly tenantId: string;
}

function indexOrigins({ apps }: DirectorySnapshot): ReadonlyMap<string, readonly AppOfOrigin[]> {
  const index = new Map<string, AppOfOrigin[]>();
  for (const { appId, tenantId, enabled, intake } of apps) {
    if (!enabled) continue;
    for (const origin of intake?.webOrigins ?? []) {
      index.set(origin, [...(index.get(origin) ?? []), { appId, tenantId }]);
    }
  }
  return index;
}
