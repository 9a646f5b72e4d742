import type { LiveMessages } from '@tributary/schema';
import type { OnListenerFault } from './live-bus/topic-listeners.ts';
import type { LiveBus } from './live-bus.ts';

type Touched = LiveMessages['metrics.touched'];

/** Openings that hear each other, as processes do; the first may be the only one. */
export interface LiveBusUnderTest {
  readonly buses: readonly LiveBus[];
  dispose(): Promise<void>;
}

/** What every adapter of the live bus promises. `open` hands `onListenerFault` to the adapters. */
export function describeLiveBusContract(
  name: string,
  open: (options: { readonly onListenerFault: OnListenerFault }) => Promise<LiveBusUnderTest>,
): void {
  describe(`live bus: ${name}`, () => {
    let under: LiveBusUnderTest;
    let faults: unknown[];
    beforeEach(async () => {
      faults = [];
      under = await open({ onListenerFault: (error) => faults.push(error) });
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

async function collect(bus: LiveBus) {
  const received: Touched[] = [];
  const end = await bus.subscribe('metrics.touched', (message) => received.push(message));
  const until = async (condition: () => boolean): Promise<void> => {
    const deadline = Date.now() + 10_000;
    while (!condition()) {
      if (Date.now() > deadline) throw new Error(`Only ${received.length} messages came.`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };
  return { received, until, end };
}
