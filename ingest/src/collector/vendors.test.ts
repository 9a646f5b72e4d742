import { createInstance as createAmplitude } from '@amplitude/analytics-node';
import { jest } from '@jest/globals';
import { jitsuAnalytics } from '@jitsu/js';
import { OpenPanel } from '@openpanel/sdk';
import RudderAnalytics from '@rudderstack/rudder-sdk-node';
import { Analytics } from '@segment/analytics-node';
import { buildSelfDescribingEvent, newTracker } from '@snowplow/node-tracker';
import { systemClock } from '@tributary/platform/clock';
import type { CanonicalEvent } from '@tributary/schema';
import Mixpanel from 'mixpanel';
import { PostHog } from 'posthog-node';
import { eventsOf, openTestCollector, secretKey, type TestCollector, writeKey } from './collector.testing.ts';
import { type FaultyProxy, openFaultyProxy, quietLogger, retryingFetch, untilDelivered } from './vendors.testing.ts';

const count = Number(process.env['TRIBUTARY_TEST_EVENTS'] ?? 20);
/** So that even a short run makes enough requests to meet every mishap. */
const batchSize = Math.max(1, Math.min(20, Math.floor(count / 20)));
const deadlineMs = 20_000 + count * 100;
const numbers = Array.from({ length: count }, (_, n) => n);
const eventName = 'level_complete';
const personOf = (n: number): string => `u-${n}`;

/** What an SDK told the application. */
interface Report {
  /** Events that it reported as not delivered, though the application sent them again where it can. */
  readonly undelivered: number;
}

interface Row {
  readonly sdk: string;
  readonly format: string;
  /** Where the SDK itself leaves off, and what the application does about it. */
  readonly gap: string;
  /** It reports events as lost that had arrived. */
  readonly falseAlarms?: true;
  /** What the application sends again differs in a counter of the SDK's: the first stands, the repeat is told as a conflict. */
  readonly repeatsDiffer?: true;
  readonly send: (url: string) => Promise<Report>;
}

const rows: readonly Row[] = [
  { sdk: '@segment/analytics-node 3.1.0', format: 'segment', gap: 'none', send: sendSegment },
  {
    sdk: '@rudderstack/rudder-sdk-node 3.0.13',
    format: 'rudderstack',
    gap: 'gives up when an answer breaks off within its body, which is after the commit, and reports its events as lost',
    falseAlarms: true,
    send: sendRudderstack,
  },
  { sdk: 'posthog-node 5.70.0', format: 'posthog', gap: 'none', send: (url) => sendPosthog(url, 'v0') },
  {
    sdk: 'posthog-node 5.70.0, capture mode v1',
    format: 'posthog',
    gap: 'gives up when an answer breaks off within its body, which is after the commit, and reports its events as lost',
    falseAlarms: true,
    send: (url) => sendPosthog(url, 'v1'),
  },
  {
    sdk: '@amplitude/analytics-node 1.5.73',
    format: 'amplitude',
    gap: 'gives up when a connection breaks before the answer; the application sends again, under the same insert_id',
    repeatsDiffer: true,
    send: sendAmplitude,
  },
  {
    sdk: 'mixpanel 0.24.0, track',
    format: 'mixpanel',
    gap: 'never retries, makes no id, and is silent when an answer breaks off; the application gives $insert_id and time, waits with a limit, and sends again',
    send: (url) => sendMixpanel(url, 'track'),
  },
  {
    sdk: 'mixpanel 0.24.0, import_batch',
    format: 'mixpanel',
    gap: 'never retries, makes no id, and is silent when an answer breaks off; the application gives $insert_id, waits with a limit, and sends again',
    send: (url) => sendMixpanel(url, 'import_batch'),
  },
  {
    sdk: '@snowplow/node-tracker 4.8.0, POST',
    format: 'snowplow',
    gap: 'none',
    send: (url) => sendSnowplow(url, 'post'),
  },
  {
    sdk: '@snowplow/node-tracker 4.8.0, GET',
    format: 'snowplow',
    gap: 'none',
    send: (url) => sendSnowplow(url, 'get'),
  },
  {
    sdk: '@jitsu/js 1.11.0',
    format: 'jitsu',
    gap: 'never retries, and a second call makes a second id; the application gives it a fetch that retries',
    send: (url) => sendJitsu(url, retryingFetch()),
  },
  {
    sdk: '@openpanel/sdk 1.3.1',
    format: 'openpanel',
    gap: 'gives up after three retries and sends neither id nor time; the application gives __timestamp, and sends again',
    send: sendOpenpanel,
  },
];

