import { startTestWarehouse, type TestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import { createFirstBuilds } from './first-builds.ts';
import { createScan } from './scan.ts';
import { createScanReader } from './scan-reader.ts';
import { aDirectory, anEvent, aWorld, clearWarehouse } from './world.testing.ts';

const start = Date.parse('2026-11-24T12:00:00.000Z');

let test: TestWarehouse;
beforeAll(async () => {
  test = await startTestWarehouse();
});
afterAll(() => test?.dispose());
beforeEach(() => clearWarehouse(test.warehouse));

const insert = (...rows: readonly object[]) => test.warehouse.insertRows({ name: 'test_rows', table: 'events', rows });

const open = () => {
  const seen: string[] = [];
  const scan = createScan({
    reader: createScanReader(test.warehouse),
    position: { read: async () => 0, write: async () => undefined },
    directory: aDirectory(aWorld()),
    process: async (events) => {
      seen.push(...events.map((event) => event.ref));
      return { events: events.length, decisions: 0, journeys: 0 };
    },
    stopped: () => false,
    firstBuilds: createFirstBuilds(),
  });
  return { scan, seen };
};

describe('a scan', () => {
  it('finds events of a name that came up since it learned the names, at the latest when it learns them again', async () => {
    const { scan, seen } = open();
    await insert(anEvent('purchase', { occurred_at: start, event_id: 'p1' }));
    await scan.run({ thorough: true });
    // An own name of a goal's kind, and one that is called as its kind.
    await insert(anEvent('purchase', { occurred_at: start, event_id: 'p2', event_name: 'Order Completed' }));
    await insert(anEvent('install', { occurred_at: start, event_id: 'i1' }));
    await scan.run({ thorough: false });
    expect(seen).toContain('app_a:native:i1');
    await scan.run({ thorough: true });
    expect(seen).toContain('app_a:native:p2');
    const count = seen.length;
    await scan.run({ thorough: true });
    expect(seen).toHaveLength(count);
  });

  it('learns the names in its first run, whatever run that is', async () => {
    const { scan, seen } = open();
    await insert(anEvent('purchase', { occurred_at: start, event_id: 'p1', event_name: 'Order Completed' }));
    await scan.run({ thorough: false });
    expect(seen).toEqual(['app_a:native:p1']);
  });
});
