import { CodedError } from '@tributary/schema';
import type { RootDatabase } from 'lmdb';

/**
 * Runs writes inside transactions that many of them share (group commit). `root` flushes each commit before it resolves
 * (no overlappingSync, no noSync).
 */
export interface WriteQueue {
  /**
   * Calls `write` once inside a transaction, in the order of these calls, and resolves with its result after the
   * transaction is on stable storage. Rejects with LOG_UNAVAILABLE when that failed; then it may or may not be there.
   * `write` is synchronous. `bytes` bounds how much one transaction takes on.
   */
  run<T>(write: () => T, bytes?: number): Promise<T>;
  /** Resolves when nothing is queued or in flight. Further calls are refused. */
  drain(): Promise<void>;
}

export interface WriteQueueOptions {
  readonly root: RootDatabase;
  /** Awaited after the flush, before any caller is told; for tests that hold or fail it. */
  readonly sync?: (() => Promise<void>) | undefined;
  /** Called when a transaction became durable. */
  readonly onDurable?: () => void;
}

interface Waiting {
  readonly write: () => unknown;
  readonly bytes: number;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

/** One being flushed while the next one stands ready: more would only make the waits longer. */
const maxInFlight = 2;
const maxBatchBytes = 32 * 1024 * 1024;

/** (Over 50 lines: one closure over the queue; each function inside is short.) */
export function createWriteQueue({ root, sync, onDurable }: WriteQueueOptions): WriteQueue {
  let waiting: Waiting[] = [];
  let inFlight = 0;
  let scheduled = false;
  let closed = false;
  const drained: (() => void)[] = [];

  function schedule(): void {
    if (scheduled || inFlight >= maxInFlight || waiting.length === 0) return;
    scheduled = true;
    // A microtask later, so that all writes of one turn of the event loop share a transaction.
    queueMicrotask(() => {
      scheduled = false;
      const batch = takeBatch();
      if (batch.length === 0) return;
      inFlight += 1;
      void commit(batch).finally(() => {
        inFlight -= 1;
        schedule();
        if (inFlight === 0 && waiting.length === 0) {
          for (const resolve of drained.splice(0)) resolve();
        }
      });
      schedule();
    });
  }

  function takeBatch(): Waiting[] {
    let bytes = 0;
    let size = 0;
    for (const { bytes: more } of waiting) {
      if (size > 0 && bytes + more > maxBatchBytes) break;
      bytes += more;
      size += 1;
    }
    const batch = waiting.slice(0, size);
    waiting = waiting.slice(size);
    return batch;
  }

  async function commit(batch: readonly Waiting[]): Promise<void> {
    let results: unknown[] = [];
    try {
      await root.transaction(() => {
        results = batch.map(({ write }) => write());
      });
      await sync?.();
    } catch (error) {
      // lmdb explains a failed commit in a promise of its own; unheeded, its rejection would end the process.
      const commitError = (error as { commitError?: Promise<unknown> }).commitError;
      const cause = commitError
        ? await commitError.then(
            () => error,
            (reason: unknown) => reason,
          )
        : error;
      const unavailable = cause instanceof CodedError ? cause : new CodedError('LOG_UNAVAILABLE', { cause });
      for (const { reject } of batch) reject(unavailable);
      return;
    }
    onDurable?.();
    batch.forEach(({ resolve }, index) => {
      resolve(results[index] as never);
    });
  }

  return {
    run(write, bytes = 0) {
      if (closed) return Promise.reject(new CodedError('LOG_UNAVAILABLE', { message: 'The event log is closed.' }));
      return new Promise((resolve, reject) => {
        waiting.push({ write, bytes, resolve, reject });
        schedule();
      });
    },
    async drain() {
      closed = true;
      if (inFlight === 0 && waiting.length === 0) return;
      await new Promise<void>((resolve) => drained.push(resolve));
    },
  };
}
