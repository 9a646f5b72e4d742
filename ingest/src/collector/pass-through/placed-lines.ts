import { hexLength } from '../hash-bytes.ts';
import { appIn, makeRoom, maxTailBytes, type OpenBlock } from '../open-block.ts';
import type { StagedLines } from './staged-lines.ts';

/** As many blocks the module fills at once. */
export const mostPlaced = 64;
/** Each partition has room for all lines; the module's memory never shrinks. */
export const mostPlacedBytes = 33_554_432;

/* As `placeLines` of ingest/wasm/line-core.ts describes it. */
const headBytes = 256;
const tailInHead = 32;
const linesInHead = 1;
const bytesInHead = 2;
const changesInHead = 3;
const spareBytes = 64;

/** Lines beside one another, each with its block's tail, by partition; still in the module's memory. */
export interface PlacedLines {
  bytesOf(partition: number): number;
  /** Appends those of its partition to a block. */
  addTo(block: OpenBlock): void;
}

/** Writes staged lines as the next ones of these blocks, one of each partition. */
export function placeLines(lines: StagedLines, blocks: readonly OpenBlock[]): PlacedLines {
  const { core, at } = lines.staged();
  const { length: count, tenantId, appId } = lines;
  const areas = (at + lines.bytes + spareBytes + 15) & ~15;
  const metaBytes = count * (8 + 2 * hexLength);
  const areaBytes = (metaBytes + lines.bytes + count * maxTailBytes + spareBytes + 15) & ~15;
  core.grow(areas + areaBytes * blocks.length);
  for (const block of blocks) {
    const head = core.at.heads + block.partition * headBytes;
    core.memory.words[head / 4] = block.lineLengths.length;
    if (core.headsOf[block.partition] === block.blockId) continue;
    core.headsOf[block.partition] = block.blockId;
    core.memory.bytes.set(block.tail, head + tailInHead);
  }
  core.run.placeLines(at, count, blocks.length, areas, areaBytes);
  const { bytes, words } = core.memory;
  const headWord = (partition: number, word: number) => words[(core.at.heads + partition * headBytes) / 4 + word]!;
  return {
    bytesOf: (partition) => headWord(partition, bytesInHead),
    addTo(block) {
      const added = headWord(block.partition, linesInHead);
      if (added === 0) return;
      const addedBytes = headWord(block.partition, bytesInHead);
      makeRoom(block, added, addedBytes);
      const area = areas + block.partition * areaBytes;
      const minutesAt = area + count * 4;
      const dedupesAt = minutesAt + count * 4;
      const payloadsAt = dedupesAt + count * hexLength;
      const bodyAt = payloadsAt + count * hexLength;
      const hashAt = block.lineLengths.length * hexLength;
      bytes.copy(block.dedupe.bytes, hashAt, dedupesAt, dedupesAt + added * hexLength);
      bytes.copy(block.payload.bytes, hashAt, payloadsAt, payloadsAt + added * hexLength);
      bytes.copy(block.body.bytes, block.end, bodyAt, bodyAt + addedBytes);
      block.end += addedBytes;
      for (let index = 0; index < added; index += 1) block.lineLengths.push(words[area / 4 + index]!);
      const app = appIn(block, tenantId, appId);
      app.events += added;
      const changes = headWord(block.partition, changesInHead);
      for (let index = 0; index < changes; index += 1) app.minutes.add(words[minutesAt / 4 + index]! * 60_000);
    },
  };
}
