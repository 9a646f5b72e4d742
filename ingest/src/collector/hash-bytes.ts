/**
 * A 64-bit hash as two numbers of 32 bits, and its hex digits as bytes. Arithmetic and text on BigInt cost several times as
 * much, and each event has two hashes.
 */
export interface Hash {
  readonly high: number;
  readonly low: number;
}

const whole = new BigUint64Array(1);
const halves = new Uint32Array(whole.buffer);
const isLittleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

export function splitHash(hash: bigint): Hash {
  whole[0] = hash;
  return isLittleEndian ? { high: halves[1]!, low: halves[0]! } : { high: halves[0]!, low: halves[1]! };
}

/** `hash % count` for a count of up to 2^20. */
export function partitionOf({ high, low }: Hash, count: number): number {
  return ((high % count) * (4_294_967_296 % count) + (low % count)) % count;
}

export const hexLength = 16;
const digits = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0));

/** Writes 16 lower-case hex digits, as schema's `hex64` gives them. */
export function writeHex({ high, low }: Hash, target: Uint8Array, at: number): void {
  for (let index = 0; index < 8; index += 1) {
    const shift = 28 - index * 4;
    target[at + index] = digits[(high >>> shift) & 15]!;
    target[at + 8 + index] = digits[(low >>> shift) & 15]!;
  }
}
