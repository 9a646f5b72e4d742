import { connect } from 'node:net';
import { WebSocket } from 'ws';
import { apiKey, collect, startTestGateway, type TestGateway, unmeteredKey, until } from './testing/harness.testing.ts';

/** 10,000 with TRIBUTARY_TEST_RUNS=10000; fewer by default, since the machine of a check is small. */
const runs = Number(process.env['TRIBUTARY_TEST_RUNS'] ?? 300);
const feedQuery = 'subscription { feed { text } }';

let test: TestGateway;
afterEach(() => test.dispose());

const settled = () => {
  const { opened, closed, streams, subscribers } = test.gateway.stats();
  return opened === closed && streams === 0 && subscribers === 0 && test.world.upstreams() === 0;
};

describe('subscriptions leave nothing open', () => {
  it(`after ${runs} were subscribed and unsubscribed`, async () => {
    test = await startTestGateway();
    const socket = test.socket({ key: unmeteredKey });
    for (let at = 0; at < runs; at += 50) {
      // Distinct ones, so that each has an upstream of its own; a third is left before it can have begun.
      const batch = Array.from({ length: Math.min(50, runs - at) }, (_, index) =>
        collect(socket, `subscription S${at + index} { feed { text t${at + index}: text } }`),
      );
      for (const [index, one] of batch.entries()) if (index % 3 === 0) one.stop();
      await until(
        () => test.gateway.stats().subscribers >= batch.length - Math.ceil(batch.length / 3),
        'the batch',
        20_000,
      );
      for (const one of batch) one.stop();
      await until(settled, 'opened = closed', 20_000);
    }
    await until(settled, 'opened = closed', 20_000);
    expect(test.gateway.stats().opened).toBeGreaterThan(runs / 2);
    expect(test.world.counts['feed opened']).toBe(test.world.counts['feed closed']);
  }, 600_000);

  it('after clients vanished without a word', async () => {
    test = await startTestGateway();
    const clients = Math.max(20, runs / 50);
    for (let at = 0; at < clients; at += 20) {
      const tcps = await Promise.all(
        Array.from({ length: 20 }, (_, index) => openRaw(`subscription S${at + index} { feed { text } }`)),
      );
      await until(() => test.gateway.stats().subscribers >= 20, 'the subscriptions', 20_000);
      for (const { tcp } of tcps) tcp.resetAndDestroy();
      await until(settled, 'opened = closed', 20_000);
    }
    expect(test.gateway.stats().sockets).toBe(0);
  }, 600_000);

  it('after server-sent events were cut off', async () => {
    test = await startTestGateway();
    const aborts = Array.from({ length: 20 }, () => new AbortController());
    await Promise.all(
      aborts.map(({ signal }, at) =>
        fetch(`${test.url}/graphql/stream`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${apiKey}` },
          body: JSON.stringify({ query: `subscription S${at} { feed { text } }` }),
          signal,
        }),
      ),
    );
    await until(() => test.gateway.stats().subscribers === 20);
    for (const abort of aborts) abort.abort();
    await until(settled);
  });
});

describe('a client that stops reading', () => {
  it('is cut within its bound while all others get every event', async () => {
    test = await startTestGateway({ tuning: { maxBufferedBytes: 64 * 1024, maxOperationsPerSocket: 1_000 } });
    const socket = test.socket({ key: unmeteredKey });
    const good = Array.from({ length: 20 }, () => collect(socket, feedQuery));
    await until(() => test.gateway.stats().subscribers === 20);
    const stuck = await openRaw('subscription Stuck { feed { text } }');
    await until(() => test.gateway.stats().subscribers === 21);
    stuck.stopReading();
    let sent = 0;
    await until(
      () => {
        test.world.feed('x'.repeat(20_000));
        sent += 1;
        return test.gateway.stats().subscribers === 20;
      },
      'the cut',
      30_000,
    );
    await until(() => good.every(({ results }) => results.length === sent), 'every event for the others', 30_000);
    stuck.tcp.destroy();
  }, 90_000);
});

/** A WebSocket whose TCP connection can be stalled and reset. */
async function openRaw(query: string) {
  const { hostname, port } = new URL(test.url);
  const tcp = connect({ host: hostname, port: Number(port) });
  const socket = new WebSocket(`${test.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
    createConnection: () => tcp,
  });
  socket.on('error', () => undefined);
  await new Promise<void>((resolve) => {
    socket.on('open', () =>
      socket.send(JSON.stringify({ type: 'connection_init', payload: { Authorization: `Bearer ${unmeteredKey}` } })),
    );
    socket.once('message', () => resolve());
  });
  socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query } }));
  return { tcp, stopReading: () => socket.pause() };
}
