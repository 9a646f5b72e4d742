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
/** The two digits of each byte, as they stand in memory (little-endian). */
const digitPairs = Uint16Array.from({ length: 256 }, (_, byte) => {
  const text = byte.toString(16).padStart(2, '0');
  return text.charCodeAt(0) | (text.charCodeAt(1) << 8);
});

/** Writes 16 lower-case hex digits, as schema's `hex64` gives them. */
export function writeHex({ high, low }: Hash, target: DataView, at: number): void {
  for (let index = 0; index < 4; index += 1) {
    const shift = 24 - index * 8;
    target.setUint16(at + index * 2, digitPairs[(high >>> shift) & 255]!, true);
    target.setUint16(at + 8 + index * 2, digitPairs[(low >>> shift) & 255]!, true);
  }
}
