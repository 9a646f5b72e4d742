import { fork } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describeLiveBusContract } from '../live-bus.contract.ts';
import type { LiveBus } from '../live-bus.ts';
import { bridgeLiveBus, type ChildChannel, type IpcChannel, type LiveTransfer, openIpcLiveBus } from './ipc.ts';
import { createMemoryLiveBus } from './memory.ts';

describeLiveBusContract('IPC, a parent and two children', async (options) => {
  const parent = createMemoryLiveBus(options);
  const children = [channelPair(), channelPair()].map(({ parentEnd, childEnd }) => {
    bridgeLiveBus(parent, parentEnd);
    return openIpcLiveBus({ channel: childEnd, ...options });
  });
  await new Promise(setImmediate);
  const buses: LiveBus[] = [...children, parent];
  return { buses, dispose: async () => void (await Promise.all(buses.map((bus) => bus.dispose()))) };
});

describe('openIpcLiveBus', () => {
  it('refuses a process without a channel', () => {
    const { childEnd } = channelPair();
    const { send: _, ...without } = childEnd;
    expect(() => openIpcLiveBus({ channel: without as IpcChannel })).toThrow('no channel');
  });

  it('lets other kinds of messages on the channel pass', async () => {
    const { parentEnd, childEnd } = channelPair();
    const bus = openIpcLiveBus({ channel: childEnd });
    const heard: unknown[] = [];
    await bus.subscribe('directory.changed', (message) => heard.push(message));
    const raw = parentEnd as unknown as { send(message: unknown, callback: () => void): boolean };
    for (const other of [
      'text',
      null,
      { kind: 'ready' },
      { kind: 'live', envelopes: [{ topic: 'unknown', message: {} }] },
    ]) {
      raw.send(other, () => undefined);
    }
    raw.send({ kind: 'live', envelopes: [{ topic: 'directory.changed', message: { version: 7 } }] }, () => undefined);
    while (heard.length === 0) await new Promise(setImmediate);
    expect(heard).toEqual([{ version: 7 }]);
    await bus.dispose();
  });
});

describe('bridgeLiveBus', () => {
  it('bridges a forked process both ways without echo, and ends with it', async () => {
    const bus = createMemoryLiveBus();
    const child = fork(fileURLToPath(new URL('./ipc-child.testing.ts', import.meta.url)), { stdio: 'inherit' });
    const ended = once(child, 'exit');
    try {
      await once(child, 'message');
      bridgeLiveBus(bus, child as ChildChannel);
      const heard: number[] = [];
      await bus.subscribe('directory.changed', ({ version }) => heard.push(version));
      for (const version of [1, 2]) bus.publish('directory.changed', { version });
      const deadline = Date.now() + 20_000;
      while (heard.length < 4 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
      expect(heard).toEqual([1, 2, -1, -2]);
      bus.publish('directory.changed', { version: 0 });
      expect((await ended)[0]).toBe(0);
      expect(() => bus.publish('directory.changed', { version: 3 })).not.toThrow();
      expect(child.listenerCount('message')).toBe(0);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('hands on all that was published in one go in one write, in its order', async () => {
    const bus = createMemoryLiveBus();
    const writes: number[][] = [];
    const child = Object.assign(new EventEmitter(), {
      connected: true,
      send: ({ envelopes }: LiveTransfer, taken: () => void) => {
        writes.push(envelopes.map(({ message }) => (message as { version: number }).version));
        taken();
        return true;
      },
    });
    const end = bridgeLiveBus(bus, child as unknown as ChildChannel);
    await new Promise(setImmediate);
    for (const burst of [[1, 2, 3], [4]]) {
      for (const version of burst) bus.publish('directory.changed', { version });
      await new Promise(setImmediate);
    }
    expect(writes).toEqual([[1, 2, 3], [4]]);
    end();
  });

  it('drops messages to a child that takes none, and keeps taking from it', async () => {
    const bus = createMemoryLiveBus();
    const stuck = Object.assign(new EventEmitter(), {
      connected: true,
      sent: 0,
      send: ({ envelopes }: LiveTransfer) => {
        stuck.sent += envelopes.length;
        return true;
      },
    });
    const end = bridgeLiveBus(bus, stuck as unknown as ChildChannel);
    await new Promise(setImmediate);
    for (let version = 1; version <= 5_000; version += 1) bus.publish('directory.changed', { version });
    await new Promise(setImmediate);
    expect(stuck.sent).toBe(1_000);
    end();
  });
});

/** Two ends of a channel that copies messages, later, as a real one does. */
function channelPair(): { parentEnd: ChildChannel; childEnd: IpcChannel } {
  const parent = new EventEmitter();
  const child = new EventEmitter();
  const sendTo = (other: EventEmitter) => (message: unknown, callback: (error: Error | null) => void) => {
    const copy = structuredClone(message);
    setImmediate(() => {
      other.emit('message', copy);
      callback(null);
    });
    return true;
  };
  return {
    parentEnd: Object.assign(parent, { connected: true, send: sendTo(child) }) as unknown as ChildChannel,
    childEnd: Object.assign(child, { connected: true, send: sendTo(parent) }) as unknown as IpcChannel,
  };
}
