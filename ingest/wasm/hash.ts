/** xxHash64, seed 0. */

const prime1: u64 = 0x9e3779b185ebca87;
const prime2: u64 = 0xc2b2ae3d27d4eb4f;
const prime3: u64 = 0x165667b19e3779f9;
const prime4: u64 = 0x85ebca77c2b2ae63;
const prime5: u64 = 0x27d4eb2f165667c5;

@inline function round(lane: u64, word: u64): u64 { return rotl(lane + word * prime2, 31) * prime1; }
@inline function merged(hash: u64, lane: u64): u64 { return (hash ^ round(0, lane)) * prime1 + prime4; }

export function hash64(at: usize, length: i32): u64 {
  const end = at + length;
  let hash: u64;
  if (length >= 32) {
    let one = prime1 + prime2;
    let two = prime2;
    let three: u64 = 0;
    let four: u64 = 0 - prime1;
    do {
      one = round(one, load<u64>(at));
      two = round(two, load<u64>(at, 8));
      three = round(three, load<u64>(at, 16));
      four = round(four, load<u64>(at, 24));
      at += 32;
    } while (at + 32 <= end);
    hash = rotl(one, 1) + rotl(two, 7) + rotl(three, 12) + rotl(four, 18);
    hash = merged(merged(merged(merged(hash, one), two), three), four);
  } else hash = prime5;
  hash += length as u64;
  for (; at + 8 <= end; at += 8) hash = rotl(hash ^ round(0, load<u64>(at)), 27) * prime1 + prime4;
  if (at + 4 <= end) {
    hash = rotl(hash ^ ((load<u32>(at) as u64) * prime1), 23) * prime2 + prime3;
    at += 4;
  }
  for (; at < end; at += 1) hash = rotl(hash ^ ((load<u8>(at) as u64) * prime5), 11) * prime1;
  hash = (hash ^ (hash >> 33)) * prime2;
  hash = (hash ^ (hash >> 29)) * prime3;
  return hash ^ (hash >> 32);
}
