import type { Clock } from '@tributary/platform/clock';
import type { EventLog } from '@tributary/platform/event-log';
import { CodedError, type DeadLetter } from '@tributary/schema';
import { createBlockMemory, memoryUsedOnce } from './block-memory.ts';
import { createOpenBlocks, type OpenBlocks } from './blocks.ts';
import type { Lines } from './pass-through/staged-lines.ts';

export interface BlockWriterOptions {
  readonly eventLog: Pick<EventLog, 'append' | 'partitionCount' | 'copiesBlocks'>;
  readonly clock: Clock;
  /** Bytes that may wait for the log, over all requests; above it `append` rejects. Default 64 Mi. */
  readonly maxPendingBytes?: number;
  /**
   * Groups under way at once. Default 2: one is being flushed while the next one is being written; more would only make the
   * groups smaller and the waits longer.
   */
  readonly maxInFlight?: number;
  /** Bytes of one block, about. Default 900,000: below the brokers' usual record limit of 1 MB. */
  readonly maxBlockBytes?: number;
  readonly onGroup?: (group: { readonly events: number; readonly blocks: number; readonly durationMs: number }) => void;
}

export interface BlockWriter {
  /**
   * Calls `done` once: without a fault when all of it is durably in the log; with LOG_UNAVAILABLE when the log refused, or at
   * once when too much waits already; nothing of it may be called accepted then. (No promise: there is one for each request.)
   */
  append(lines: Lines, deadLetters: readonly DeadLetter[], done: (fault?: CodedError) => void): void;
  pendingBytes(): number;
  /** Waits for what is under way. */
  dispose(): Promise<void>;
}

interface Waiting {
  readonly bytes: number;
  readonly done: (fault?: CodedError) => void;
}

/** What goes into the log together. */
interface Group {
  readonly items: Waiting[];
  readonly blocks: OpenBlocks;
  events: number;
  bytes: number;
}

/** Bytes of one group; what waits beyond it goes into the next. */
const maxGroupBytes = 4 * 1_048_576;
/**
 * Under load small groups begin so far apart: each costs half a millisecond of CPU whatever it holds, and touches other pages of the
 * log's file, which stay in memory. Where less comes, or a group is large already, nothing is waited for.
 */
const busyGapMs = 2;
/** Of batches: who sends ten events at once and more waits for no single one. */
const busyBatchGapMs = 6;
const busyEventsPerMs = 8;
const largeGroupBytes = 262_144;

/**
 * Group commit: while one group is made durable, the next gathers. A busy collector so pays one flush for hundreds of
 * requests, an idle one for each.
 */
export function createBlockWriter(options: BlockWriterOptions): BlockWriter {
  const { eventLog, clock, maxPendingBytes = 64 * 1_048_576, maxBlockBytes = 900_000, maxInFlight = 2 } = options;
  const memory = eventLog.copiesBlocks === true ? createBlockMemory() : memoryUsedOnce;
  let bytes = 0;
  const running = new Set<Promise<void>>();
  /** Groups that are full, and the one that gathers. */
  const full: Group[] = [];
  const newGroup = (): Group => ({
    items: [],
    blocks: createOpenBlocks({ partitions: eventLog.partitionCount, nowMs: () => clock.now(), maxBlockBytes, memory }),
    events: 0,
    bytes: 0,
  });
  let gathering: Group | null = null;
  let begunAt = 0;
  /** When the next group may begin. */
  let dueAt = 0;

  const take = (group: Group): void => {
    if (group === gathering) gathering = null;
    else full.shift();
    const now = performance.now();
    const isBusy = group.events > busyEventsPerMs * Math.max(1, now - begunAt);
    const gapMs = group.events < group.items.length * 10 ? busyGapMs : busyBatchGapMs;
    dueAt = isBusy ? now + gapMs : now;
    begunAt = now;
  };
  const flushAll = async () => {
    // One turn of the loop lets the requests that have arrived together go together.
    await new Promise((resolve) => setImmediate(resolve));
    for (let group = full[0] ?? gathering; group !== null; group = full[0] ?? gathering) {
      const waitMs = group === gathering && group.bytes < largeGroupBytes ? dueAt - performance.now() : 0;
      if (waitMs > 0) {
        // In steps: a group that has grown large meanwhile waits no longer.
        await new Promise((resolve) => setTimeout(resolve, Math.min(waitMs, busyGapMs)));
        continue;
      }
      take(group);
      await flush(group);
    }
  };
  const start = () => {
    if (running.size >= maxInFlight) return;
    const flushing: Promise<void> = flushAll().finally(() => running.delete(flushing));
    running.add(flushing);
  };

  const flush = async ({ items, events, blocks: open }: Group) => {
    const startedAt = performance.now();
    let fault: CodedError | undefined;
    try {
      const blocks = open.close();
      if (blocks.length > 0) await eventLog.append(blocks);
      open.release();
      options.onGroup?.({ events, blocks: blocks.length, durationMs: performance.now() - startedAt });
    } catch (cause) {
      fault = cause instanceof CodedError ? cause : new CodedError('LOG_UNAVAILABLE', { cause, retryAfterSeconds: 1 });
    }
    for (const item of items) {
      bytes -= item.bytes;
      item.done(fault);
    }
  };

  const groupFor = (size: number): Group => {
    if (gathering !== null && gathering.bytes + size > maxGroupBytes) {
      full.push(gathering);
      gathering = null;
    }
    gathering ??= newGroup();
    return gathering;
  };

  return {
    append(lines, deadLetters, done) {
      const size = bytesOf(lines, deadLetters);
      if (bytes > 0 && bytes + size > maxPendingBytes) {
        done(
          new CodedError('LOG_UNAVAILABLE', { message: 'Too much waits to be stored. Retry.', retryAfterSeconds: 1 }),
        );
        return;
      }
      const group = groupFor(size);
      group.blocks.add(lines);
      group.blocks.addLetters(deadLetters);
      group.items.push({ bytes: size, done });
      group.events += lines.length;
      group.bytes += size;
      bytes += size;
      start();
    },
    pendingBytes: () => bytes,
    async dispose() {
      while (running.size > 0) await Promise.all(running);
    },
  };
}

function bytesOf(lines: Lines, deadLetters: readonly DeadLetter[]): number {
  let bytes = 0;
  if ('staged' in lines) bytes = lines.bytes;
  else for (const { start, end } of lines) bytes += end - start;
  for (const { payload } of deadLetters) bytes += payload.length + 400;
  return bytes;
}
