import type { DirectorySnapshot } from '@tributary/schema';
import { aSnapshot } from './directory/snapshot.testing.ts';
import type { Directory, DirectoryPublisher } from './directory.ts';

/** One empty directory: its write side, and read sides as a test needs them. */
export interface DirectoryUnderTest {
  readonly publisher: DirectoryPublisher;
  open(): Promise<Directory>;
  /** Called after everything that was opened was disposed. */
  remove(): Promise<void>;
}

/** What every adapter of the directory promises. */
export function describeDirectoryContract(name: string, create: () => Promise<DirectoryUnderTest>): void {
  describe(`directory: ${name}`, () => {
    let under: DirectoryUnderTest;
    let opened: Directory[];
    const open = async (): Promise<Directory> => {
      const directory = await under.open();
      opened.push(directory);
      return directory;
    };
    beforeEach(async () => {
      opened = [];
      under = await create();
    });
    afterEach(async () => {
      await Promise.all([...opened.map((directory) => directory.dispose()), under.publisher.dispose()]);
      await under.remove();
    });

    it('answers an empty snapshot of version 0 before anything was published', async () => {
      const empty = { version: 0, publishedAt: 0, apps: [], links: [], campaigns: [], keys: [], goals: [] };
      expect((await open()).current()).toEqual(empty);
    });

    it('holds what was published before it opened', async () => {
      await under.publisher.publish(aSnapshot());
      expect((await open()).current()).toEqual(aSnapshot());
    });

    it('shows a published change within 2 s, and tells listeners after current() changed', async () => {
      const directory = await open();
      const told = new Promise<[DirectorySnapshot, DirectorySnapshot]>((resolve) => {
        directory.onChange((snapshot) => resolve([snapshot, directory.current()]));
      });
      const publishedAt = Date.now();
      await under.publisher.publish(aSnapshot({ version: 2 }));
      expect(await told).toEqual([aSnapshot({ version: 2 }), aSnapshot({ version: 2 })]);
      expect(Date.now() - publishedAt).toBeLessThan(2_000);
    });

    it('shows a change at once after refresh', async () => {
      const directory = await open();
      await under.publisher.publish(aSnapshot({ version: 3 }));
      await directory.refresh();
      expect(directory.current().version).toBe(3);
    });

    it('keeps the snapshot object while nothing changed, so that indexes of it can be kept', async () => {
      await under.publisher.publish(aSnapshot());
      const directory = await open();
      const before = directory.current();
      await directory.refresh();
      expect(directory.current()).toBe(before);
    });

    it('tells a listener nothing more after it unsubscribed', async () => {
      const directory = await open();
      let told = 0;
      const count = (): void => {
        told += 1;
      };
      directory.onChange(count)();
      await under.publisher.publish(aSnapshot());
      await directory.refresh();
      expect([told, directory.current().version]).toEqual([0, 1]);
    });

    it('refuses to publish what is no snapshot, and keeps the last one', async () => {
      await under.publisher.publish(aSnapshot());
      const broken = { ...aSnapshot({ version: 2 }), apps: [{ appId: 1 }] } as unknown as DirectorySnapshot;
      await expect(under.publisher.publish(broken)).rejects.toThrow();
      expect((await open()).current().version).toBe(1);
    });

    it('can be disposed twice, and still answers the last snapshot', async () => {
      await under.publisher.publish(aSnapshot());
      const directory = await open();
      await Promise.all([directory.dispose(), directory.dispose()]);
      expect(directory.current().version).toBe(1);
    });
  });
}
