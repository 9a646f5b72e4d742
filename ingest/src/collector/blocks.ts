import { type DeadLetter, hash64Bytes, type LogBlock, type TouchedMinutes, uuidV7 } from '@tributary/schema';
import type { PendingLine } from './draft.ts';
import { hexLength, partitionOf, splitHash, writeHex } from './hash-bytes.ts';
import { putNumber, wordsOf } from './pass-through/bytes.ts';

interface Taken {
  readonly lines: readonly PendingLine[];
  readonly deadLetters: readonly DeadLetter[];
}

/** Pure but for the block ids: the group's lines by partition, cut into blocks; dead letters into blocks of their own. */
export function buildBlocks(
  group: readonly Taken[],
  partitions: number,
  nowMs: number,
  maxBlockBytes: number,
): LogBlock[] {
  const blocks: LogBlock[] = [];
  const open: { lines: PendingLine[]; bytes: number }[] = Array.from({ length: partitions }, () => ({
    lines: [],
    bytes: 0,
  }));
  const close = (partition: number) => {
    const { lines, bytes } = open[partition]!;
    if (lines.length > 0) blocks.push(eventBlock(lines, bytes, partition, nowMs));
    open[partition] = { lines: [], bytes: 0 };
  };
  for (const { lines } of group) {
    for (const line of lines) {
      const partition = partitionOf(line.dedupeHash, partitions);
      const bytes = line.end - line.start + maxTailBytes;
      if (open[partition]!.bytes + bytes > maxBlockBytes) close(partition);
      const block = open[partition]!;
      block.lines.push(line);
      block.bytes += bytes;
    }
  }
  for (let partition = 0; partition < partitions; partition += 1) close(partition);
  const letters = group.flatMap(({ deadLetters }) => deadLetters);
  return letters.length === 0 ? blocks : [...blocks, ...deadLetterBlocks(letters, partitions, nowMs, maxBlockBytes)];
}

/** What a block adds to a line: its two hashes, and its place. The digits are filled in. */
const hashesTemplate = `,"dedupe_hash":"${'-'.repeat(hexLength)}","payload_hash":"${'-'.repeat(hexLength)}"`;
const dedupeHashAt = hashesTemplate.indexOf('-');
const payloadHashAt = hashesTemplate.lastIndexOf('-') + 1 - hexLength;
const tailOf = (blockId: string) => Buffer.from(`${hashesTemplate},"block_id":"${blockId}","block_index":`, 'latin1');
const closingBrace = 0x7d;
const lineFeed = 0x0a;
/** A tail, and room for the index, the closing brace and the line's end. */
const maxTailBytes = tailOf(uuidV7(0)).length + 12;

function eventBlock(lines: readonly PendingLine[], maxBytes: number, partition: number, nowMs: number): LogBlock {
  const blockId = uuidV7(nowMs);
  const tail = tailOf(blockId);
  const words = wordsOf(Buffer.allocUnsafe(maxBytes));
  const { bytes: body, view } = words;
  const lineLengths = new Array<number>(lines.length);
  const dedupe = wordsOf(Buffer.allocUnsafe(lines.length * hexLength));
  const payload = wordsOf(Buffer.allocUnsafe(lines.length * hexLength));
  let at = 0;
  for (let index = 0; index < lines.length; index += 1) {
    const { bytes, start, end, dedupeHash, payloadHash } = lines[index]!;
    const tailAt = at + bytes.copy(body, at, start, end);
    body.set(tail, tailAt);
    writeHex(dedupeHash, view, tailAt + dedupeHashAt);
    writeHex(payloadHash, view, tailAt + payloadHashAt);
    writeHex(dedupeHash, dedupe.view, index * hexLength);
    writeHex(payloadHash, payload.view, index * hexLength);
    const indexEnd = putNumber(index, words, tailAt + tail.length);
    body[indexEnd] = closingBrace;
    body[indexEnd + 1] = lineFeed;
    const lineEnd = indexEnd + 2;
    lineLengths[index] = lineEnd - at;
    at = lineEnd;
  }
  return {
    header: {
      kind: 'events',
      blockId,
      partition,
      count: lines.length,
      lineLengths,
      dedupeHashes: dedupe.bytes.toString('latin1'),
      payloadHashes: payload.bytes.toString('latin1'),
      touched: touchedBy(lines),
      receivedAt: nowMs,
    },
    body: body.subarray(0, at),
  };
}

function touchedBy(lines: readonly PendingLine[]): TouchedMinutes[] {
  const apps = new Map<string, { tenantId: string; minutes: Set<number>; events: number }>();
  let appId: string | null = null;
  let app = { tenantId: '', minutes: new Set<number>(), events: 0 };
  for (const line of lines) {
    if (line.appId !== appId) {
      appId = line.appId;
      app = apps.get(appId) ?? { tenantId: line.tenantId, minutes: new Set(), events: 0 };
      apps.set(appId, app);
    }
    app.minutes.add(line.minute);
    app.events += 1;
  }
  return [...apps].map(([id, { tenantId, minutes, events }]) => ({
    tenantId,
    appId: id,
    minutes: [...minutes].sort((a, b) => a - b),
    events,
  }));
}

function deadLetterBlocks(
  letters: readonly DeadLetter[],
  partitions: number,
  nowMs: number,
  maxBlockBytes: number,
): LogBlock[] {
  const blocks: LogBlock[] = [];
  let lines: Buffer[] = [];
  let bytes = 0;
  const close = () => {
    if (lines.length === 0) return;
    const blockId = uuidV7(nowMs);
    blocks.push({
      header: {
        kind: 'dead_letters',
        blockId,
        // Any partition does: dead letters are stored by their id, whoever owns them.
        partition: partitionOf(splitHash(hash64Bytes(Buffer.from(blockId))), partitions),
        count: lines.length,
        lineLengths: lines.map((line) => line.length),
        dedupeHashes: '',
        payloadHashes: '',
        touched: [],
        receivedAt: nowMs,
      },
      body: Buffer.concat(lines),
    });
    lines = [];
    bytes = 0;
  };
  for (const letter of letters) {
    const line = Buffer.from(`${JSON.stringify(letter)}\n`);
    if (bytes + line.length > maxBlockBytes) close();
    lines.push(line);
    bytes += line.length;
  }
  close();
  return blocks;
}
