import type { Cache } from '@tributary/platform/cache';
import type { Clock } from '@tributary/platform/clock';
import { type DirectoryApp, deviceIdFields, sha256Hex } from '@tributary/schema';

/** A click as a deferred deep link needs it. */
export interface RecentClick {
  readonly clickId: string;
  readonly linkId: string;
  /** null = the link opens nothing particular. */
  readonly deepLinkPath: string | null;
  /** Epoch ms. */
  readonly clickedAt: number;
}

/** What names the device that clicked or asks. */
export interface ClickNames {
  readonly clickId?: string | null;
  /** By field; hashed where the app hashes them. */
  readonly deviceIds?: Readonly<Partial<Record<(typeof deviceIdFields)[number], string>>>;
  /** Address and system, for the match by likeness; absent = not looked at. */
  readonly likeness?: string | null;
}

/** The clicks of the last time, kept in the cache, where all processes find them. */
export interface RecentClicks {
  /** Resolves when the cache has it. Never rejects: a click that is not remembered only opens no deep link. */
  remember(app: DirectoryApp, names: ClickNames, click: RecentClick): Promise<void>;
  /** The click that was named, else the device's last within the lookback window; null = none is known. */
  find(app: DirectoryApp, names: ClickNames): Promise<RecentClick | null>;
  readonly byLikeness: boolean;
}

export interface RecentClicksDeps {
  /** Bounds how much is kept; the oldest go first. */
  readonly cache: Cache;
  readonly clock: Clock;
  /**
   * Match by address and system where nothing else is known, for an hour after the click. Off by default: behind one
   * address there are many people, so that some would be shown what another one had clicked.
   */
  readonly byLikeness?: boolean;
}

const hourMs = 3_600_000;

/**
 * @example
 * const clicks = createRecentClicks({ cache, clock });
 * await clicks.find(app, { clickId: 'clk_…' }); // { deepLinkPath: '/summer', … }
 */
export function createRecentClicks({ cache, clock, byLikeness = false }: RecentClicksDeps): RecentClicks {
  const keysOf = (app: DirectoryApp, names: ClickNames): string[] => {
    const prefix = `${app.tenantId}:deep-link:${app.appId}`;
    // Names are hashed: a cache is no place for ids of devices, nor for texts of any length.
    const key = (kind: string, name: string) => `${prefix}:${kind}:${sha256Hex(name).slice(0, 32)}`;
    const keys = names.clickId ? [key('click', names.clickId)] : [];
    for (const field of deviceIdFields) {
      const id = names.deviceIds?.[field];
      if (id) keys.push(key(field, id.toLowerCase()));
    }
    if (byLikeness && names.likeness) keys.push(key('likeness', names.likeness));
    return keys;
  };
  return {
    byLikeness,
    async remember(app, names, click) {
      const text = JSON.stringify(click);
      const lookbackMs = app.clickLookbackHours * hourMs;
      await Promise.allSettled(
        keysOf(app, names).map((key) =>
          cache.set(key, text, { ttlMs: key.includes(':likeness:') ? Math.min(hourMs, lookbackMs) : lookbackMs }),
        ),
      );
    },
    async find(app, names) {
      const oldest = clock.now() - app.clickLookbackHours * hourMs;
      for (const key of keysOf(app, names)) {
        const click = parseClick(await cache.get(key).catch(() => null));
        if (click !== null && click.clickedAt >= oldest) return click;
      }
      return null;
    },
  };
}

function parseClick(text: string | null): RecentClick | null {
  if (text === null) return null;
  const { clickId, linkId, deepLinkPath, clickedAt } = JSON.parse(text) as Record<string, unknown>;
  return typeof clickId === 'string' && typeof linkId === 'string' && typeof clickedAt === 'number'
    ? { clickId, linkId, clickedAt, deepLinkPath: typeof deepLinkPath === 'string' ? deepLinkPath : null }
    : null;
}
