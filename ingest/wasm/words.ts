/** Texts of up to 32 bytes, looked up in tables by hash. */

/** The first `length` bytes, zeros behind them. */
@inline export function masked(at: usize, length: i32): v128 {
  const places = v128(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return v128.and(v128.load(at), i8x16.lt_u(places, i8x16.splat(min(length, 16) as i8)));
}

@inline export function mixed(text: v128): u64 {
  const low = i64x2.extract_lane(text, 0) as u64;
  const high = i64x2.extract_lane(text, 1) as u64;
  const mix = (low ^ 0x9e3779b97f4a7c15) * 0xc2b2ae3d27d4eb4f;
  const both = (mix ^ (mix >> 29) ^ high) * 0x9e3779b97f4a7c15;
  return both ^ (both >> 32);
}

/** Adds a text of up to 32 bytes. */
export function addWord(table: usize, at: usize, length: i32, value: i32): void {
  const first = masked(at, length);
  let place = (mixed(first) as i32) & 127;
  while (load<u8>(table + place * 48) != 0) place = (place + 1) & 127;
  const entry = table + place * 48;
  store<u8>(entry, length as u8);
  store<u8>(entry, value as u8, 1);
  v128.store(entry, first, 16);
  v128.store(entry, masked(at + 16, max(0, length - 16)), 32);
}

/** The value of a text; −1 = it is not in the table. */
export function wordAt(table: usize, at: usize, length: i32): i32 {
  if (length > 32 || length == 0) return -1;
  const first = masked(at, length);
  for (let place = (mixed(first) as i32) & 127; ; place = (place + 1) & 127) {
    const entry = table + place * 48;
    const found: i32 = load<u8>(entry);
    if (found == 0) return -1;
    if (found != length || !i8x16.all_true(i8x16.eq(first, v128.load(entry, 16)))) continue;
    if (length <= 16 || i8x16.all_true(i8x16.eq(masked(at + 16, length - 16), v128.load(entry, 32))))
      return load<u8>(entry, 1);
  }
  return -1;
}
