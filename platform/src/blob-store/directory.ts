import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError } from '@tributary/schema';
import type { BlobFacts, BlobStore, BlobWriter } from '../blob-store.ts';

export interface DirectoryBlobStoreOptions {
  /** Made if it is not there. On servers, one that all roles share. */
  readonly dir: string;
}

const keyPattern = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/;
/** No key begins with a dot, so what is unfinished can't be read. */
const partPrefix = '.part-';

/**
 * The blob store as a directory: a blob is a file, written beside and renamed once it is whole and on disk.
 *
 * @example
 * const blobs = await openDirectoryBlobStore({ dir: config.exportsDir });
 */
export async function openDirectoryBlobStore({ dir }: DirectoryBlobStoreOptions): Promise<BlobStore> {
  await mkdir(dir, { recursive: true });
  const writers = new Set<BlobWriter>();
  return {
    async create(key) {
      checkKey(key);
      const writer = await createWriter(dir, key, () => writers.delete(writer));
      writers.add(writer);
      return writer;
    },
    async stat(key) {
      checkKey(key);
      return factsOf(join(dir, key));
    },
    async open(key, range) {
      checkKey(key);
      let file: FileHandle;
      try {
        file = await open(join(dir, key), 'r');
      } catch (error) {
        if (isAbsent(error)) return null;
        throw error;
      }
      // By handle: a blob that is replaced or removed meanwhile is still read to its end.
      return createReadStream('', { fd: file, ...(range ?? {}) });
    },
    async delete(key) {
      checkKey(key);
      await rm(join(dir, key), { force: true });
    },
    async sweep(olderThanMs) {
      let removed = 0;
      for (const name of await readdir(dir)) {
        if (!name.startsWith(partPrefix) && !keyPattern.test(name)) continue;
        const facts = await factsOf(join(dir, name));
        if (!facts || facts.publishedAt >= olderThanMs) continue;
        await rm(join(dir, name), { force: true });
        removed += 1;
      }
      return removed;
    },
    async dispose() {
      await Promise.all([...writers].map((writer) => writer.abort()));
    },
  };
}

async function createWriter(dir: string, key: string, onEnd: () => void): Promise<BlobWriter> {
  const part = join(dir, `${partPrefix}${randomUUID()}`);
  const file = await open(part, 'wx', 0o640);
  let ended = false;
  const end = () => {
    ended = true;
    onEnd();
  };
  const abort = async () => {
    if (ended) return;
    end();
    await file.close();
    await rm(part, { force: true });
  };
  return {
    async write(chunk) {
      if (ended)
        throw new CodedError('INTERNAL', { message: 'A blob that was published or dropped takes no more bytes.' });
      // One call may take a part only.
      for (let at = 0; at < chunk.byteLength; ) {
        const { bytesWritten } = await file.write(chunk, at);
        at += bytesWritten;
      }
    },
    async publish() {
      if (ended) throw new CodedError('INTERNAL', { message: 'A blob is published once.' });
      await file.sync();
      end();
      await file.close();
      await rename(part, join(dir, key));
      await syncDirectory(dir);
      const facts = await factsOf(join(dir, key));
      if (!facts) throw new CodedError('INTERNAL', { message: 'A blob was removed while it was published.' });
      return facts;
    },
    abort,
  };
}

async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function factsOf(path: string): Promise<BlobFacts | null> {
  try {
    const { size, mtimeMs, ino } = await stat(path);
    return {
      sizeBytes: size,
      version: `${ino.toString(36)}-${Math.floor(mtimeMs).toString(36)}-${size.toString(36)}`,
      publishedAt: mtimeMs,
    };
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
}

const isAbsent = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

function checkKey(key: string): void {
  if (key.length <= 200 && keyPattern.test(key)) return;
  throw new CodedError('BAD_USER_INPUT', { message: 'That is no name of a file here.' });
}