let collector: TestCollector;
let proxy: FaultyProxy;
beforeEach(async () => {
  // Jitsu and OpenPanel write there what they also tell the application.
  for (const level of ['warn', 'error'] as const) jest.spyOn(console, level).mockImplementation(() => undefined);
  collector = await openTestCollector({ clock: systemClock });
  proxy = await openFaultyProxy(collector.url, 20_261_107);
});
afterEach(async () => {
  jest.restoreAllMocks();
  await proxy.dispose();
  await collector.dispose();
});

interface Stored {
  /** The first of each (app, format, event id), as the consumer keeps them. */
  readonly events: readonly CanonicalEvent[];
  readonly repeats: number;
  /** Repeats that say something else than the first: the consumer would put them among the dead letters. */
  readonly conflicts: number;
}

async function storedOnce(): Promise<Stored> {
  const all = eventsOf(await collector.stored());
  const byKey = new Map<string, CanonicalEvent>();
  let conflicts = 0;
  for (const event of all) {
    const key = `${event.app_id}\n${event.source_format}\n${event.event_id}`;
    const first = byKey.get(key);
    if (first === undefined) byKey.set(key, event);
    else if (first.payload_hash !== event.payload_hash) conflicts += 1;
  }
  return { events: [...byKey.values()], repeats: all.length - byKey.size, conflicts };
}

const levelOf = (event: CanonicalEvent): number => (JSON.parse(event.properties) as { level: number }).level;

describe('behind a proxy that cuts 10 % of the answers after the commit and turns 5 % of the requests away', () => {
  it.each(rows)(
    '$sdk delivers every event once, in the right fields (what it leaves to the application: $gap)',
    async ({ send, format, sdk, falseAlarms, repeatsDiffer }) => {
      const { undelivered } = await send(proxy.url);
      const { events, repeats, conflicts } = await storedOnce();
      if (!repeatsDiffer) expect(conflicts).toBe(0);
      expect(events.map(levelOf).sort((a, b) => a - b)).toEqual(numbers);
      for (const event of events) {
        expect(event).toMatchObject({
          source_format: format,
          event_name: eventName,
          event_kind: 'custom',
          user_id: personOf(levelOf(event)),
          app_id: 'app_1',
        });
        expect(Math.abs(event.occurred_at - Date.now())).toBeLessThan(deadlineMs + 60_000);
      }
      if (!falseAlarms) expect(undelivered).toBe(0);
      expect(proxy.counts['cut before the answer'] + proxy.counts['cut within the answer']).toBeGreaterThan(0);
      expect(proxy.counts['429'] + proxy.counts['503']).toBeGreaterThan(0);
      if (count > 20) console.info(`${sdk}: ${JSON.stringify({ ...proxy.counts, repeats, undelivered })}`);
    },
    deadlineMs * 2,
  );

  it(
    '@jitsu/js as it comes loses only what was turned away, and tells so: it makes one attempt',
    async () => {
      const failed = await sendJitsu(proxy.url, fetch);
      const { events, repeats } = await storedOnce();
      expect(repeats).toBe(0);
      expect(events).toHaveLength(count - proxy.counts['429'] - proxy.counts['503']);
      expect(failed.undelivered).toBeGreaterThanOrEqual(count - events.length);
    },
    deadlineMs,
  );

  it(
    '@openpanel/sdk without __timestamp loses nothing, but counts twice where an answer was cut: it sends neither id nor time',
    async () => {
      const { undelivered } = await sendOpenpanelAsIs(proxy.url);
      const { events, repeats } = await storedOnce();
      expect(new Set(events.map(levelOf)).size).toBe(count);
      expect(undelivered).toBe(0);
      expect(repeats).toBe(0);
      expect(events.length).toBeGreaterThan(count);
      for (const event of events) expect(event.flags).toEqual(['no_client_time', 'generated_id']);
    },
    deadlineMs,
  );
});

