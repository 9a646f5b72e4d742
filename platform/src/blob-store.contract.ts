import { buffer } from 'node:stream/consumers';
import type { BlobStore } from './blob-store.ts';

/** What every blob store promises. `open` gives a store on the same place each time. */
export function describeBlobStore(name: string, openStore: () => Promise<BlobStore>): void {
  describe(`blob store: ${name}`, () => {
    const opened: BlobStore[] = [];
    const open = async () => {
      const store = await openStore();
      opened.push(store);
      return store;
    };
    afterEach(async () => {
      for (const store of opened.splice(0)) await store.dispose();
    });
    const put = async (store: BlobStore, key: string, text: string) => {
      const writer = await store.create(key);
      await writer.write(Buffer.from(text));
      return writer.publish();
    };
    const read = async (store: BlobStore, key: string, range?: { start: number; end: number }) => {
      const stream = await store.open(key, range);
      return stream && (await buffer(stream)).toString();
    };

    it('shows a blob whole once it is published, and nothing of it before', async () => {
      const store = await open();
      const writer = await store.create('a.csv');
      await writer.write(Buffer.from('one,'));
      expect(await store.stat('a.csv')).toBeNull();
      expect(await store.open('a.csv')).toBeNull();
      await writer.write(Buffer.from('two'));
      expect(await writer.publish()).toMatchObject({ sizeBytes: 7 });
      expect(await read(store, 'a.csv')).toBe('one,two');
      expect(await read(await open(), 'a.csv')).toBe('one,two');
    });

    it('reads ranges, both ends inclusive', async () => {
      const store = await open();
      await put(store, 'range', '0123456789');
      expect(await read(store, 'range', { start: 0, end: 0 })).toBe('0');
      expect(await read(store, 'range', { start: 3, end: 6 })).toBe('3456');
      expect(await read(store, 'range', { start: 8, end: 9 })).toBe('89');
    });

    it('leaves nothing of a write that was aborted or whose process was disposed of', async () => {
      const store = await open();
      const aborted = await store.create('gone');
      await aborted.write(Buffer.from('x'));
      await aborted.abort();
      await aborted.abort();
      const left = await store.create('left');
      await left.write(Buffer.from('x'));
      await store.dispose();
      const again = await open();
      expect(await again.stat('gone')).toBeNull();
      expect(await again.stat('left')).toBeNull();
      await expect(left.write(Buffer.from('y'))).rejects.toThrow();
    });

    it('replaces a blob whole, with another version; who reads the old one reads it to its end', async () => {
      const store = await open();
      const before = await put(store, 'same', 'a'.repeat(300_000));
      const stream = await store.open('same');
      const after = await put(store, 'same', 'b');
      expect(after.version).not.toBe(before.version);
      expect((await buffer(stream!)).toString()).toBe('a'.repeat(300_000));
      expect(await read(store, 'same')).toBe('b');
    });

    it('sweeps what is older than asked, unfinished writes too, and nothing else', async () => {
      const store = await open();
      await put(store, 'old', '1');
      await store.create('unfinished');
      const { promise, resolve } = Promise.withResolvers<void>();
      setTimeout(resolve, 30);
      await promise;
      const boundMs = Date.now();
      await put(store, 'new', '2');
      expect(await store.sweep(boundMs - 10)).toBeGreaterThanOrEqual(2);
      expect(await store.stat('old')).toBeNull();
      expect(await read(store, 'new')).toBe('2');
    });

    it('deletes, also what is not there', async () => {
      const store = await open();
      await put(store, 'once', '1');
      await store.delete('once');
      await store.delete('once');
      expect(await store.stat('once')).toBeNull();
    });

    it.each(['', '.', '..', '../a', 'a/b', '.hidden', 'a..b/', 'a\0b', 'x'.repeat(201)])(
      'refuses the key %j',
      async (key) => {
        const store = await open();
        await expect(store.create(key)).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
        await expect(store.open(key)).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
        await expect(store.stat(key)).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
      },
    );
  });
}
