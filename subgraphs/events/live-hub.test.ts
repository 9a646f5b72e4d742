import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import {
  aCallerToken,
  aDirectory,
  aDirectoryApp,
  noWarehouse,
  silentLogger,
  someDeps,
  testSecret,
  until,
} from '../src/kit.testing.ts';
import { createSubgraphBuilder, defineSubgraph, serveSubgraph } from '../src/kit.ts';
import type { LiveSnapshot } from './domain/live.ts';
import { createLiveHub, type LiveHubDeps } from './live-hub.ts';
import { addLive } from './schema/live.ts';

const app = aDirectoryApp({ appId: 'app_a', tenantId: 'ten_a' });
const twin = aDirectoryApp({ appId: 'app_a', tenantId: 'ten_b' });
const directory = aDirectory({ apps: [app, twin] });

function aSnapshot(events: number): LiveSnapshot {
  const revenue = { amount: '0', currency: 'USD' };
  return {
    appId: 'app_a',
    window: 'LAST_HOUR',
    from: 0,
    at: Date.now(),
    totals: { events, installs: 0, sessions: 0, revenue, eventsPerSecond: 0 },
    rows: [],
  };
}

function open(options: Partial<LiveHubDeps> = {}) {
  const liveBus = createMemoryLiveBus();
  let reads = 0;
  const hub = createLiveHub({
    read: async () => {
      reads += 1;
      return aSnapshot(reads);
    },
    directory,
    liveBus,
    logger: silentLogger,
    intervalMs: 5,
    tickMs: 60_000,
    ...options,
  });
  const touch = (tenantId = 'ten_a', minutes = [60_000]) =>
    liveBus.publish('metrics.touched', { tenantId, appId: 'app_a', minutes, events: 1, at: 0 });
  return { hub, liveBus, touch, reads: () => reads };
}

describe('a live hub', () => {
  it('reads once for all who watch the same window, and not for other tenants', async () => {
    const { hub, touch, reads } = open();
    const watchers = Array.from({ length: 50 }, () => hub.subscribe(app, 'LAST_HOUR'));
    const first = await Promise.all(watchers.map((watcher) => watcher.next()));
    expect(first.map((one) => one.value.totals.events)).toEqual(Array(50).fill(1));
    expect([reads(), hub.counts().opened]).toEqual([1, 1]);
    const other = hub.subscribe(twin, 'LAST_HOUR');
    await other.next();
    expect(hub.counts().opened).toBe(2);
    touch('ten_a');
    const second = await Promise.all(watchers.map((watcher) => watcher.next()));
    expect(new Set(second.map((one) => one.value.totals.events))).toEqual(new Set([3]));
    expect(reads()).toBe(3);
    hub.dispose();
    expect(await other.next()).toEqual({ done: true, value: undefined });
  });

  it('gives who comes later the picture at once', async () => {
    const { hub, reads } = open();
    const early = hub.subscribe(app, 'LAST_HOUR');
    await early.next();
    expect((await hub.subscribe(app, 'LAST_HOUR').next()).value.totals.events).toBe(1);
    expect(reads()).toBe(1);
    hub.dispose();
  });

  it('has read once at most per interval, however often it is touched', async () => {
    const { hub, touch, reads } = open({ intervalMs: 100 });
    const watcher = hub.subscribe(app, 'LAST_HOUR');
    await watcher.next();
    const startedAt = performance.now();
    for (let seen = 0; seen < 3; seen += 1) {
      for (let i = 0; i < 200; i += 1) touch();
      await watcher.next();
    }
    expect(performance.now() - startedAt).toBeGreaterThan(250);
    expect(reads()).toBe(4);
    hub.dispose();
  });

  it('says nothing when no number changed', async () => {
    let reads = 0;
    const { hub, touch } = open({
      read: async () => {
        reads += 1;
        return aSnapshot(reads < 4 ? 1 : 2);
      },
    });
    const watcher = hub.subscribe(app, 'LAST_HOUR');
    await watcher.next();
    const next = watcher.next();
    while (reads < 4) {
      const before = reads;
      touch();
      await until(() => reads > before);
    }
    expect((await next).value.totals.events).toBe(2);
    hub.dispose();
  });

  it('passes over what is stored outside the window', async () => {
    let reads = 0;
    const { hub, touch } = open({
      read: async () => {
        reads += 1;
        return { ...aSnapshot(reads), from: 600_000 };
      },
    });
    const watcher = hub.subscribe(app, 'LAST_HOUR');
    await watcher.next();
    for (let i = 0; i < 10; i += 1) touch('ten_a', [540_000]);
    const next = watcher.next();
    touch('ten_a', [540_000, 600_000]);
    expect((await next).value.totals.events).toBe(2);
    expect(reads).toBe(2);
    hub.dispose();
  });

  it('slides without any event', async () => {
    const { hub } = open({ tickMs: 20 });
    const watcher = hub.subscribe(app, 'LAST_HOUR');
    expect([(await watcher.next()).value.totals.events, (await watcher.next()).value.totals.events]).toEqual([1, 2]);
    hub.dispose();
  });

  it('tells who waits for a first picture that it failed, and keeps those who have one', async () => {
    let reads = 0;
    const { hub, touch } = open({
      read: async () => {
        reads += 1;
        if (reads === 2) throw new Error('away');
        return aSnapshot(reads);
      },
    });
    const watcher = hub.subscribe(app, 'LAST_HOUR');
    await watcher.next();
    touch();
    await until(() => reads === 2);
    const next = watcher.next();
    touch();
    expect((await next).value.totals.events).toBe(3);
    hub.dispose();
    const failing = open({ read: async () => Promise.reject(new Error('away')) });
    await expect(failing.hub.subscribe(app, 'LAST_HOUR').next()).rejects.toThrow('away');
    expect(failing.hub.counts()).toEqual({ opened: 1, closed: 1, subscribers: 0 });
  });

  it('closes its upstreams and ends running reads when the last one leaves', async () => {
    const signals: AbortSignal[] = [];
    const { hub } = open({
      read: (_app, _window, signal) => {
        signals.push(signal);
        return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
      },
    });
    for (let round = 0; round < 200; round += 1) {
      const abort = new AbortController();
      const watchers = [hub.subscribe(app, 'LAST_HOUR'), hub.subscribe(app, 'TODAY', abort.signal)];
      const pending = watchers.map((watcher) => watcher.next());
      if (round % 2 === 0) await Promise.resolve();
      void watchers[0]!.return!();
      abort.abort();
      await Promise.all(pending);
    }
    expect(hub.counts()).toEqual({ opened: 400, closed: 400, subscribers: 0 });
    expect(signals.every((signal) => signal.aborted)).toBe(true);
  });
});

