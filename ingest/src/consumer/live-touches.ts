import type { Clock } from '@tributary/platform/clock';
import type { LiveBus } from '@tributary/platform/live-bus';

export interface Touch {
  readonly tenantId: string;
  readonly appId: string;
  /** Epoch ms floored to the minute. */
  readonly minutes: ReadonlySet<number>;
  readonly events: number;
}

/** Publishes `metrics.touched`: the first touch of an app at once, later ones merged, one message an interval. */
export interface LiveTouches {
  add(touch: Touch): void;
  /** Publishes what is pending and stops the timers. */
  dispose(): void;
}

export function createLiveTouches(deps: {
  readonly liveBus: LiveBus;
  readonly clock: Clock;
  readonly intervalMs: number;
}): LiveTouches {
  const { liveBus, clock, intervalMs } = deps;
  /** Apps that published within the last interval; the value is what came since. */
  const apps = new Map<string, { timer: NodeJS.Timeout; pending: Touch | null }>();

  function publish(touch: Touch): void {
    liveBus.publish('metrics.touched', {
      tenantId: touch.tenantId,
      appId: touch.appId,
      minutes: [...touch.minutes].sort((left, right) => left - right),
      events: touch.events,
      at: clock.now(),
    });
  }

  function publishAndHold(key: string, touch: Touch): void {
    publish(touch);
    const timer = setTimeout(() => {
      const pending = apps.get(key)?.pending;
      apps.delete(key);
      if (pending) publishAndHold(key, pending);
    }, intervalMs);
    timer.unref();
    apps.set(key, { timer, pending: null });
  }

  return {
    add(touch) {
      const key = `${touch.tenantId} ${touch.appId}`;
      const held = apps.get(key);
      if (held) held.pending = held.pending ? merged(held.pending, touch) : touch;
      else publishAndHold(key, touch);
    },
    dispose() {
      for (const { timer, pending } of apps.values()) {
        clearTimeout(timer);
        if (pending) publish(pending);
      }
      apps.clear();
    },
  };
}

function merged(left: Touch, right: Touch): Touch {
  return { ...left, minutes: new Set([...left.minutes, ...right.minutes]), events: left.events + right.events };
}
