import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { createMetrics } from '@tributary/platform/metrics';
import { busyPerSecond, createPace, leastPerSecond, longestLagMs, restOf } from './pace.ts';

const work = { tookMs: 100, events: 100_000, behindMs: 10_000 };

describe('attribution rests', () => {
  it.each([
    ['twice as long as it worked', work, 0, 200],
    ['half a second at most', { ...work, tookMs: 1_000 }, busyPerSecond - 1, 500],
    ['nine times as long while many events are stored', work, busyPerSecond, 900],
    ['the same where little came, so that more gathers', { ...work, tookMs: 20, events: 10 }, busyPerSecond, 180],
    ['half a second after little that took long', { ...work, events: 10 }, busyPerSecond, 500],
    ['no longer than the least rate allows', { ...work, tookMs: 1_000, events: 8_000 }, busyPerSecond, 3_000],
    ['as ordinarily once it is too far behind', { ...work, behindMs: longestLagMs + 1 }, busyPerSecond, 200],
  ])('%s', (_, given, perSecond, restMs) => expect(restOf(given, perSecond)).toBe(restMs));

  it('never so long that it works off less than the least rate', () => {
    for (const tookMs of [10, 100, 1_000, 3_000])
      for (const events of [leastPerSecond, 5 * leastPerSecond, 50 * leastPerSecond]) {
        const spentMs = tookMs + restOf({ tookMs, events, behindMs: 0 }, busyPerSecond);
        expect((events * 1_000) / spentMs).toBeGreaterThanOrEqual(
          Math.min(leastPerSecond, events / (tookMs / 1_000 + 0.5)),
        );
      }
  });

  it('by what the live bus says was stored in the last seconds, and shows how far it is behind', async () => {
    const liveBus = createMemoryLiveBus();
    const metrics = createMetrics('test');
    let now = 1_000_000;
    const pace = await createPace({ liveBus, clock: { now: () => now }, metrics });
    expect(pace.restMs(work)).toBe(200);
    for (let second = 0; second < 5; second += 1) {
      now += 1_000;
      const touched = { tenantId: 'ten_a', appId: 'app_a', minutes: [], events: 30_000, at: now };
      liveBus.publish('metrics.touched', touched);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    expect(pace.restMs(work)).toBe(900);
    expect(await metrics.registry.metrics()).toMatch(/tributary_attribution_lag_seconds\S* 10\n/);
    now += 10_000;
    expect(pace.restMs(work)).toBe(200);
    pace.dispose();
    await liveBus.dispose();
  });
});