async function sendSegment(url: string): Promise<Report> {
  const analytics = new Analytics({ writeKey, host: url, path: '/v1/batch', flushAt: batchSize, maxRetries: 20 });
  let undelivered = 0;
  analytics.on('error', () => {
    undelivered += 1;
  });
  for (const n of numbers) analytics.track({ userId: personOf(n), event: eventName, properties: { level: n } });
  await analytics.closeAndFlush({ timeout: deadlineMs });
  return { undelivered };
}

async function sendRudderstack(url: string): Promise<Report> {
  const analytics = new RudderAnalytics(writeKey, {
    dataPlaneUrl: url,
    flushAt: batchSize,
    flushInterval: 200,
    retryCount: 20,
    logLevel: 'none',
    errorHandler: () => undefined,
  });
  const results = numbers.map(
    (n) =>
      new Promise<boolean>((resolve) => {
        analytics.track({ userId: personOf(n), event: eventName, properties: { level: n } }, (error?: Error) =>
          resolve(error === undefined || error === null),
        );
      }),
  );
  const delivered = await Promise.all(results);
  // Ends its timer.
  await analytics.flush();
  return { undelivered: delivered.filter((isDelivered) => !isDelivered).length };
}

async function sendPosthog(url: string, mode: 'v0' | 'v1'): Promise<Report> {
  process.env['POSTHOG_CAPTURE_MODE'] = mode;
  const client = new PostHog(writeKey, {
    host: url,
    flushAt: batchSize,
    maxBatchSize: batchSize,
    flushInterval: 50,
    fetchRetryCount: 20,
    fetchRetryDelay: 20,
  });
  delete process.env['POSTHOG_CAPTURE_MODE'];
  let undelivered = 0;
  client.on('error', () => {
    undelivered += 1;
  });
  for (const n of numbers) client.capture({ distinctId: personOf(n), event: eventName, properties: { level: n } });
  await client.shutdown(deadlineMs);
  return { undelivered };
}

async function sendAmplitude(url: string): Promise<Report> {
  const startedAt = Date.now();
  const client = createAmplitude();
  await client.init(writeKey, {
    serverUrl: `${url}/2/httpapi`,
    flushQueueSize: batchSize,
    flushIntervalMillis: 50,
    logLevel: 0,
  }).promise;
  const left = await untilDelivered(numbers, async (items) => {
    const results = await Promise.all(
      items.map(
        (n) =>
          client.track(eventName, { level: n }, { user_id: personOf(n), insert_id: `i-${n}`, time: startedAt + n })
            .promise,
      ),
    );
    return items.filter((_, index) => results[index]!.code !== 200);
  });
  return { undelivered: left.length };
}

