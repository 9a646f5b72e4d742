/** A second bound, for entries that differ in size. */
export interface LruWeight<K, V> {
  readonly of: (key: K, value: V) => number;
  /** Of all entries together. */
  readonly most: number;
}

/** A bounded map: the entry that was used least recently leaves first. */
export interface Lru<K, V> {
  get(key: K): V | undefined;
  set(key: K, value: V): void;
  delete(key: K): void;
  clear(): void;
  readonly size: number;
}

interface Entry<K, V> {
  readonly key: K;
  value: V;
  older: Entry<K, V> | null;
  newer: Entry<K, V> | null;
}

/**
 * The order of use is a list beside the map. To delete and set an entry at each use would keep the order in the map itself, but
 * makes it a new table every few uses; one old table in the old generation then holds all that came after it, and each minor
 * collection copies them.
 *
 * @param maxEntries entries kept.
 * @param weight without it the bound is by count, so keys and values must be of bounded size themselves.
 * @example const cache = createLru<string, number>(2); cache.set('a', 1); cache.get('a') // 1
 */
export function createLru<K, V>(maxEntries: number, weight?: LruWeight<K, V>): Lru<K, V> {
  const entries = new Map<K, Entry<K, V>>();
  let total = 0;
  let oldest: Entry<K, V> | null = null;
  let newest: Entry<K, V> | null = null;

  function unlink(entry: Entry<K, V>): void {
    if (entry.older) entry.older.newer = entry.newer;
    else oldest = entry.newer;
    if (entry.newer) entry.newer.older = entry.older;
    else newest = entry.older;
    entry.older = null;
    entry.newer = null;
  }
  function append(entry: Entry<K, V>): void {
    entry.older = newest;
    if (newest) newest.newer = entry;
    else oldest = entry;
    newest = entry;
  }
  function use(entry: Entry<K, V>): void {
    if (entry === newest) return;
    unlink(entry);
    append(entry);
  }
  function remove(key: K): void {
    const entry = entries.get(key);
    if (!entry) return;
    entries.delete(key);
    unlink(entry);
    if (weight) total -= weight.of(key, entry.value);
  }

  return {
    get(key) {
      const entry = entries.get(key);
      if (!entry) return undefined;
      use(entry);
      return entry.value;
    },
    set(key, value) {
      const known = entries.get(key);
      if (weight) total += weight.of(key, value) - (known ? weight.of(key, known.value) : 0);
      if (known) {
        known.value = value;
        use(known);
      } else {
        const entry: Entry<K, V> = { key, value, older: null, newer: null };
        entries.set(key, entry);
        append(entry);
      }
      while (oldest && (entries.size > maxEntries || (weight && total > weight.most))) remove(oldest.key);
    },
    delete: remove,
    clear() {
      entries.clear();
      total = 0;
      oldest = null;
      newest = null;
    },
    get size() {
      return entries.size;
    },
  };
}
