import { jest } from '@jest/globals';
import type { LiveBus } from '@tributary/platform/live-bus';
import type { LiveMessages } from '@tributary/schema';
import { createLiveTouches } from './live-touches.ts';

const touch = (appId: string, minute: number, events = 1) => ({
  tenantId: 'ten_a',
  appId,
  minutes: new Set([minute]),
  events,
});

describe('createLiveTouches', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  function setUp() {
    const heard: LiveMessages['metrics.touched'][] = [];
    const liveBus: LiveBus = {
      publish: (_, message) => void heard.push(message as LiveMessages['metrics.touched']),
      subscribe: async () => () => {},
      dispose: async () => {},
    };
    return { heard, live: createLiveTouches({ liveBus, clock: { now: () => 7 }, intervalMs: 250 }) };
  }

  it('publishes the first touch of each app at once', () => {
    const { heard, live } = setUp();
    live.add(touch('app_a', 60_000));
    live.add(touch('app_b', 60_000));
    expect(heard).toEqual([
      { tenantId: 'ten_a', appId: 'app_a', minutes: [60_000], events: 1, at: 7 },
      { tenantId: 'ten_a', appId: 'app_b', minutes: [60_000], events: 1, at: 7 },
    ]);
    live.dispose();
  });

  it('merges what comes within the interval into one message', () => {
    const { heard, live } = setUp();
    live.add(touch('app_a', 60_000));
    live.add(touch('app_a', 120_000, 2));
    live.add(touch('app_a', 60_000, 3));
    jest.advanceTimersByTime(249);
    expect(heard).toHaveLength(1);
    jest.advanceTimersByTime(1);
    expect(heard[1]).toMatchObject({ minutes: [60_000, 120_000], events: 5 });
    live.add(touch('app_a', 60_000));
    expect(heard).toHaveLength(2);
    jest.advanceTimersByTime(250);
    expect(heard).toHaveLength(3);
    jest.advanceTimersByTime(1_000);
    live.add(touch('app_a', 60_000));
    expect(heard).toHaveLength(4);
    live.dispose();
  });

  it('publishes what is pending when it is disposed of', () => {
    const { heard, live } = setUp();
    live.add(touch('app_a', 60_000));
    live.add(touch('app_a', 120_000));
    live.dispose();
    expect(heard).toHaveLength(2);
    expect(jest.getTimerCount()).toBe(0);
  });
});
