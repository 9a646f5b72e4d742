import type { DirectorySnapshot } from '@tributary/schema';
import { createKeyLookup, indexDirectory } from './lookup.ts';
import { aKey, aSnapshot } from './snapshot.testing.ts';

describe('indexDirectory', () => {
  it('finds everything of a snapshot by its id', () => {
    const snapshot = aSnapshot();
    const index = indexDirectory(snapshot);
    expect(index.keyByHash.get(snapshot.keys[0]!.hash)).toBe(snapshot.keys[0]);
    expect(index.linkBySlug.get('go')).toBe(snapshot.links[0]);
    expect(index.appById.get('app_1')).toBe(snapshot.apps[0]);
    expect(index.campaignById.get('cmp_1')).toBe(snapshot.campaigns[0]);
    expect(index.goalsByAppId.get('app_1')).toEqual(snapshot.goals);
    expect(index.goalsByAppId.get('app_2')).toBeUndefined();
  });

  it('is made once for each snapshot object', () => {
    const snapshot = aSnapshot();
    expect(indexDirectory(snapshot)).toBe(indexDirectory(snapshot));
    expect(indexDirectory(aSnapshot())).not.toBe(indexDirectory(snapshot));
  });
});

describe('createKeyLookup', () => {
  const directoryOf = (snapshot: DirectorySnapshot) => {
    let current = snapshot;
    return {
      current: () => current,
      become: (next: DirectorySnapshot) => {
        current = next;
      },
    };
  };

  it('finds the key of a raw text, and none for any other', () => {
    const lookup = createKeyLookup(directoryOf(aSnapshot()));
    expect([
      lookup('wk_1')?.keyId,
      lookup('wk_1')?.keyId,
      lookup('wk_2'),
      lookup(''),
      lookup('x'.repeat(10_000)),
    ]).toEqual(['key_wk_1', 'key_wk_1', null, null, null]);
  });

  it('forgets its answers when the snapshot changes, refusals too', () => {
    const directory = directoryOf(aSnapshot());
    const lookup = createKeyLookup(directory);
    expect([lookup('wk_1')?.enabled, lookup('wk_2')]).toEqual([true, null]);
    directory.become(aSnapshot({ version: 2, keys: [aKey('wk_1', { enabled: false }), aKey('wk_2')] }));
    expect([lookup('wk_1')?.enabled, lookup('wk_2')?.enabled]).toEqual([false, true]);
  });

  it('answers right when more keys are asked for than it keeps', () => {
    const keys = Array.from({ length: 20 }, (_, index) => aKey(`wk_${index}`));
    const lookup = createKeyLookup(directoryOf(aSnapshot({ keys })), { maxEntries: 3 });
    for (let round = 0; round < 2; round += 1) {
      expect(keys.map((_, index) => lookup(`wk_${index}`))).toEqual(keys);
    }
  });
});
