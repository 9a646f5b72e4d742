import { hash64, hex64 } from '@tributary/schema';
import fc from 'fast-check';
import { partitionOf, splitHash, writeHex } from './hash-bytes.ts';

const hashes = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

it('writes the digits that hex64 gives', () => {
  fc.assert(
    fc.property(hashes, (hash) => {
      const bytes = Buffer.alloc(18, '.');
      writeHex(splitHash(hash), new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 1);
      expect(bytes.toString()).toBe(`.${hex64(hash)}.`);
    }),
  );
});

it('finds the partition that BigInt arithmetic finds', () => {
  fc.assert(
    fc.property(hashes, fc.integer({ min: 1, max: 256 }), (hash, count) => {
      expect(partitionOf(splitHash(hash), count)).toBe(Number(hash % BigInt(count)));
    }),
  );
});

it('spreads keys over all partitions', () => {
  const counts = [0, 0, 0, 0];
  for (let index = 0; index < 4_000; index += 1) {
    const partition = partitionOf(splitHash(hash64(`app\u001fnative\u001f${index}`)), 4);
    counts[partition] = (counts[partition] ?? 0) + 1;
  }
  for (const count of counts) expect(count).toBeGreaterThan(800);
});
