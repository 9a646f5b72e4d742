import { slots } from '../client-fields.ts';

/** Names of the client's fields as bytes, found by a hash that the scanner computes on its way. */
const tableBits = 8;
const tableSize = 1 << tableBits;
const none = -1;

/** One step of the hash; it starts at 0. */
export const hashStep = (hash: number, byte: number): number => (Math.imul(hash, 31) + byte) | 0;

const names = Object.entries(slots).map(([name, slot]) => ({ bytes: Buffer.from(name, 'latin1'), slot }));
const table = new Int16Array(tableSize).fill(none);
for (const [index, { bytes }] of names.entries()) {
  let at = placeOf(bytes.reduce(hashStep, 0));
  while (table[at] !== none) at = (at + 1) & (tableSize - 1);
  table[at] = index;
}

function placeOf(hash: number): number {
  return (hash ^ (hash >>> tableBits) ^ (hash >>> (2 * tableBits))) & (tableSize - 1);
}

/** The slot of the name that stands in `bytes` from `start` to `end`; −1 where it is no field a client may send. */
export function slotAt(bytes: Uint8Array, start: number, end: number, hash: number): number {
  for (let at = placeOf(hash); table[at] !== none; at = (at + 1) & (tableSize - 1)) {
    const { bytes: name, slot } = names[table[at]!]!;
    if (isAt(name, bytes, start, end)) return slot;
  }
  return none;
}

/** Whether a text stands from `start` to `end`. */
export function isAt(text: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== text.length) return false;
  for (let index = 0; index < text.length; index += 1) if (bytes[start + index] !== text[index]) return false;
  return true;
}
