import type { Clock } from '@tributary/platform/clock';
import type { EventLog } from '@tributary/platform/event-log';
import { CodedError, type DeadLetter } from '@tributary/schema';
import { buildBlocks } from './blocks.ts';
import type { PendingLine } from './draft.ts';

export interface BlockWriterOptions {
  readonly eventLog: Pick<EventLog, 'append' | 'partitionCount'>;
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
  append(lines: readonly PendingLine[], deadLetters: readonly DeadLetter[], done: (fault?: CodedError) => void): void;
  pendingBytes(): number;
  /** Waits for what is under way. */
  dispose(): Promise<void>;
}

interface Waiting {
  readonly lines: readonly PendingLine[];
  readonly deadLetters: readonly DeadLetter[];
  readonly bytes: number;
  readonly done: (fault?: CodedError) => void;
}

/** Bytes of one group; what waits beyond it goes into the next. */
const maxGroupBytes = 4 * 1_048_576;

/**
 * Group commit: while one group is made durable, the next gathers. A busy collector so pays one flush for hundreds of
 * requests, an idle one for each.
 */
export function createBlockWriter(options: BlockWriterOptions): BlockWriter {
  const { eventLog, clock, maxPendingBytes = 64 * 1_048_576, maxBlockBytes = 900_000, maxInFlight = 2 } = options;
  let waiting: Waiting[] = [];
  let bytes = 0;
  const running = new Set<Promise<void>>();

  const flushAll = async () => {
    // One turn of the loop lets the requests that have arrived together go together.
    await new Promise((resolve) => setImmediate(resolve));
    while (waiting.length > 0) await flush(takeGroup());
  };
  const start = () => {
    if (running.size >= maxInFlight) return;
    const flushing: Promise<void> = flushAll().finally(() => running.delete(flushing));
    running.add(flushing);
  };

  const flush = async (group: readonly Waiting[]) => {
    const startedAt = performance.now();
    let fault: CodedError | undefined;
    try {
      const blocks = buildBlocks(group, eventLog.partitionCount, clock.now(), maxBlockBytes);
      if (blocks.length > 0) await eventLog.append(blocks);
      const events = group.reduce((sum, item) => sum + item.lines.length, 0);
      options.onGroup?.({ events, blocks: blocks.length, durationMs: performance.now() - startedAt });
    } catch (cause) {
      fault = cause instanceof CodedError ? cause : new CodedError('LOG_UNAVAILABLE', { cause, retryAfterSeconds: 1 });
    }
    for (const item of group) {
      bytes -= item.bytes;
      item.done(fault);
    }
  };

  const takeGroup = (): Waiting[] => {
    let size = 0;
    let count = 0;
    while (count < waiting.length && (count === 0 || size + waiting[count]!.bytes <= maxGroupBytes))
      size += waiting[count++]!.bytes;
    const group = count === waiting.length ? waiting : waiting.slice(0, count);
    waiting = count === waiting.length ? [] : waiting.slice(count);
    return group;
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
      bytes += size;
      waiting.push({ lines, deadLetters, bytes: size, done });
      start();
    },
    pendingBytes: () => bytes,
    async dispose() {
      while (running.size > 0) await Promise.all(running);
    },
  };
}

function bytesOf(lines: readonly PendingLine[], deadLetters: readonly DeadLetter[]): number {
  let bytes = 0;
  for (const { start, end } of lines) bytes += end - start;
  for (const { payload } of deadLetters) bytes += payload.length + 400;
  return bytes;
}
