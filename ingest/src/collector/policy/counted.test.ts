import { createLogger } from '@tributary/platform/logger';
import { createMetrics } from '@tributary/platform/metrics';
import { createOpsAnswers } from '@tributary/platform/ops-server';
import { defaultIntakePolicy } from '@tributary/schema';
import {
  aDirectory,
  aKey,
  anApp,
  anEvent,
  aSnapshot,
  eventsOf,
  openTestCollector,
  writeKey,
} from '../collector.testing.ts';

/** Over HTTP, as the role runs it. */
describe('a collector whose app has a policy and whose key has a quota', () => {
  it('answers what it leaves out as accepted, refuses what is too much, and counts both', async () => {
    const metrics = createMetrics('collector');
    const intake = {
      ...defaultIntakePolicy,
      blockedEvents: ['debug'],
      sampling: [{ eventName: 'tick', keep: 0 }],
      webOrigins: ['https://shop.example'],
    };
    const snapshot = aSnapshot({ apps: [anApp({ intake })], keys: [aKey(writeKey, { dailyQuota: 4 })] });
    const collector = await openTestCollector({
      metrics,
      ops: createOpsAnswers({ role: 'collector', metrics, ready: async () => ({ ok: true, checks: {} }) }),
      directory: aDirectory(snapshot),
    });
    try {
      const batch = ['debug', 'tick', 'tick', 'kept'].map((event_name, id) =>
        anEvent({ event_name, event_id: `e-${id}` }),
      );
      const foreign = await collector.post(JSON.stringify(anEvent()), { origin: 'https://evil.example' });
      expect([foreign.status, ((await foreign.json()) as { error: { code: string } }).error.code]).toEqual([
        403,
        'REQUEST_BLOCKED',
      ]);
      const taken = await collector.post(JSON.stringify({ batch }), { origin: 'https://shop.example' });
      expect([taken.status, await taken.json()]).toMatchObject([200, { accepted: 4, rejected: [] }]);
      const refused = await collector.post(JSON.stringify(anEvent()));
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, String(12 * 3_600)]);
      await refused.text();
      expect(eventsOf(await collector.stored()).map(({ event_name }) => event_name)).toEqual(['kept']);
      const text = await (await fetch(`${collector.url}/metrics`)).text();
      expect(text).toMatch(/events_total\{verdict="accepted",role="collector"\} 1\n/);
      expect(text).toMatch(/events_total\{verdict="blocked",role="collector"\} 1\n/);
      expect(text).toMatch(/events_total\{verdict="sampled_out",role="collector"\} 2\n/);
      expect(text).toMatch(/refused_requests_total\{status="403",role="collector"\} 1\n/);
      expect(text).toMatch(/refused_requests_total\{status="429",role="collector"\} 1\n/);
      expect(text).toMatch(/quota_unshared_total\{role="collector"\} 0\n/);
    } finally {
      await collector.dispose();
    }
  });

  it('says once of an entry that it can’t use, and not again at each change of the directory', async () => {
    const told: unknown[] = [];
    const logger = createLogger('collector', 'silent');
    logger.warn = ((facts: unknown) => told.push(facts)) as typeof logger.warn;
    const snapshot = aSnapshot({
      apps: [anApp({ intake: { ...defaultIntakePolicy, blockedIps: ['10.0.0.0/40', '10.0.0.1'] } })],
    });
    const listeners: ((changed: typeof snapshot) => void)[] = [];
    const directory = {
      ...aDirectory(snapshot),
      onChange: (listener: (changed: typeof snapshot) => void) => {
        listeners.push(listener);
        return () => undefined;
      },
    };
    const collector = await openTestCollector({ directory, logger });
    for (const listener of listeners) listener({ ...snapshot, version: 2 });
    await collector.dispose();
    expect(told).toEqual([{ appId: 'app_1', fault: expect.stringContaining('10.0.0.0/40') }]);
  });
});
