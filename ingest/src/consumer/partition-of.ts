/**
 * The partition of a dedupe hash given as two unsigned 32-bit halves: the hash modulo the partition count, as the collector
 * has it, without big integers.
 */
export function partitionOf(hi: number, lo: number, count: number): number {
  return ((hi % count) * (0x1_0000_0000 % count) + lo) % count;
}
