import { generateBackfill } from './backfill.ts';
import { createRandom } from './random.ts';
import { ctitMs, retention, type SimulatedApp } from './world.ts';

const app: SimulatedApp = {
  appId: 'app_1',
  platform: 'android',
  currency: 'USD',
  writeKey: 'w',
  secretKey: 's',
  campaigns: [
    { campaignId: 'cmp_1', network: 'one', slug: 'a', weight: 3, quality: 1, fraudShare: 0.3 },
    { campaignId: 'cmp_2', network: 'two', slug: 'b', weight: 1, quality: 1.5, fraudShare: 0 },
  ],
};
const dayMs = 86_400_000;
const fromMs = 1_760_000_000_000;
const options = { seed: 'x', app, fromMs, toMs: fromMs + 10 * dayMs, installsPerDay: 40 };
const all = (seed: string) => [...generateBackfill({ ...options, seed })].flat();

describe('generateBackfill', () => {
  it('gives the same events for the same seed, and others for another', () => {
    expect(all('x')).toEqual(all('x'));
    expect(all('x')[0]).not.toEqual(all('y')[0]);
  });

  it('gives each event an id of its own and a time in the range, each day in time order', () => {
    const events = all('x');
    expect(new Set(events.map((event) => event['event_id'])).size).toBe(events.length);
    expect(events.every((event) => event.occurred_at < options.toMs)).toBe(true);
    for (const day of generateBackfill(options)) {
      const times = day.map((event) => event.occurred_at);
      expect(times).toEqual([...times].sort((a, b) => a - b));
    }
  });

  it('holds clicks, installs, sessions, purchases and injected installs', () => {
    const events = all('x');
    const names = new Set(events.map((event) => event.event_name));
    expect([...names].sort()).toEqual(['ad_revenue', 'click', 'install', 'purchase', 'session_start']);
    const clicks = new Map(
      events.filter((event) => event.event_name === 'click').map((event) => [event['click_id'], event]),
    );
    const injected = events.filter((event) => {
      const click = clicks.get(/click_id=([^&]+)/.exec(String(event['install_referrer'] ?? ''))?.[1]);
      return event.event_name === 'install' && click && event.occurred_at - click.occurred_at < 2_000;
    });
    expect(injected.length).toBeGreaterThan(0);
  });
});

describe('the simulated distributions', () => {
  it('has a median time from click to install of some minutes, and under 2 s for injected ones', () => {
    const random = createRandom('ctit');
    const seconds = Array.from({ length: 4_000 }, () => ctitMs(random, false) / 1_000).sort((a, b) => a - b);
    // Measured on real clicks: p50 198 s, p75 4,888 s.
    expect(seconds[2_000]).toBeGreaterThan(130);
    expect(seconds[2_000]).toBeLessThan(320);
    expect(Array.from({ length: 500 }, () => ctitMs(random, true)).every((ms) => ms < 2_000)).toBe(true);
  });

  it('retains about 40, 20 and 10 % on days 1, 7 and 30', () => {
    expect([1, 7, 30].map((day) => Math.round(retention(day) * 100))).toEqual([40, 18, 10]);
  });

  it('draws Poisson numbers with the mean asked for', () => {
    const random = createRandom('poisson');
    for (const mean of [0.5, 4, 120]) {
      const drawn = Array.from({ length: 4_000 }, () => random.poisson(mean));
      expect(drawn.reduce((sum, value) => sum + value, 0) / drawn.length / mean).toBeCloseTo(1, 1);
    }
  });
});
