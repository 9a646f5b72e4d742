import type { Clock } from '@tributary/platform/clock';
import type { LiveBus } from '@tributary/platform/live-bus';
import type { Metrics } from '@tributary/platform/metrics';

/**
 * How attribution yields to storing, which needs the same engine and cores: an event that waits to be stored is in no
 * figure at all, a journey may come later.
 *
 * - Ordinarily it rests twice as long as it worked, at most half a second: under load every insert would wake it, and it
 *   would ask the warehouse without end.
 * - While more than `busyPerSecond` events are stored a second it takes a tenth of the time: it rests nine times as long as
 *   it worked. What has come meanwhile is one larger page, which costs less an event.
 * - But it works off at least `leastPerSecond` of its events while there are more, and from `longestLagMs` on it does not
 *   yield any more. So what a peak leaves behind is worked off within minutes after it, and a peak without end is followed
 *   at that distance as far as the machine can.
 */
export interface Pace {
  /** Milliseconds to rest after `events` took `tookMs`, while the newest waiting events were inserted `behindMs` later. */
  restMs(work: { readonly tookMs: number; readonly events: number; readonly behindMs: number }): number;
  dispose(): void;
}

export const busyPerSecond = 20_000;
export const leastPerSecond = 2_000;
export const longestLagMs = 5 * 60_000;
const ordinary = { factor: 2, longestMs: 500 } as const;
const yieldingFactor = 9;
/** Over which the rate is taken; after it without a message nothing is stored. */
const rateWindowMs = 5_000;

export async function createPace(deps: {
  readonly liveBus: LiveBus;
  readonly clock: Clock;
  readonly metrics?: Metrics | undefined;
}): Promise<Pace> {
  const rate = createRate();
  const leave = await deps.liveBus.subscribe('metrics.touched', ({ events }) => rate.add(events, deps.clock.now()));
  const lag = deps.metrics?.gauge({
    name: 'tributary_attribution_lag_seconds',
    help: 'How much later than the event attribution works on the newest waiting one was inserted',
  });
  return {
    restMs(work) {
      lag?.set(work.behindMs / 1_000);
      return restOf(work, rate.perSecond(deps.clock.now()));
    },
    dispose: leave,
  };
}

export function restOf({ tookMs, events, behindMs }: Parameters<Pace['restMs']>[0], storedPerSecond: number): number {
  const usual = Math.min(ordinary.longestMs, ordinary.factor * tookMs);
  if (storedPerSecond < busyPerSecond || behindMs > longestLagMs) return usual;
  return Math.min(yieldingFactor * tookMs, Math.max(ordinary.longestMs, (events * 1_000) / leastPerSecond - tookMs));
}

/** Events a second over the last `rateWindowMs`, in steps of a second. */
export function createRate() {
  const bySecond = new Map<number, number>();
  return {
    add(events: number, at: number): void {
      const second = Math.floor(at / 1_000);
      bySecond.set(second, (bySecond.get(second) ?? 0) + events);
      for (const one of bySecond.keys()) if (one < second - rateWindowMs / 1_000) bySecond.delete(one);
    },
    perSecond(at: number): number {
      const from = Math.floor(at / 1_000) - rateWindowMs / 1_000;
      let events = 0;
      for (const [second, count] of bySecond) if (second >= from) events += count;
      return events / (rateWindowMs / 1_000);
    },
  };
}
