import type { LogBlock } from '@tributary/schema';
import type { EventLog, LogReader } from '../event-log.ts';
import { encodeFrame } from './frame.ts';
import { assertPartition, createLmdbReader } from './reader.ts';
import { applyLmdbRetention } from './retention.ts';
import { type LogStore, openLogStore } from './store.ts';
import { createWakeSignal } from './wake-signal.ts';
import { withinTime } from './within-time.ts';
import { createWriteQueue } from './write-queue.ts';

export interface LmdbEventLogOptions {
  /** Directory of the environment; made when absent. */
  readonly dir: string;
  /** Fixed when the log is first made. */
  readonly partitions: number;
  /** Awaited after each flush, before any append or commit of that transaction resolves. For tests. */
  readonly sync?: () => Promise<void>;
  /** How long `checkHealth` waits for its own write. Default 5,000. */
  readonly healthTimeoutMs?: number;
}

/** As large as a common block: on a full disk a few bytes would still find room. */
const probeBytes = 65_536;

/**
 * The embedded event log: one LMDB environment that several processes of one host share. A group's partitions all go
 * to one reader; others of the same group wait until it is disposed or its process has ended.
 *
 * A dropped record's space is used again, but the file never shrinks.
 *
 * Throws CONFIG_INVALID when the log was made with another partition count, LOG_UNAVAILABLE when it can't be opened.
 *
 * @example
 * const log = await openLmdbEventLog({ dir: '.data/log', partitions: 4 });
 * await log.append([block]); // durable now
 */
export async function openLmdbEventLog(options: LmdbEventLogOptions): Promise<EventLog> {
  const { partitions, healthTimeoutMs = 5_000 } = options;
  const store = openLogStore(options.dir, partitions);
  const appended = createWakeSignal();
  const writes = createWriteQueue({ root: store.root, sync: options.sync, onDurable: appended.wake });
  const readers = new Set<LogReader>();
  let disposing: Promise<void> | null = null;

  async function dispose(): Promise<void> {
    const ended = await Promise.allSettled([...readers].map((reader) => reader.dispose()));
    await writes.drain();
    await store.close();
    const failed = ended.find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
  }

  return {
    partitionCount: partitions,
    copiesBlocks: true,
    async append(blocks) {
      if (blocks.length === 0) return;
      for (const { header } of blocks) assertPartition(header.partition, partitions);
      const frames = blocks.map(encodeFrame);
      const bytes = frames.reduce((sum, frame) => sum + frame.length, 0);
      await writes.run(() => putFrames(store, blocks, frames), bytes);
    },
    async openReader(readerOptions) {
      const reader = createLmdbReader({ store, writes, appended, partitionCount: partitions }, readerOptions);
      readers.add(reader);
      const forget = (): boolean => readers.delete(reader);
      return { ...reader, dispose: () => reader.dispose().finally(forget) };
    },
    async ends() {
      store.refresh();
      return store.states().map(({ firstOffset, nextOffset, bytes }, partition) => ({
        partition,
        firstOffset: BigInt(firstOffset),
        nextOffset: BigInt(nextOffset),
        bytes,
      }));
    },
    async committed(group) {
      store.refresh();
      return store.committed(group).map(BigInt);
    },
    applyRetention: (retention) => applyLmdbRetention(store, writes, retention),
    async checkHealth() {
      await withinTime(
        writes.run(() => store.writeProbe(Buffer.alloc(probeBytes))),
        healthTimeoutMs,
      );
    },
    dispose: () => (disposing ??= dispose()),
  };
}

/**
 * Offsets are given inside the write transaction, which only one process can hold: that is what makes several writers
 * safe. The states are written first: should a put fail and lmdb still commit the rest, the log has a gap, which
 * readers skip, and never a second block under an offset that somebody already read.
 */
function putFrames(store: LogStore, blocks: readonly LogBlock[], frames: readonly Buffer[]): void {
  const states = store.states().map((state) => ({ ...state }));
  const offsets = blocks.map(({ header: { partition } }, index) => {
    const state = states[partition]!;
    states[partition] = {
      ...state,
      nextOffset: state.nextOffset + 1,
      bytes: state.bytes + frames[index]!.length,
    };
    return state.nextOffset;
  });
  store.writeStates(states);
  for (const [index, frame] of frames.entries()) {
    store.records.putSync([blocks[index]!.header.partition, offsets[index]!], frame);
  }
}
