import { type DeadLetter, hash64Bytes, type LogBlock, uuidV7 } from '@tributary/schema';
import { type BlockMemory, memoryUsedOnce } from './block-memory.ts';
import type { PendingLine } from './draft.ts';
import { partitionOf, splitHash } from './hash-bytes.ts';
import { addLine, bytesOf, closeBlock, maxTailBytes, type OpenBlock, openBlock } from './open-block.ts';
import type { Words } from './pass-through/bytes.ts';
import { mostPlaced, mostPlacedBytes, placeLines } from './pass-through/placed-lines.ts';
import type { Lines, StagedLines } from './pass-through/staged-lines.ts';

/** The blocks of a group while it gathers: one of each partition, into which lines are written as they come. */
export interface OpenBlocks {
  add(lines: Lines): void;
  addLetters(letters: readonly DeadLetter[]): void;
  /** All blocks, whole. Called once. */
  close(): LogBlock[];
  /** Nothing refers to the blocks' bodies any more. */
  release(): void;
}

export interface OpenBlocksOptions {
  readonly partitions: number;
  readonly nowMs: () => number;
  /** Bytes of one block, about. */
  readonly maxBlockBytes: number;
  /** Absent = each body has its own. */
  readonly memory?: BlockMemory;
}

/** Lines by partition, cut into blocks; dead letters in blocks of their own. Pure but for the block ids. */
export function createOpenBlocks(options: OpenBlocksOptions): OpenBlocks {
  const { partitions, nowMs, maxBlockBytes, memory = memoryUsedOnce } = options;
  const bodies: Words[] = [];
  const closed: LogBlock[] = [];
  const letters: DeadLetter[] = [];
  const newBlock = (partition: number) => openBlock(partition, nowMs(), memory);
  const open = Array.from({ length: partitions }, (_, partition) => newBlock(partition));

  const closeOne = (block: OpenBlock): void => {
    if (block.lineLengths.length === 0) return;
    closed.push(closeBlock(block, nowMs()));
    bodies.push(block.body);
  };
  const next = (block: OpenBlock): OpenBlock => {
    closeOne(block);
    const fresh = newBlock(block.partition);
    open[block.partition] = fresh;
    return fresh;
  };
  const addOne = (line: PendingLine): void => {
    const block = open[partitionOf(line.dedupeHash, partitions)]!;
    const isFull = bytesOf(block) + line.end - line.start + maxTailBytes > maxBlockBytes;
    addLine(isFull ? next(block) : block, line);
  };
  const addStaged = (lines: StagedLines): boolean => {
    if (partitions > mostPlaced || lines.bytes * partitions > mostPlacedBytes) return false;
    const placed = placeLines(lines, open);
    const isFull = (block: OpenBlock) => bytesOf(block) + placed.bytesOf(block.partition) > maxBlockBytes;
    if (!open.some(isFull)) {
      for (const block of open) placed.addTo(block);
      return true;
    }
    for (const block of open.filter(isFull)) next(block);
    // As the next ones of new blocks they have other indexes. What is too much for one block is cut line by line.
    return !open.some(isFull) && addStaged(lines);
  };
  return {
    add(lines) {
      if (!('staged' in lines)) for (const line of lines) addOne(line);
      else if (!addStaged(lines)) for (const line of lines.lasting()) addOne(line);
    },
    addLetters(more) {
      for (const letter of more) letters.push(letter);
    },
    close() {
      for (const block of open) closeOne(block);
      return [...closed, ...deadLetterBlocks(letters, partitions, nowMs(), maxBlockBytes)];
    },
    release() {
      for (const body of bodies) memory.give(body);
    },
  };
}

interface Taken {
  readonly lines: Lines;
  readonly deadLetters: readonly DeadLetter[];
}

/** The blocks of a group that is there already. */
export function buildBlocks(
  group: readonly Taken[],
  partitions: number,
  nowMs: number,
  maxBlockBytes: number,
): LogBlock[] {
  const blocks = createOpenBlocks({ partitions, nowMs: () => nowMs, maxBlockBytes });
  for (const { lines, deadLetters } of group) {
    blocks.add(lines);
    blocks.addLetters(deadLetters);
  }
  return blocks.close();
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