describe('subscriptions over a socket', () => {
  it('leave nothing open after many subscribed, unsubscribed and broke off', async () => {
    const { hub, touch } = open();
    const kit = createSubgraphBuilder();
    kit.builder.queryType({});
    const App = kit.builder
      .objectRef<{ readonly id: string }>('App')
      .implement({ fields: (t) => ({ id: t.exposeID('id') }) });
    const Campaign = kit.builder
      .objectRef<{ readonly id: string }>('Campaign')
      .implement({ fields: (t) => ({ id: t.exposeID('id') }) });
    const deps = someDeps({ directory: aDirectory({ apps: [app] }), warehouse: noWarehouse });
    addLive(kit, deps, { App, Campaign, hub, read: async () => aSnapshot(0) });
    const subgraph = defineSubgraph({
      name: 'events',
      builder: kit.builder,
      deps: { ...deps, signingSecret: testSecret },
    });
    const server = await serveSubgraph(subgraph, { host: '127.0.0.1', port: 0 });
    const url = server.url.replace('http', 'ws');
    const payload = {
      query: 'subscription { liveMetrics(appId: "app_a", window: LAST_HOUR) { totals { events } } }',
      extensions: { caller: aCallerToken({ tenantId: 'ten_a' }) },
    };
    let received = 0;
    for (let round = 0; round < 10; round += 1) {
      const sockets: WebSocket[] = [];
      const client = createClient({
        url,
        webSocketImpl: class extends WebSocket {
          constructor(address: string, protocols?: string | string[]) {
            super(address, protocols);
            sockets.push(this);
          }
        },
        retryAttempts: 0,
        onNonLazyError: () => undefined,
      });
      const leave = Array.from({ length: 20 }, () =>
        client.subscribe(payload, {
          next: () => {
            received += 1;
          },
          error: () => undefined,
          complete: () => undefined,
        }),
      );
      touch();
      await until(() => received >= 20 * (round + 1));
      if (round % 2 === 0) for (const one of leave) one();
      else for (const socket of sockets) socket.terminate();
      await client.dispose();
    }
    await until(() => hub.counts().subscribers === 0);
    const { opened, closed } = hub.counts();
    expect(opened).toBeGreaterThan(0);
    expect(closed).toBe(opened);
    await server.dispose();
    await subgraph.dispose();
    hub.dispose();
  });
});