async function sendMixpanel(url: string, method: 'track' | 'import_batch'): Promise<Report> {
  const startedAt = Date.now();
  const { host } = new URL(url);
  const config = { host, protocol: 'http', keepAlive: false, ...(method === 'import_batch' ? { key: secretKey } : {}) };
  const client = Mixpanel.init(writeKey, { ...config, logger: quietLogger });
  const propertiesOf = (n: number) => ({
    distinct_id: personOf(n),
    level: n,
    $insert_id: `i-${n}`,
    time: startedAt + n,
  });
  const left = await untilDelivered(numbers, async (items) => {
    const failed: number[][] = [];
    for (let at = 0; at < items.length; at += batchSize) {
      const some = items.slice(at, at + batchSize);
      const outcomes =
        method === 'track'
          ? await Promise.all(some.map((n) => calledBack((done) => client.track(eventName, propertiesOf(n), done))))
          : [
              await calledBack((done) =>
                client.import_batch(
                  some.map((n) => ({ event: eventName, properties: propertiesOf(n) })),
                  done as never,
                ),
              ),
            ];
      failed.push(outcomes.length === 1 ? (outcomes[0] ? [] : some) : some.filter((_, index) => !outcomes[index]));
    }
    return failed.flat();
  });
  return { undelivered: left.length };
}

/** The SDK never calls back where an answer breaks off within its body: the application must not wait for ever. */
const patienceMs = 500;

/** Whether a call told in time that there was no error. */
function calledBack(call: (done: (error?: unknown) => void) => void): Promise<boolean> {
  return new Promise((resolve) => {
    const patience = setTimeout(() => resolve(false), patienceMs);
    call((error) => {
      clearTimeout(patience);
      resolve(Array.isArray(error) ? error.every((one) => !one) : !error);
    });
  });
}

async function sendSnowplow(url: string, eventMethod: 'get' | 'post'): Promise<Report> {
  let delivered = 0;
  const tracker = newTracker(
    { namespace: 'game', appId: writeKey, encodeBase64: eventMethod === 'get' },
    {
      endpoint: url,
      eventMethod,
      bufferSize: count + 1,
      maxPostBytes: 40_000,
      onRequestSuccess: (events) => {
        delivered += events.length;
      },
    },
  );
  for (const n of numbers) {
    tracker.setUserId(personOf(n));
    tracker.track(
      buildSelfDescribingEvent({
        event: { schema: `iglu:com.acme/${eventName}/jsonschema/1-0-0`, data: { level: n } },
      }),
    );
    if ((n + 1) % batchSize === 0) await tracker.flush();
  }
  const deadline = Date.now() + deadlineMs;
  while (delivered < count && Date.now() < deadline) {
    await tracker.flush();
    // The tracker tells of a success in a task of its own.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { undelivered: count - delivered };
}

async function sendJitsu(url: string, fetchOfJitsu: typeof fetch): Promise<Report> {
  let undelivered = 0;
  const analytics = jitsuAnalytics({
    host: url,
    writeKey: `js:${writeKey}`,
    s2s: true,
    fetch: fetchOfJitsu,
    errorPolicy: () => {
      undelivered += 1;
    },
  });
  for (const n of numbers) {
    await analytics.track(eventName, { level: n }, { userId: personOf(n) });
  }
  return { undelivered };
}

function openPanel(url: string): OpenPanel {
  return new OpenPanel({ apiUrl: url, clientId: writeKey });
}

async function sendOpenpanel(url: string): Promise<Report> {
  const startedAt = Date.now();
  const client = openPanel(url);
  const left = await untilDelivered(numbers, (items) =>
    deliverOpenpanel(client, items, (n) => ({ __timestamp: new Date(startedAt + n).toISOString() })),
  );
  return { undelivered: left.length };
}

async function sendOpenpanelAsIs(url: string): Promise<Report> {
  const left = await deliverOpenpanel(openPanel(url), numbers, () => ({}));
  return { undelivered: left.length };
}

/** Those of the items that the SDK gave up: it answers null then. */
async function deliverOpenpanel(
  client: OpenPanel,
  items: readonly number[],
  more: (n: number) => Record<string, string>,
): Promise<readonly number[]> {
  const failed: number[] = [];
  await Promise.all(
    items.map(async (n) => {
      const answer = await client.track(eventName, { profileId: personOf(n), level: n, ...more(n) });
      if (answer === null) failed.push(n);
    }),
  );
  return failed;
}
