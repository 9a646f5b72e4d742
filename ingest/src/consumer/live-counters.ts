import type { Cache } from '@tributary/platform/cache';
import type { Clock } from '@tributary/platform/clock';
import type { Directory } from '@tributary/platform/directory';
import type { Logger } from '@tributary/platform/logger';
import type { Warehouse } from '@tributary/platform/warehouse';
import { dayOf, refreshLiveCounters } from '@tributary/platform/warehouse/live-counters';
import type { Touch } from './live-touches.ts';

export interface CounterUpdatesDeps {
  readonly cache: Cache;
  readonly warehouse: Warehouse;
  /** Says an app's time zone; without it all days are those of UTC. */
  readonly directory?: Pick<Directory, 'current'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The counters of an app are counted anew at most so often. */
  readonly intervalMs: number;
}

/** Keeps today's counters of the apps whose rows change in the cache. */
export interface CounterUpdates {
  /** Called after the rows of the touch are stored. */
  add(touch: Touch): void;
  /** Counts what is pending now. */
  flush(): Promise<void>;
  /** Stops, after what is being counted. */
  dispose(): Promise<void>;
}

/** Of one question. */
const appsPerQuestion = 200;

export function createCounterUpdates(deps: CounterUpdatesDeps): CounterUpdates {
  const { cache, warehouse, directory, clock, logger, intervalMs } = deps;
  /** App id → tenant id. */
  let pending = new Map<string, string>();
  let timer: NodeJS.Timeout | null = null;
  let counting: Promise<void> = Promise.resolve();
  let isDisposed = false;

  const timezones = () => new Map(directory?.current().apps.map(({ appId, timezone }) => [appId, timezone]));

  async function count(): Promise<void> {
    const apps = [...pending];
    pending = new Map();
    const zones = timezones();
    const groups = Map.groupBy(apps, ([appId, tenantId]) => JSON.stringify([tenantId, zones.get(appId) ?? 'UTC']));
    for (const [key, group] of groups) {
      const [tenantId, timezone] = JSON.parse(key) as [string, string];
      for (let from = 0; from < group.length; from += appsPerQuestion) {
        const appIds = group.slice(from, from + appsPerQuestion).map(([appId]) => appId);
        await refreshLiveCounters({ warehouse, cache, nowMs: clock.now() }, { tenantId, appIds, timezone });
      }
    }
  }

  function flush(): Promise<void> {
    if (timer) clearTimeout(timer);
    timer = null;
    counting = counting.then(count).catch((error: unknown) => {
      // Counted again with the next rows, and by a reader who finds nothing: no event is lost with it.
      logger.warn({ err: error }, 'live counters could not be counted this time');
    });
    return counting;
  }

  return {
    add({ tenantId, appId, minutes }) {
      if (isDisposed) return;
      // Half a day of slack covers all time zones: what is older changes no counter of today.
      const since = dayOf(clock.now(), 'UTC').fromMs - 14 * 3_600_000;
      if (![...minutes].some((minute) => minute >= since)) return;
      pending.set(appId, tenantId);
      if (timer) return;
      timer = setTimeout(() => void flush(), intervalMs);
      timer.unref();
    },
    flush,
    async dispose() {
      isDisposed = true;
      if (pending.size > 0) await flush();
      if (timer) clearTimeout(timer);
      await counting;
    },
  };
}
