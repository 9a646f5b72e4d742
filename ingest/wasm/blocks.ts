/** Lines into the blocks of their partitions. */

import { heads, lines } from './memory';
import { copy, putHex, putNumber } from './write';

/** What a block adds to a line: `,"dedupe_hash":"…","payload_hash":"…","block_id":"…","block_index":`, then index, brace and line end. */
const tailBytes: usize = 132;
const dedupeInTail: usize = 16;
const payloadInTail: usize = 50;

/**
 * Writes the lines from `source` into the areas of their partitions, each as the next one of its partition's block. A
 * partition's head (256 bytes) says the index of the next line, and takes the numbers of lines, bytes and changes of the
 * minute (4 bytes each); the tail with its block's id stands behind 32 bytes. Its area holds, each for up to `count` lines, their lengths and
 * minutes (4 bytes each) and both hashes (16 hex digits each), then the lines.
 */
export function placeLines(source: usize, count: i32, partitions: i32, areas: usize, areaBytes: usize): void {
  for (let partition = 0; partition < partitions; partition += 1) {
    const head = heads + (partition << 8);
    store<u32>(head, 0, 4);
    store<u32>(head, 0, 8);
    store<u32>(head, 0, 12);
  }
  let at = source;
  for (let index = 0; index < count; index += 1) {
    const line = lines + index * 24;
    const end = source + load<u32>(line);
    const dedupe = load<u64>(line, 8);
    const payload = load<u64>(line, 16);
    const partition = (dedupe % (partitions as u64)) as usize;
    const head = heads + (partition << 8);
    const lengths = areas + partition * areaBytes;
    const minutes = lengths + (count << 2);
    const dedupes = minutes + (count << 2);
    const payloads = dedupes + (count << 4);
    const taken: u32 = load<u32>(head, 4);
    const filled: u32 = load<u32>(head, 8);
    const body = payloads + (count << 4) + filled;

    let to = copy(at, end, body);
    for (let part: usize = 0; part < 144; part += 16) v128.store(to + part, v128.load(head + 32 + part));
    putHex(dedupe, to + dedupeInTail);
    putHex(payload, to + payloadInTail);
    to = putNumber((load<u32>(head) + taken) as i64, to + tailBytes);
    store<u16>(to, 0x0a7d);
    to += 2;

    putHex(dedupe, dedupes + (taken << 4));
    putHex(payload, payloads + (taken << 4));
    store<u32>(lengths + (taken << 2), (to - body) as u32);
    const minute = load<u32>(line, 4);
    const known = load<u32>(head, 12);
    if (known == 0 || load<u32>(minutes + ((known - 1) << 2)) != minute) {
      store<u32>(minutes + (known << 2), minute);
      store<u32>(head, known + 1, 12);
    }
    store<u32>(head, taken + 1, 4);
    store<u32>(head, filled + ((to - body) as u32), 8);
    at = end;
  }
}
