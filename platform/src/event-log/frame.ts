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

export function encodeFrame(block: LogBlock): Buffer {
  const { header, body } = block;
  assertWhole(header, body);
  const dedupe = Buffer.from(header.dedupeHashes, 'hex');
  const payload = Buffer.from(header.payloadHashes, 'hex');
  const meta = Buffer.from(JSON.stringify([header.blockId, header.touched]));
  const frame = Buffer.allocUnsafe(
    fixedBytes + header.count * 4 + dedupe.length + payload.length + meta.length + body.length,
  );
  frame[0] = form;
  frame[1] = kinds.indexOf(header.kind);
  frame.writeUInt16LE(0, 2);
  frame.writeDoubleLE(header.receivedAt, 8);
  let at = 16;
  for (const size of [header.partition, header.count, dedupe.length, payload.length, meta.length, body.length]) {
    at = frame.writeUInt32LE(size, at);
  }
  for (const length of header.lineLengths) at = frame.writeUInt32LE(length, at);
  for (const part of [dedupe, payload, meta, body]) {
    frame.set(part, at);
    at += part.length;
  }
  frame.writeUInt32LE(crc32(frame.subarray(8)), 4);
  return frame;
}

/**
 * The block of a frame; the body is a view of it, not a copy. Throws CodedError INTERNAL when the bytes are not what
 * was written.
 */
export function decodeFrame(frame: Buffer): LogBlock {
  const kind = kinds[frame[1] ?? -1];
  if (frame.length < fixedBytes || frame[0] !== form || kind === undefined) throw damaged('unknown form');
  if (crc32(frame.subarray(8)) !== frame.readUInt32LE(4)) throw damaged('checksum differs');
  const count = frame.readUInt32LE(20);
  const lineLengths = new Array<number>(count);
  for (let index = 0; index < count; index += 1) lineLengths[index] = frame.readUInt32LE(fixedBytes + index * 4);
  const dedupeAt = fixedBytes + count * 4;
  const payloadAt = dedupeAt + frame.readUInt32LE(24);
  const metaAt = payloadAt + frame.readUInt32LE(28);
  const bodyAt = metaAt + frame.readUInt32LE(32);
  const [blockId, touched] = JSON.parse(frame.toString('utf8', metaAt, bodyAt)) as [string, TouchedMinutes[]];
  return {
    header: {
      kind,
      blockId,
      partition: frame.readUInt32LE(16),
      count,
      lineLengths,
      dedupeHashes: frame.toString('hex', dedupeAt, payloadAt),
      payloadHashes: frame.toString('hex', payloadAt, metaAt),
      touched,
      receivedAt: frame.readDoubleLE(8),
    },
    body: frame.subarray(bodyAt),
  };
}

/** `receivedAt` of a frame without decoding it. */
export function receivedAtOf(frame: Buffer): number {
  return frame.readDoubleLE(8);
}

function assertWhole(header: LogBlockHeader, body: Uint8Array): void {
  const bytes = header.lineLengths.reduce((sum, length) => sum + length, 0);
  const hashes = header.kind === 'events' ? header.count * 16 : 0;
  const faults = [
    header.lineLengths.length === header.count || 'lineLengths does not have count entries',
    bytes === body.length || 'lineLengths does not sum to the length of the body',
    isHex(header.dedupeHashes, hashes) || 'dedupeHashes is not 16 hex digits an event',
    isHex(header.payloadHashes, hashes) || 'payloadHashes is not 16 hex digits an event',
  ].filter((fault) => fault !== true);
  if (faults.length > 0) {
    throw new CodedError('INTERNAL', { message: `Block ${header.blockId} is not whole: ${faults.join('; ')}.` });
  }
}

function isHex(text: string, length: number): boolean {
  return text.length === length && /^[0-9a-f]*$/.test(text);
}

function damaged(why: string): CodedError {
  return new CodedError('INTERNAL', { message: `A stored block is damaged: ${why}.` });
}
