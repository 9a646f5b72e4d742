import { closeSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';

/**
 * A split-block Bloom filter: each id sets one bit in each of the eight 32-bit words of one 32-byte block, so a test
 * touches one cache line. The construction of Apache Parquet and Impala
 * (https://github.com/apache/parquet-format/blob/master/BloomFilter.md), whose salts these are. At 16 bits an id about
 * 0.1 % of absent ids are taken for present; a present one never for absent.
 */
export interface BloomFilter {
  /** Ids it was sized for; over that, false positives grow. */
  readonly capacity: number;
  /** Of memory. */
  readonly sizeBytes: number;
  /** `hi` and `lo` are the halves of a 64-bit hash as unsigned 32-bit integers. */
  has(hi: number, lo: number): boolean;
  add(hi: number, lo: number): void;
}

/** A filter whose bits are in memory, and can be moved into a file. */
export interface MemoryBloomFilter extends BloomFilter {
  /** The same ids, read from a file of this name from then on. Nothing can be added any more. */
  toFile(path: string): FileBloomFilter;
}

/** A test is one read of 32 bytes, which the system answers from its page cache: about 2 µs. */
export interface FileBloomFilter extends Pick<BloomFilter, 'has'> {
  readonly fileBytes: number;
  /** Closes and removes the file. */
  dispose(): void;
}

const salts = new Int32Array([
  0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31,
]);
const wordsPerBlock = 8;

export function createBloomFilter(capacity: number, bitsPerId: number): MemoryBloomFilter {
  const blocks = Math.max(1, Math.ceil((capacity * bitsPerId) / (wordsPerBlock * 32)));
  const words = new Int32Array(blocks * wordsPerBlock);
  // Multiply and shift instead of modulo: exact enough in doubles for any size that fits in memory, and even.
  const firstWord = (hi: number): number => Math.floor((hi * blocks) / 0x1_0000_0000) * wordsPerBlock;
  return {
    capacity,
    sizeBytes: words.byteLength,
    has(hi, lo) {
      const first = firstWord(hi);
      return holds(words, first, lo);
    },
    add(hi, lo) {
      const first = firstWord(hi);
      for (let index = 0; index < wordsPerBlock; index += 1) {
        words[first + index]! |= 1 << (Math.imul(lo, salts[index]!) >>> 27);
      }
    },
    toFile(path) {
      writeFileSync(path, words);
      return openBloomFile(path, words.byteLength, firstWord);
    },
  };
}

function holds(words: Int32Array, first: number, lo: number): boolean {
  for (let index = 0; index < wordsPerBlock; index += 1) {
    const bit = 1 << (Math.imul(lo, salts[index]!) >>> 27);
    if ((words[first + index]! & bit) === 0) return false;
  }
  return true;
}

function openBloomFile(path: string, fileBytes: number, firstWord: (hi: number) => number): FileBloomFilter {
  const file = openSync(path, 'r');
  const block = new Int32Array(wordsPerBlock);
  return {
    fileBytes,
    has(hi, lo) {
      readSync(file, block, 0, block.byteLength, firstWord(hi) * Int32Array.BYTES_PER_ELEMENT);
      return holds(block, 0, lo);
    },
    dispose() {
      closeSync(file);
      rmSync(path, { force: true });
    },
  };
}
