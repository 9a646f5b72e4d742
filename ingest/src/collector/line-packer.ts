import { hash64Bytes } from '@tributary/schema';
import type { BuiltLine, PendingLine } from './draft.ts';
import { type Hash, splitHash } from './hash-bytes.ts';

/** One event's own members and hashes, about: what a line is longer than its event. */
export const overheadBytes = 420;
/** What is taken at a time where more is needed than was expected. */
const chunkBytes = 65_536;

/**
 * Writes lines into bytes as soon as they are built. Until a group is stored, thousands of lines wait: as bytes they are
 * nothing to the garbage collector, as texts (each joined from some forty pieces) they would be copied by it several times.
 */
export function createLinePacker(expectedBytes: number): (line: BuiltLine) => PendingLine {
  let chunk = Buffer.allocUnsafe(expectedBytes);
  let free = 0;
  return ({ tenantId, appId, head, client, clientTime, ascii, dedupeHash, minute }) => {
    const most = clientTimeBytes + byteLength(head, ascii) + byteLength(client, ascii);
    if (chunk.length - free < most) {
      chunk = Buffer.allocUnsafe(Math.max(most, chunkBytes));
      free = 0;
    }
    const encoding = ascii ? 'latin1' : 'utf8';
    const start = free;
    const clientAt = start + chunk.write(head, start, encoding);
    const end = clientAt + chunk.write(client, clientAt, encoding);
    free = end;
    return {
      tenantId,
      appId,
      bytes: chunk,
      start,
      end,
      dedupeHash,
      payloadHash: payloadHashOf(chunk, clientAt, end, clientTime),
      minute,
    };
  };
}

const clientTimeBytes = 8;

const byteLength = (text: string, ascii: boolean): number => (ascii ? text.length : Buffer.byteLength(text));

/**
 * The payload is what the client said, its sending time apart: equal whenever it is sent. Its own time is written behind its
 * members for the hash, where the next line will be written over it.
 */
function payloadHashOf(chunk: Buffer, clientAt: number, end: number, clientTime: number): Hash {
  const payloadEnd = chunk.writeDoubleLE(clientTime, end);
  // A plain view: Buffer's own subarray takes longer than the hash.
  return splitHash(hash64Bytes(new Uint8Array(chunk.buffer, chunk.byteOffset + clientAt, payloadEnd - clientAt)));
}
