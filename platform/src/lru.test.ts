import fc from 'fast-check';
import { createLru } from './lru.ts';

/** The same by the order of insertion of a Map: short, and slow where it is busy. */
function createModel(maxEntries: number) {
  const entries = new Map<number, number>();
  const put = (key: number, value: number) => {
    entries.delete(key);
    entries.set(key, value);
  };
  return {
    entries,
    get(key: number) {
      const value = entries.get(key);
      if (value !== undefined) put(key, value);
      return value;
    },
    set(key: number, value: number) {
      put(key, value);
      if (entries.size > maxEntries) entries.delete(entries.keys().next().value as number);
    },
    delete: (key: number) => void entries.delete(key),
    clear: () => entries.clear(),
  };
}

const key = fc.nat(6);
const step = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(fc.constant('get' as const), key) },
  { weight: 5, arbitrary: fc.tuple(fc.constant('set' as const), key, fc.nat(99)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('delete' as const), key) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('clear' as const)) },
);

describe('createLru', () => {
  it('keeps what a map in the order of use would keep', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 60 }), (maxEntries, steps) => {
        const [lru, model] = [createLru<number, number>(maxEntries), createModel(maxEntries)];
        for (const [what, at = 0, value = 0] of steps) {
          if (what === 'get') expect(lru.get(at)).toBe(model.get(at));
          else if (what === 'set') [lru.set(at, value), model.set(at, value)];
          else if (what === 'delete') [lru.delete(at), model.delete(at)];
          else [lru.clear(), model.clear()];
          expect(lru.size).toBe(model.entries.size);
        }
        for (const [at, value] of [...model.entries]) expect(lru.get(at)).toBe(value);
      }),
    );
  });
});
