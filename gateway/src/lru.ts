/** A bounded map: the entry that was used least recently leaves first. */
export interface Lru<K, V> {
  get(key: K): V | undefined;
  set(key: K, value: V): void;
  clear(): void;
  readonly size: number;
}

/**
 * @param maxEntries entries kept; the bound is by count, so keys and values must be of bounded size themselves.
 * @example const cache = createLru<string, number>(2); cache.set('a', 1); cache.get('a') // 1
 */
export function createLru<K, V>(maxEntries: number): Lru<K, V> {
  // A Map iterates in insertion order, so re-inserting on use keeps the oldest first.
  const entries = new Map<K, V>();
  return {
    get(key) {
      const value = entries.get(key);
      if (value !== undefined) {
        entries.delete(key);
        entries.set(key, value);
      }
      return value;
    },
    set(key, value) {
      entries.delete(key);
      entries.set(key, value);
      if (entries.size > maxEntries) entries.delete(entries.keys().next().value as K);
    },
    clear: () => entries.clear(),
    get size() {
      return entries.size;
    },
  };
}
