import { createInsertIds, endInserts } from './insert-ids.ts';
import { createMemoryWarehouse } from './memory-warehouse.testing.ts';

const ids = createInsertIds({ group: 'warehouse', settleMs: 0 });
const claims = (epoch: bigint, ...partitions: number[]) => partitions.map((partition) => ({ partition, epoch }));

describe('createInsertIds', () => {
  it('says for which partitions, held under which epochs, an insert stands', () => {
    expect(ids.next(claims(7n, 3, 1, 3))).toMatch(/^consumer-warehouse-e7p1\.3-[0-9a-f-]{36}$/);
    expect(ids.next([...claims(7n, 0), ...claims(9n, 2, 5)])).toMatch(/^consumer-warehouse-e7p0e9p2\.5-[0-9a-f-]{36}$/);
  });

  it('never gives the same id twice', () => {
    expect(ids.next(claims(1n, 1))).not.toBe(ids.next(claims(1n, 1)));
  });
});

describe('endInserts', () => {
  const killsOf = async (partitions: readonly number[]) => {
    const calls: (readonly [string, string])[] = [];
    const warehouse = {
      ...createMemoryWarehouse(),
      ping: async () => void calls.push(['ping', '']),
      killQueries: async (prefix: string, matching = '') => void calls.push([prefix, matching]),
    };
    await endInserts(warehouse, ids, partitions);
    return calls;
  };

  it('looks twice, once it has reached the warehouse', async () => {
    const calls = await killsOf([1]);
    expect(calls.map(([what]) => what)).toEqual(['ping', 'consumer-warehouse-', 'consumer-warehouse-']);
  });

  it.each([
    ['the partition alone', claims(7n, 1), true],
    ['the partition first', claims(7n, 1, 12), true],
    ['the partition last', claims(7n, 0, 1), true],
    ['the partition under the second epoch', [...claims(7n, 2), ...claims(8n, 1)], true],
    ['the partition under the first epoch', [...claims(7n, 1), ...claims(8n, 2)], true],
    ['one whose number begins with it', claims(7n, 12), false],
    ['one whose number ends with it', claims(7n, 21), false],
    ['an epoch of that number', claims(1n, 2), false],
  ])('ends what touches partition 1 and nothing else: %s', async (_what, held, isEnded) => {
    const [, [, matching] = ['', '']] = await killsOf([1, 30]);
    expect(new RegExp(matching).test(ids.next(held))).toBe(isEnded);
  });

  it('ends nothing when it is asked for no partition', async () => {
    expect(await killsOf([])).toEqual([]);
  });
});
