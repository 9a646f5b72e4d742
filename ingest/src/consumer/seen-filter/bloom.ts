/**
 * A split-block Bloom filter: each id sets one bit in each of the eight 32-bit words of one 32-byte block, so a test
 * touches one cache line. The construction of Apache Parquet and Impala
 * (https://github.com/apache/parquet-format/blob/master/BloomFilter.md), whose salts these are. At 16 bits an id about
 * 0.1 % of absent ids are taken for present; a present one never for absent.
 */
export interface BloomFilter {
  /** Ids it was sized for; over that, false positives grow. */
  readonly capacity: number;
  readonly sizeBytes: number;
  /** `hi` and `lo` are the halves of a 64-bit hash as unsigned 32-bit integers. */
  has(hi: number, lo: number): boolean;
  add(hi: number, lo: number): void;
}

const salts = new Int32Array([
  0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31,
]);
const wordsPerBlock = 8;

export function createBloomFilter(capacity: number, bitsPerId: number): BloomFilter {
  const blocks = Math.max(1, Math.ceil((capacity * bitsPerId) / (wordsPerBlock * 32)));
  const words = new Int32Array(blocks * wordsPerBlock);
  // Multiply and shift instead of modulo: exact enough in doubles for any size that fits in memory, and even.
  const firstWord = (hi: number): number => Math.floor((hi * blocks) / 0x1_0000_0000) * wordsPerBlock;
  return {
    capacity,
    sizeBytes: words.byteLength,
    has(hi, lo) {
      const first = firstWord(hi);
      for (let index = 0; index < wordsPerBlock; index += 1) {
        const bit = 1 << (Math.imul(lo, salts[index]!) >>> 27);
        if ((words[first + index]! & bit) === 0) return false;
      }
      return true;
    },
    add(hi, lo) {
      const first = firstWord(hi);
      for (let index = 0; index < wordsPerBlock; index += 1) {
        words[first + index]! |= 1 << (Math.imul(lo, salts[index]!) >>> 27);
      }
    },
  };
}
