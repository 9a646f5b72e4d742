import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { describeDirectoryContract } from '../directory.contract.ts';
import { openLmdbDirectory, openLmdbDirectoryPublisher } from './lmdb.ts';
import { aSnapshot } from './snapshot.testing.ts';

const newDir = () => mkdtemp(join(tmpdir(), 'tributary-directory-'));
const removeDir = (dir: string) => rm(dir, { recursive: true, force: true });

describeDirectoryContract('LMDB', async () => {
  const dir = await newDir();
  return {
    publisher: await openLmdbDirectoryPublisher({ dir }),
    open: () => openLmdbDirectory({ dir, pollMs: 50 }),
    remove: () => removeDir(dir),
  };
});

describe('openLmdbDirectory', () => {
  it('keeps the last good snapshot when what is stored cannot be read, and takes the next good one', async () => {
    const dir = await newDir();
    const publisher = await openLmdbDirectoryPublisher({ dir });
    await publisher.publish(aSnapshot());
    const directory = await openLmdbDirectory({ dir, pollMs: 60_000 });

    const store = open<string, string>({ path: dir, noSubdir: false, encoding: 'string' });
    await store.put('snapshot', '{"version":');
    await store.put('revision', '7');
    await expect(directory.refresh()).rejects.toThrow();
    expect(directory.current()).toEqual(aSnapshot());
    await expect(directory.refresh()).resolves.toBeUndefined();

    await publisher.publish(aSnapshot({ version: 2 }));
    await directory.refresh();
    expect(directory.current().version).toBe(2);
    await Promise.all([store.close(), directory.dispose(), publisher.dispose()]);
    await removeDir(dir);
  });
});
