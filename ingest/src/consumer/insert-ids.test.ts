import { createInsertIds, endInserts } from './insert-ids.ts';
import { createMemoryWarehouse } from './memory-warehouse.testing.ts';

const ids = createInsertIds({ group: 'warehouse', settleMs: 0 });

describe('createInsertIds', () => {
  it('names the partitions after a prefix that all inserts of the group share', () => {
    expect(ids.next([3, 1, 3])).toMatch(/^consumer-warehouse-p1\.3-[0-9a-f-]{36}$/);
    expect(ids.next(Array.from({ length: 20 }, (_, partition) => partition))).toMatch(/^consumer-warehouse-p0\.\.19-/);
    expect(ids.next([1]).startsWith(ids.prefix)).toBe(true);
  });

  it('never gives the same id twice', () => {
    expect(ids.next([1])).not.toBe(ids.next([1]));
  });
});

describe('endInserts', () => {
  it('looks twice, once it has reached the warehouse', async () => {
    const calls: string[] = [];
    const warehouse = {
      ...createMemoryWarehouse(),
      ping: async () => void calls.push('ping'),
      killQueries: async (prefix: string) => void calls.push(prefix),
    };
    await endInserts(warehouse, ids);
    expect(calls).toEqual(['ping', ids.prefix, ids.prefix]);
  });
});
