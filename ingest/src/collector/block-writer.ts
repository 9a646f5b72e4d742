import type { Clock } from '@tributary/platform/clock';
import type { EventLog } from '@tributary/platform/event-log';
import { CodedError, type DeadLetter, type LogBlock, type TouchedMinutes, uuidV7 } from '@tributary/schema';
import type { PendingLine } from './draft.ts';

export interface BlockWriterOptions {
  readonly eventLog: Pick<EventLog, 'append' | 'partitionCount'>;
  readonly clock: Clock;
  /** Characters that may wait for the log, over all requests; above it `append` rejects. Default 64 Mi. */
  readonly maxPendingChars?: number;
  /** Characters of one block, about. Default 900,000: below the brokers' usual record limit of 1 MB. */
  readonly maxBlockChars?: number;
  readonly onGroup?: (group: { readonly events: number; readonly blocks: number; readonly durationMs: number }) => void;
}

export interface BlockWriter {
  /**
   * Resolves once all of it is durably in the log. Rejects with LOG_UNAVAILABLE when the log refused, or at once when too
   * much waits already; nothing of it may be called accepted then.
   */
  append(lines: readonly PendingLine[], deadLetters: readonly DeadLetter[]): Promise<void>;
  pendingChars(): number;
  /** Waits for what is under way. */
  dispose(): Promise<void>;
}

interface Waiting {
  readonly lines: readonly PendingLine[];
  readonly deadLetters: readonly DeadLetter[];
  readonly chars: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Characters of one group; what waits beyond it goes into the next. */
const maxGroupChars = 8 * 1_048_576;

/**
 * Group commit: while one group is made durable, the next gathers. A busy collector so pays one flush for hundreds of
 * requests, an idle one for each.
 */
export function createBlockWriter(options: BlockWriterOptions): BlockWriter {
  const { eventLog, clock, maxPendingChars = 64 * 1_048_576, maxBlockChars = 900_000 } = options;
  let waiting: Waiting[] = [];
  let chars = 0;
  let running: Promise<void> | null = null;

  const flushAll = async () => {
    // One turn of the loop lets the requests that have arrived together go together.
    await new Promise((resolve) => setImmediate(resolve));
    while (waiting.length > 0) {
      const group = takeGroup();
      const startedAt = performance.now();
      try {
        const blocks = buildBlocks(group, eventLog.partitionCount, clock.now(), maxBlockChars);
        await eventLog.append(blocks);
        options.onGroup?.({
          events: group.reduce((sum, item) => sum + item.lines.length, 0),
          blocks: blocks.length,
          durationMs: performance.now() - startedAt,
        });
        for (const item of group) item.resolve();
      } catch (error) {
        const fault =
          error instanceof CodedError
            ? error
            : new CodedError('LOG_UNAVAILABLE', { cause: error, retryAfterSeconds: 1 });
        for (const item of group) item.reject(fault);
      } finally {
        chars -= group.reduce((sum, item) => sum + item.chars, 0);
      }
    }
    running = null;
  };

  const takeGroup = (): Waiting[] => {
    let size = 0;
    let count = 0;
    while (count < waiting.length && (count === 0 || size + waiting[count]!.chars <= maxGroupChars))
      size += waiting[count++]!.chars;
    const group = count === waiting.length ? waiting : waiting.slice(0, count);
    waiting = count === waiting.length ? [] : waiting.slice(count);
    return group;
  };

  return {
    append(lines, deadLetters) {
      const size =
        lines.reduce((sum, line) => sum + line.head.length, 0) +
        deadLetters.reduce((sum, letter) => sum + letter.payload.length + 400, 0);
      if (chars > 0 && chars + size > maxPendingChars) {
        return Promise.reject(
          new CodedError('LOG_UNAVAILABLE', { message: 'Too much waits to be stored. Retry.', retryAfterSeconds: 1 }),
        );
      }
      chars += size;
      return new Promise((resolve, reject) => {
        waiting.push({ lines, deadLetters, chars: size, resolve, reject });
        running ??= flushAll();
      });
    },
    pendingChars: () => chars,
    async dispose() {
      while (running) await running;
    },
  };
}

/** Pure but for the block ids: the group's lines by partition, cut into blocks; dead letters into blocks of their own. */
export function buildBlocks(
  group: readonly { readonly lines: readonly PendingLine[]; readonly deadLetters: readonly DeadLetter[] }[],
  partitions: number,
  nowMs: number,
  maxBlockChars: number,
): LogBlock[] {
  const byPartition: { lines: PendingLine[]; chars: number }[] = [];
  const blocks: LogBlock[] = [];
  const letters: DeadLetter[] = [];
  for (const item of group) {
    for (const line of item.lines) {
      const partition = Number(line.dedupeHash % BigInt(partitions));
      let open = byPartition[partition];
      if (open && open.chars + line.head.length > maxBlockChars) {
        blocks.push(eventBlock(open.lines, partition, nowMs));
        open = undefined;
      }
      if (!open) {
        open = { lines: [], chars: 0 };
        byPartition[partition] = open;
      }
      open.lines.push(line);
      open.chars += line.head.length;
    }
    for (const letter of item.deadLetters) letters.push(letter);
  }
  byPartition.forEach((open, partition) => void blocks.push(eventBlock(open.lines, partition, nowMs)));
  return [...blocks, ...deadLetterBlocks(letters, partitions, nowMs, maxBlockChars)];
}

function eventBlock(lines: readonly PendingLine[], partition: number, nowMs: number): LogBlock {
  const blockId = uuidV7(nowMs);
  const lineLengths: number[] = [];
  let dedupeHashes = '';
  let payloadHashes = '';
  let text = '';
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index]!;
    const whole = `${line.head},"block_id":"${blockId}","block_index":${index}}\n`;
    lineLengths.push(Buffer.byteLength(whole));
    text += whole;
    dedupeHashes += line.dedupeHex;
    payloadHashes += line.payloadHex;
  }
  return {
    header: {
      kind: 'events',
      blockId,
      partition,
      count: lines.length,
      lineLengths,
      dedupeHashes,
      payloadHashes,
      touched: touchedBy(lines),
      receivedAt: nowMs,
    },
    body: Buffer.from(text),
  };
}

