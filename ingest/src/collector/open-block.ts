import { type LogBlock, uuidV7 } from '@tributary/schema';
import type { BlockMemory } from './block-memory.ts';
import type { PendingLine } from './draft.ts';
import { hexLength, writeHex } from './hash-bytes.ts';
import { putNumber, type Words, wordsOf } from './pass-through/bytes.ts';

/** A block that lines are written into as they come. */
export interface OpenBlock {
  readonly partition: number;
  readonly blockId: string;
  /** What each line gets behind it, its two hashes still to be filled in. */
  readonly tail: Buffer;
  readonly lineLengths: number[];
  readonly memory: BlockMemory;
  /** Memory of the body, which begins at `headRoom`. */
  body: Words;
  /** Where the next line begins. */
  end: number;
  /** Hex digits of both hashes of each line. */
  dedupe: Words;
  payload: Words;
  readonly apps: Map<string, TouchedApp>;
}

interface TouchedApp {
  readonly tenantId: string;
  readonly minutes: Set<number>;
  events: number;
}

const hashesTemplate = `,"dedupe_hash":"${'-'.repeat(hexLength)}","payload_hash":"${'-'.repeat(hexLength)}"`;
const dedupeHashAt = hashesTemplate.indexOf('-');
const payloadHashAt = hashesTemplate.lastIndexOf('-') + 1 - hexLength;
const tailOf = (blockId: string) => Buffer.from(`${hashesTemplate},"block_id":"${blockId}","block_index":`, 'latin1');
const closingBrace = 0x7d;
const lineFeed = 0x0a;
/** A tail, and room for the index, the closing brace and the line's end. */
export const maxTailBytes = tailOf(uuidV7(0)).length + 12;
const leastLines = 32;
/** A store's head stands before the body: some 20 bytes a line. */
const headRoom = 16_384;

const nothing = wordsOf(Buffer.alloc(0));

export function openBlock(partition: number, nowMs: number, memory: BlockMemory): OpenBlock {
  const blockId = uuidV7(nowMs);
  return {
    partition,
    blockId,
    tail: tailOf(blockId),
    lineLengths: [],
    memory,
    body: nothing,
    end: headRoom,
    dedupe: wordsOf(Buffer.allocUnsafe(leastLines * hexLength)),
    payload: wordsOf(Buffer.allocUnsafe(leastLines * hexLength)),
    apps: new Map(),
  };
}

export const bytesOf = (block: OpenBlock): number => block.end - headRoom;

/** Room for more lines. */
export function makeRoom(block: OpenBlock, lines: number, bytes: number): void {
  const { memory, body, end } = block;
  if (body.bytes.length - end < bytes) {
    block.body = memory.take(Math.max(end + bytes, body.bytes.length * 2));
    if (body !== nothing) {
      body.bytes.copy(block.body.bytes, headRoom, headRoom, end);
      memory.give(body);
    }
  }
  const hashBytes = block.lineLengths.length * hexLength;
  block.dedupe = roomier(block.dedupe, hashBytes, lines * hexLength);
  block.payload = roomier(block.payload, hashBytes, lines * hexLength);
}

function roomier(words: Words, used: number, more: number): Words {
  const { length } = words.bytes;
  if (length - used >= more) return words;
  const bytes = Buffer.allocUnsafe(Math.max(used + more, length * 2));
  words.bytes.copy(bytes, 0, 0, used);
  return wordsOf(bytes);
}

export function addLine(block: OpenBlock, line: PendingLine): void {
  const { bytes, start, end, dedupeHash, payloadHash } = line;
  makeRoom(block, 1, end - start + maxTailBytes);
  const { body, dedupe, payload, lineLengths, tail } = block;
  const at = block.end;
  const hashAt = lineLengths.length * hexLength;
  const tailAt = at + bytes.copy(body.bytes, at, start, end);
  body.bytes.set(tail, tailAt);
  writeHex(dedupeHash, body.view, tailAt + dedupeHashAt);
  writeHex(payloadHash, body.view, tailAt + payloadHashAt);
  writeHex(dedupeHash, dedupe.view, hashAt);
  writeHex(payloadHash, payload.view, hashAt);
  const indexEnd = putNumber(lineLengths.length, body, tailAt + tail.length);
  body.bytes[indexEnd] = closingBrace;
  body.bytes[indexEnd + 1] = lineFeed;
  block.end = indexEnd + 2;
  lineLengths.push(block.end - at);
  const app = appIn(block, line.tenantId, line.appId);
  app.minutes.add(line.minute);
  app.events += 1;
}

export function appIn({ apps }: OpenBlock, tenantId: string, appId: string): TouchedApp {
  const known = apps.get(appId);
  if (known !== undefined) return known;
  const app = { tenantId, minutes: new Set<number>(), events: 0 };
  apps.set(appId, app);
  return app;
}

export function closeBlock(block: OpenBlock, nowMs: number): LogBlock {
  const { partition, blockId, lineLengths, body, end, dedupe, payload, apps } = block;
  const hashBytes = lineLengths.length * hexLength;
  return {
    header: {
      kind: 'events',
      blockId,
      partition,
      count: lineLengths.length,
      lineLengths,
      dedupeHashes: dedupe.bytes.toString('latin1', 0, hashBytes),
      payloadHashes: payload.bytes.toString('latin1', 0, hashBytes),
      touched: [...apps].map(([appId, { tenantId, minutes, events }]) => ({
        tenantId,
        appId,
        minutes: [...minutes].sort((a, b) => a - b),
        events,
      })),
      receivedAt: nowMs,
    },
    body: body.bytes.subarray(headRoom, end),
    headRoom,
  };
}
