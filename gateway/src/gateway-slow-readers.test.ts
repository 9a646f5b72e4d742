import { connect } from 'node:net';
import { WebSocket } from 'ws';
import { apiKey, collect, startTestGateway, type TestGateway, unmeteredKey, until } from './testing/harness.testing.ts';

const feedQuery = 'subscription { feed { text } }';
let test: TestGateway;
afterEach(() => test.dispose());

describe('slow readers', () => {
  it('of a feed are cut, the others go on', async () => {
    test = await startTestGateway({ tuning: { maxBufferedBytes: 64 * 1024 } });
    const good = collect(test.socket(), feedQuery);
    const stuck = await stuckSubscriber(test.url, [
      feedQuery,
      'subscription B { feed { text } }',
      'subscription C { feed { text } }',
    ]);
    await until(() => test.gateway.stats().subscribers === 4);
    const text = 'x'.repeat(100_000);
    let sent = 0;
    await until(
      () => {
        test.world.feed(text);
        sent += 1;
        const { subscribers, sockets } = test.gateway.stats();
        return subscribers === 1 && sockets === 1;
      },
      'the cut',
      15_000,
    );
    stuck.end();
    await until(() => good.results.length === sent);
    expect(good.results.every((result) => !result.errors)).toBe(true);
  });

  it('of totals skip payloads, and are whole again when they read on', async () => {
    test = await startTestGateway();
    const query =
      'subscription { liveMetrics(appId: 1) { sequence rows { installs campaign { id big(bytes: 200000) } } } }';
    const stuck = await stuckSubscriber(test.url, [query]);
    await until(() => test.world.upstreams() === 1);
    for (let at = 0; at < 60; at += 1) {
      test.world.emit([{ campaign: `cmp_${at % 30}`, installs: at }]);
      await until(() => (test.world.counts['campaign entities'] ?? 0) >= at + 1);
    }
    stuck.readOn();
    await until(
      () => stuck.payloads().length > 0 && (stuck.payloads().at(-1)?.rows.length ?? 0) === 30,
      'a whole payload',
      10_000,
    );
    const payloads = stuck.payloads();
    expect(payloads.length).toBeLessThan(60);
    expect(new Set(payloads.at(-1)?.rows.map((row) => row.installs))).toEqual(
      new Set(Array.from({ length: 30 }, (_, at) => 30 + at)),
    );
    stuck.end();
  });
});

describe('a client that stops reading, beside 999 others', () => {
  it.each([
    // Three streams of large payloads on one connection.
    ['by the bytes that it leaves unread', { maxBufferedBytes: 64 * 1024 }, 3],
    ['by the ping that it does not answer', { pingIntervalMs: 2_000 }, 1],
  ] as const)(
    'is cut %s, and they get every event',
    async (bound, tuning, streams) => {
      test = await startTestGateway({ tuning: { maxOperationsPerSocket: 100, ...tuning } });
      const sockets = Array.from({ length: 10 }, () => test.socket({ key: unmeteredKey }));
      const good = Array.from({ length: 999 }, (_, at) => collect(sockets[at % 10]!, feedQuery));
      const stuck = await stuckSubscriber(
        test.url,
        Array.from(
          { length: streams },
          (_, at) => `subscription S${at} { liveMetrics(appId: 1) { rows { campaign { big(bytes: 200000) } } } }`,
        ),
      );
      await until(() => test.gateway.stats().subscribers === 999 + streams, 'the subscribers', 60_000);
      const took: number[] = [];
      let sent = 0;
      const stalledAt = performance.now();
      let cutAfterMs = Number.NaN;
      while (sent < 20 || Number.isNaN(cutAfterMs)) {
        const startedAt = performance.now();
        test.world.emit([{ campaign: `cmp_${sent % 30}`, installs: sent }]);
        test.world.feed('an event');
        sent += 1;
        await until(() => good.every(({ results }) => results.length === sent), 'every event for the others', 30_000);
        took.push(performance.now() - startedAt);
        if (Number.isNaN(cutAfterMs) && test.gateway.stats().sockets === 10) cutAfterMs = performance.now() - stalledAt;
      }
      stuck.end();
      took.sort((a, b) => a - b);
      process.stdout.write(
        `cut ${bound} after ${cutAfterMs.toFixed(0)} ms and ${sent} events; the last of 999 had its event after p50 ${took[sent >> 1]!.toFixed(1)} ms, p99 ${took[Math.floor(sent * 0.99)]!.toFixed(1)} ms\n`,
      );
      expect(test.gateway.stats().subscribers).toBe(999);
      expect(good.every(({ results }) => results.every(({ errors }) => !errors))).toBe(true);
    },
    120_000,
  );
});

interface LivePayload {
  readonly sequence: number;
  readonly rows: readonly { installs: number }[];
}

/** A WebSocket client whose kernel buffer is never read until told to. */
async function stuckSubscriber(url: string, queries: readonly string[]) {
  const { hostname, port } = new URL(url);
  const tcp = connect({ host: hostname, port: Number(port) });
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
    createConnection: () => tcp,
  });
  socket.on('error', () => undefined);
  const payloads: LivePayload[] = [];
  await new Promise<void>((resolve) => {
    socket.on('open', () =>
      socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${apiKey}` } })),
    );
    socket.on('message', (data) => {
      const message = JSON.parse(String(data)) as { type: string; payload?: { data: { liveMetrics: LivePayload } } };
      if (message.type === 'connection_ack') resolve();
      if (message.type === 'next' && message.payload?.data.liveMetrics) payloads.push(message.payload.data.liveMetrics);
    });
  });
  for (const [at, query] of queries.entries()) {
    socket.send(JSON.stringify({ id: String(at), type: 'subscribe', payload: { query } }));
  }
  socket.pause();
  return {
    readOn: () => socket.resume(),
    payloads: () => payloads,
    end: () => socket.terminate(),
  };
}
