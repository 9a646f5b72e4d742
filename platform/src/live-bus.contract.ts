import type { LiveMessages } from '@tributary/schema';
import type { OnListenerFault } from './live-bus/topic-listeners.ts';
import type { LiveBus, LiveCursor } from './live-bus.ts';

type Touched = LiveMessages['metrics.touched'];

/** Openings that hear each other, as processes do; the first may be the only one. */
export interface LiveBusUnderTest {
  readonly buses: readonly LiveBus[];
  dispose(): Promise<void>;
}

/** What `open` hands to the adapters: whom to tell of faults, and how many messages of a topic are held. */
export interface LiveBusContractOptions {
  readonly onListenerFault: OnListenerFault;
  readonly history: number;
}

/** What every adapter of the live bus promises. */
export function describeLiveBusContract(
  name: string,
  open: (options: LiveBusContractOptions) => Promise<LiveBusUnderTest>,
): void {
  describe(`live bus: ${name}`, () => {
    let under: LiveBusUnderTest;
    let faults: unknown[];
    beforeEach(async () => {
      faults = [];
      under = await open({ onListenerFault: (error) => faults.push(error), history: 50 });
    });
    afterEach(() => under.dispose());
    const first = (): LiveBus => under.buses[0]!;

    it('brings each message to every subscriber once, in order, whichever opening publishes', async () => {
      for (const publisher of under.buses) {
        const heard = await Promise.all(under.buses.map((bus) => collect(bus)));
        const messages = Array.from({ length: 50 }, (_, at) => touched(at));
        for (const message of messages) publisher.publish('metrics.touched', message);
        // The sentinel comes last, so that an echo of any message would have come before it.
        publisher.publish('metrics.touched', touched(-1));
        for (const { received, until, end } of heard) {
          await until(() => received.some(({ at }) => at === -1));
          expect(received.slice(0, -1)).toEqual(messages);
          end();
        }
      }
    });

    it('keeps topics apart', async () => {
      const attributed: unknown[] = [];
      const end = await first().subscribe('install.attributed', (message) => attributed.push(message));
      const { received, until } = await collect(first());
      first().publish('metrics.touched', touched(1));
      first().publish('install.attributed', { tenantId: 't', appId: 'a', installId: 'i', revision: 1, at: 2 });
      await until(() => received.length === 1 && attributed.length === 1);
      expect(attributed).toEqual([{ tenantId: 't', appId: 'a', installId: 'i', revision: 1, at: 2 }]);
      end();
    });

    it('brings nothing more after unsubscribing, and leaves other subscribers alone', async () => {
      const gone = await collect(first());
      const stays = await collect(first());
      gone.end();
      gone.end();
      first().publish('metrics.touched', touched(1));
      await stays.until(() => stays.received.length === 1);
      expect(gone.received).toEqual([]);
    });

    it('does not let a subscriber that throws harm the publisher or the others', async () => {
      const end = await first().subscribe('metrics.touched', () => {
        throw new Error('a bug of the subscriber');
      });
      const { received, until } = await collect(first());
      first().publish('metrics.touched', touched(1));
      await until(() => received.length === 1);
      expect(faults).toEqual([new Error('a bug of the subscriber')]);
      end();
    });

    it('goes on after the cursor of a message with all that was published since, in order, then with what comes', async () => {
      const publisher = under.buses.at(-1)!;
      const before = await collect(first());
      for (const at of [1, 2]) publisher.publish('metrics.touched', touched(at));
      await before.until(() => before.received.length === 2);
      before.end();
      for (const at of [3, 4]) publisher.publish('metrics.touched', touched(at));
      const late = await collect(first(), before.cursors[0]);
      publisher.publish('metrics.touched', touched(5));
      await late.until(() => late.received.some(({ at }) => at === 5));
      expect(late.received.map(({ at }) => at)).toEqual([2, 3, 4, 5]);
      expect(late.cursors[0]).toBe(before.cursors[1]);
    });

    it('brings what is published while a subscription is resumed once, and in order', async () => {
      const heard = await collect(first());
      first().publish('metrics.touched', touched(0));
      await heard.until(() => heard.received.length === 1);
      const resuming = collect(first(), heard.cursors[0]);
      for (let at = 1; at <= 40; at += 1) {
        first().publish('metrics.touched', touched(at));
        if (at % 10 === 0) await new Promise(setImmediate);
      }
      const resumed = await resuming;
      await resumed.until(() => resumed.received.length >= 40);
      expect(resumed.received.map(({ at }) => at)).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
    });

    it('brings only what follows after the newest cursor', async () => {
      const heard = await collect(first());
      first().publish('metrics.touched', touched(1));
      await heard.until(() => heard.received.length === 1);
      const resumed = await collect(first(), heard.cursors[0]);
      first().publish('metrics.touched', touched(2));
      await resumed.until(() => resumed.received.length === 1);
      expect(resumed.received.map(({ at }) => at)).toEqual([2]);
    });

    it('rejects a cursor that is no longer held, or never was, with CURSOR_EXPIRED', async () => {
      const heard = await collect(first());
      // Ten times what is held: a server may hold somewhat more than it must.
      for (let at = 0; at < 500; at += 1) {
        first().publish('metrics.touched', touched(at));
        // Who is behind by more than is held may miss some.
        if (at % 25 === 24) await heard.until(() => heard.received.length === at + 1);
      }
      for (const cursor of [heard.cursors[0]!, 'no cursor', '0-0', '99999999999999-0']) {
        await expect(collect(first(), cursor)).rejects.toMatchObject({ code: 'CURSOR_EXPIRED' });
      }
      expect((await collect(first(), heard.cursors[470])).end).toBeInstanceOf(Function);
    });

    it('is silent once disposed, and may be disposed twice', async () => {
      const { received } = await collect(first());
      await Promise.all([first().dispose(), first().dispose()]);
      expect(() => first().publish('metrics.touched', touched(1))).not.toThrow();
      (await first().subscribe('metrics.touched', () => undefined))();
      await new Promise(setImmediate);
      expect(received).toEqual([]);
    });
  });
}

function touched(at: number): Touched {
  return { tenantId: 'ten_1', appId: 'app_1', minutes: [60_000, 120_000], events: 3, at };
}

async function collect(bus: LiveBus, after?: LiveCursor) {
  const received: Touched[] = [];
  const cursors: LiveCursor[] = [];
  const end = await bus.subscribe(
    'metrics.touched',
    (message, cursor) => {
      received.push(message);
      cursors.push(cursor);
    },
    { after },
  );
  const until = async (condition: () => boolean): Promise<void> => {
    const deadline = Date.now() + 10_000;
    while (!condition()) {
      if (Date.now() > deadline) throw new Error(`Only ${received.length} messages came.`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };
  return { received, cursors, until, end };
}
