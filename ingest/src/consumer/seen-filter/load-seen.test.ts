import { startTestWarehouse, type TestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import { aBlock, dedupeHashOf, type EventSpec } from '../blocks.testing.ts';
import { aPersistence } from '../steps/steps.testing.ts';
import { loadSeen } from './load-seen.ts';
import { createSeenFilter } from './seen-filter.ts';

const dayMs = 86_400_000;
const hourMs = 3_600_000;
const now = Date.UTC(2026, 10, 20, 12);

describe('loadSeen, from the embedded warehouse', () => {
  let test: TestWarehouse;
  const recent = Array.from({ length: 3_000 }, (_, index): EventSpec => ({ eventId: `e${index}` }));
  beforeAll(async () => {
    test = await startTestWarehouse();
    const blocks = [
      ...[0, 1, 2].map((part) =>
        aBlock({ receivedAt: now - part * 50 * hourMs, events: recent.slice(part * 1_000, part * 1_000 + 1_000) }),
      ),
      aBlock({ receivedAt: now - 20 * dayMs, events: [{ eventId: 'long ago' }] }),
    ];
    for (const { body } of blocks) {
      await test.warehouse.insertBytes({ name: 'test', table: 'events', format: 'JSONEachRow', body });
    }
  });
  afterAll(() => test?.dispose());

  const knows = (filter: ReturnType<typeof createSeenFilter>, event: EventSpec) => {
    const hash = Buffer.from(dedupeHashOf(event), 'hex');
    return filter.addAndTest(hash.readUInt32BE(0), hash.readUInt32BE(4), now);
  };
  const load = async (idsPerQuestion: number, wanted: (hi: number, lo: number) => boolean = () => true) => {
    const filter = createSeenFilter({ sliceMs: 2 * dayMs, bitsPerId: 16 });
    const ids = await loadSeen(
      { warehouse: test.warehouse, persistence: aPersistence() },
      {
        sinceMs: now - 8 * dayMs,
        sliceMs: 2 * dayMs,
        idsPerQuestion,
        filterOf: (hi, lo) => (wanted(hi, lo) ? filter : undefined),
        filters: [filter],
        share: 1,
      },
    );
    return { filter, ids };
  };

  it.each([[1_000_000], [700]])('knows every id of the last days, asked for %i at a time', async (idsPerQuestion) => {
    // Among so many hashes some end with zero bytes, which the engine likes to cut off.
    expect(recent.some((event) => dedupeHashOf(event).endsWith('00'))).toBe(true);
    const { filter, ids } = await load(idsPerQuestion);
    expect(ids).toBe(recent.length);
    expect(recent.filter((event) => !knows(filter, event))).toEqual([]);
  });

  it('does not know what is older', async () => {
    const { filter } = await load(1_000_000);
    expect(knows(filter, { eventId: 'long ago' })).toBe(false);
  });

  it('takes only the ids that are wanted', async () => {
    const { ids } = await load(1_000_000, (_, lo) => lo % 2 === 0);
    const even = recent.filter((event) => Number.parseInt(dedupeHashOf(event).slice(-1), 16) % 2 === 0);
    expect(ids).toBe(even.length);
  });
});
