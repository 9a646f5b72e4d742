import { connect } from 'node:net';
import { WebSocket } from 'ws';
import { apiKey, collect, startTestGateway, type TestGateway, until } from './testing/harness.testing.ts';

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
