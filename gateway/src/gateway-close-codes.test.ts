import { createMetrics } from '@tributary/platform/metrics';
import { limits } from '@tributary/schema';
import { WebSocket } from 'ws';
import { apiKey, startTestGateway, type TestGateway, until } from './testing/harness.testing.ts';

const init = { type: 'connection_init', payload: { Authorization: `Bearer ${apiKey}` } };
const subscribe = { id: '1', type: 'subscribe', payload: { query: 'subscription { feed { text } }' } };

interface Dialled {
  readonly socket: WebSocket;
  readonly closed: Promise<number>;
  send(message: unknown): void;
}

let test: TestGateway;
const sockets: WebSocket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  await test.dispose();
});

/** A connection of the given subprotocols. `closed` tells its close code; 0 = the client itself refused the handshake. */
function dial(protocols: readonly string[] = ['graphql-transport-ws'], headers: Record<string, string> = {}): Dialled {
  const socket = new WebSocket(`${test.url.replace('http', 'ws')}/graphql`, [...protocols], {
    headers,
  });
  sockets.push(socket);
  const closed = new Promise<number>((resolve) => {
    socket.on('close', resolve);
    socket.on('error', () => resolve(0));
  });
  return {
    socket,
    closed,
    send: (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
  };
}

const opened = (socket: WebSocket) => new Promise<void>((resolve) => socket.once('open', () => resolve()));
const message = (socket: WebSocket) => new Promise<void>((resolve) => socket.once('message', () => resolve()));

/** A connection that runs one subscription. */
async function subscribed(headers: Record<string, string> = {}, greeting: object = init): Promise<Dialled> {
  const dialled = dial(undefined, headers);
  await opened(dialled.socket);
  dialled.send(greeting);
  await message(dialled.socket);
  dialled.send(subscribe);
  await until(() => test.gateway.stats().subscribers > 0);
  return dialled;
}

async function sessionCookie(): Promise<string> {
  const response = await fetch(`${test.url}/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ apiKey }),
  });
  return (response.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
}

describe('a WebSocket is closed with', () => {
  it.each<[number, string, readonly unknown[]]>([
    [1009, 'a frame is over the limit', ['x'.repeat(limits.graphqlBodyBytes + 1)]],
    [4400, 'a message is no JSON', ['{']],
    [4400, 'a message is of no known type', [{ type: 'start' }]],
    [4401, 'it subscribes before it was acknowledged', [subscribe]],
    [4403, 'its key is not known', [{ type: 'connection_init', payload: { Authorization: 'Bearer nothing' } }]],
    [4403, 'it gives no key', [{ type: 'connection_init' }]],
    [4408, 'it says nothing', []],
    [4409, 'an id is taken twice', [init, subscribe, subscribe]],
    [4429, 'it is initialised twice', [init, init]],
  ])('%d when %s', async (code, _when, [first, ...rest]) => {
    test = await startTestGateway({ tuning: { initTimeoutMs: code === 4408 ? 50 : 20_000 } });
    const { socket, closed, send } = dial();
    await opened(socket);
    // What follows goes out after the acknowledgement, as the protocol wants it.
    socket.once('message', () => rest.forEach(send));
    if (first !== undefined) send(first);
    expect(await closed).toBe(code);
  });

  it.each<[number, readonly string[]]>([
    [4406, []],
    [0, ['graphql-ws']],
  ])('%d when its subprotocols are %j', async (code, protocols) => {
    test = await startTestGateway();
    expect(await dial(protocols).closed).toBe(code);
  });

  it('4401 when its session expires', async () => {
    test = await startTestGateway({ sessionTtlMs: 2_000 });
    const { closed } = await subscribed(
      { cookie: await sessionCookie(), origin: test.url },
      { type: 'connection_init' },
    );
    expect(await closed).toBe(4401);
  });

  it('4403 when its key is revoked', async () => {
    test = await startTestGateway();
    const { closed } = await subscribed();
    test.directory.change(apiKey, { enabled: false });
    expect(await closed).toBe(4403);
  });

  it('4500 when the gateway itself fails', async () => {
    test = await startTestGateway();
    const { socket, closed, send } = dial();
    await opened(socket);
    const { directory } = test;
    const current = directory.current;
    Object.assign(directory, {
      current: () => {
        throw new Error('a fault of ours');
      },
    });
    send(init);
    expect(await closed).toBe(4500);
    Object.assign(directory, { current });
    expect((await test.query('{ now }')).status).toBe(200);
  });

  it('1013 when its reader is too slow', async () => {
    const metrics = createMetrics('gateway');
    test = await startTestGateway({ tuning: { maxBufferedBytes: 64 * 1024 }, metrics });
    const { socket, closed, send } = await subscribed();
    // Several streams: one alone waits for its reader, and ends when its queue is full.
    for (const id of ['2', '3']) send({ ...subscribe, id });
    await until(() => test.gateway.stats().subscribers === 3);
    socket.pause();
    const slowSockets = metrics.counter({ name: 'tributary_gateway_slow_sockets_total', help: '' });
    while ((await slowSockets.get()).values[0]?.value !== 1) {
      test.world.feed('x'.repeat(100_000));
      await new Promise((resolve) => setImmediate(resolve));
    }
    // It hears so if it reads on before the connection is ended for good.
    socket.resume();
    expect(await closed).toBe(1013);
  });

  it('1001 when the gateway ends', async () => {
    test = await startTestGateway();
    const { closed } = await subscribed();
    await test.gateway.dispose();
    expect(await closed).toBe(1001);
  });
});