function touchedBy(lines: readonly PendingLine[]): TouchedMinutes[] {
  const apps = new Map<string, { tenantId: string; minutes: Set<number>; events: number }>();
  for (const line of lines) {
    let app = apps.get(line.appId);
    if (!app) {
      app = { tenantId: line.tenantId, minutes: new Set(), events: 0 };
      apps.set(line.appId, app);
    }
    app.minutes.add(line.minute);
    app.events += 1;
  }
  return [...apps].map(([appId, app]) => ({
    tenantId: app.tenantId,
    appId,
    minutes: [...app.minutes].sort((a, b) => a - b),
    events: app.events,
  }));
}

function deadLetterBlocks(
  letters: readonly DeadLetter[],
  partitions: number,
  nowMs: number,
  maxBlockChars: number,
): LogBlock[] {
  const blocks: LogBlock[] = [];
  let lines: string[] = [];
  let chars = 0;
  const close = () => {
    if (lines.length === 0) return;
    const lineLengths = lines.map((line) => Buffer.byteLength(line));
    // Any partition does: dead letters are stored by their id, whoever owns them. Spread by count.
    const partition = blocks.length % partitions;
    blocks.push({
      header: {
        kind: 'dead_letters',
        blockId: uuidV7(nowMs),
        partition,
        count: lines.length,
        lineLengths,
        dedupeHashes: '',
        payloadHashes: '',
        touched: [],
        receivedAt: nowMs,
      },
      body: Buffer.from(lines.join('')),
    });
    lines = [];
    chars = 0;
  };
  for (const letter of letters) {
    const line = `${JSON.stringify(letter)}\n`;
    if (chars + line.length > maxBlockChars) close();
    lines.push(line);
    chars += line.length;
  }
  close();
  return blocks;
}
