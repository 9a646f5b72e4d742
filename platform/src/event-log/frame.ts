import { crc32 } from 'node:zlib';
import { CodedError, type LogBlock, type LogBlockHeader, type TouchedMinutes } from '@tributary/schema';

/**
 * The stored form of a block, little-endian:
 *
 * | bytes | what |
 * |---|---|
 * | 1 | form (1) |
 * | 1 | kind |
 * | 2 | 0 |
 * | 4 | CRC-32 of all that follows |
 * | 8 | receivedAt, float64 |
 * | 4 × 6 | partition, count, then byte lengths: dedupe hashes, payload hashes, meta, body |
 * | 4 × count | line lengths |
 * | … | dedupe hashes, payload hashes (8 bytes each), meta (JSON: block id, touched minutes), body |
 *
 * Reading 100 events' header takes microseconds: nothing per event is JSON. The checksum is there because LMDB has none
 * of its own: a page that the disk lost must not reach the warehouse as events.
 */
const form = 1;
const fixedBytes = 40;
const kinds = ['events', 'dead_letters'] as const;

/** The body is not copied where the block has room for the head before it. */
export function encodeFrame(block: LogBlock): Buffer {
  const head = encodeHead(block);
  const { body, headRoom = 0 } = block;
  if (head.length > headRoom) return Buffer.concat([head, body]);
  const frame = Buffer.from(body.buffer, body.byteOffset - head.length, head.length + body.length);
  frame.set(head);
  return frame;
}

/** All of a frame but its body, for stores that keep the body apart. Its checksum covers the body too. */
export function encodeHead({ header, body }: LogBlock): Buffer {
  // What is no hex ends the decoding early.
  const dedupe = Buffer.from(header.dedupeHashes, 'hex');
  const payload = Buffer.from(header.payloadHashes, 'hex');
  assertWhole(header, body, dedupe.length, payload.length);
  const meta = Buffer.from(JSON.stringify([header.blockId, header.touched]));
  const head = Buffer.allocUnsafe(fixedBytes + header.count * 4 + dedupe.length + payload.length + meta.length);
  head[0] = form;
  head[1] = kinds.indexOf(header.kind);
  head.writeUInt16LE(0, 2);
  head.writeDoubleLE(header.receivedAt, 8);
  let at = 16;
  for (const size of [header.partition, header.count, dedupe.length, payload.length, meta.length, body.length]) {
    at = head.writeUInt32LE(size, at);
  }
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  for (let index = 0; index < header.count; index += 1) {
    view.setUint32(at, header.lineLengths[index]!, true);
    at += 4;
  }
  for (const part of [dedupe, payload, meta]) {
    head.set(part, at);
    at += part.length;
  }
  head.writeUInt32LE(crc32(body, crc32(head.subarray(8))), 4);
  return head;
}

/**
 * The block of a frame; the body is a view of it, not a copy. Throws CodedError INTERNAL when the bytes are not what
 * was written.
 */
export function decodeFrame(frame: Buffer): LogBlock {
  if (frame.length < fixedBytes || frame[0] !== form) throw damaged('unknown form');
  const bodyAt =
    fixedBytes + frame.readUInt32LE(20) * 4 + frame.readUInt32LE(24) + frame.readUInt32LE(28) + frame.readUInt32LE(32);
  return decodeParts(frame.subarray(0, bodyAt), frame.subarray(bodyAt));
}

/** The block of what `encodeHead` made and the body it was made for; throws as `decodeFrame` does. */
export function decodeParts(head: Buffer, body: Uint8Array): LogBlock {
  const kind = kinds[head[1] ?? -1];
  if (head.length < fixedBytes || head[0] !== form || kind === undefined) throw damaged('unknown form');
  if (crc32(body, crc32(head.subarray(8))) !== head.readUInt32LE(4)) throw damaged('checksum differs');
  const count = head.readUInt32LE(20);
  const lineLengths = new Array<number>(count);
  for (let index = 0; index < count; index += 1) lineLengths[index] = head.readUInt32LE(fixedBytes + index * 4);
  const dedupeAt = fixedBytes + count * 4;
  const payloadAt = dedupeAt + head.readUInt32LE(24);
  const metaAt = payloadAt + head.readUInt32LE(28);
  const [blockId, touched] = JSON.parse(head.toString('utf8', metaAt)) as [string, TouchedMinutes[]];
  return {
    header: {
      kind,
      blockId,
      partition: head.readUInt32LE(16),
      count,
      lineLengths,
      dedupeHashes: head.toString('hex', dedupeAt, payloadAt),
      payloadHashes: head.toString('hex', payloadAt, metaAt),
      touched,
      receivedAt: head.readDoubleLE(8),
    },
    body,
  };
}

/** `receivedAt` of a frame without decoding it. */
export function receivedAtOf(frame: Buffer): number {
  return frame.readDoubleLE(8);
}

function assertWhole(header: LogBlockHeader, body: Uint8Array, dedupeBytes: number, payloadBytes: number): void {
  let bytes = 0;
  for (const length of header.lineLengths) bytes += length;
  const hashBytes = header.kind === 'events' ? header.count * 8 : 0;
  const faults = [
    header.lineLengths.length === header.count || 'lineLengths does not have count entries',
    bytes === body.length || 'lineLengths does not sum to the length of the body',
    isWhole(header.dedupeHashes, dedupeBytes, hashBytes) || 'dedupeHashes is not 16 hex digits an event',
    isWhole(header.payloadHashes, payloadBytes, hashBytes) || 'payloadHashes is not 16 hex digits an event',
  ].filter((fault) => fault !== true);
  if (faults.length > 0) {
    throw new CodedError('INTERNAL', { message: `Block ${header.blockId} is not whole: ${faults.join('; ')}.` });
  }
}

function isWhole(text: string, decodedBytes: number, wantedBytes: number): boolean {
  return decodedBytes === wantedBytes && text.length === wantedBytes * 2;
}

function damaged(why: string): CodedError {
  return new CodedError('INTERNAL', { message: `A stored block is damaged: ${why}.` });
}
