import { type Words, wordsOf } from './pass-through/bytes.ts';

/**
 * Memory of blocks' bodies, used again once they are stored. Fresh memory for each would cost more than writing the lines: the
 * system hands it out page by page, and the garbage collector runs over everything to get it back.
 */
export interface BlockMemory {
  /** At least so many bytes. */
  take(bytes: number): Words;
  /** Nothing refers to it any more. */
  give(memory: Words): void;
}

const leastBytes = 131_072;
/** Blocks of a few groups; what is more goes back to the system. */
const mostKeptBytes = 8 * 1_048_576;

/** Of a log that holds on to what it was given: memory is used once. */
export const memoryUsedOnce: BlockMemory = {
  take: (bytes) => wordsOf(Buffer.allocUnsafeSlow(Math.max(bytes, leastBytes / 4))),
  give: () => undefined,
};

export function createBlockMemory(): BlockMemory {
  /** By size, each twice the one before. */
  const kept: Words[][] = [];
  let keptBytes = 0;
  const sizeClass = (bytes: number) => Math.max(0, Math.ceil(Math.log2(bytes / leastBytes)));
  return {
    take(bytes) {
      const size = sizeClass(bytes);
      const known = kept[size]?.pop();
      if (known === undefined) return wordsOf(Buffer.allocUnsafeSlow(leastBytes * 2 ** size));
      keptBytes -= known.bytes.length;
      return known;
    },
    give(memory) {
      const { length } = memory.bytes;
      if (keptBytes + length > mostKeptBytes) return;
      keptBytes += length;
      const size = sizeClass(length);
      kept[size] = [...(kept[size] ?? []), memory];
    },
  };
}
