import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@tributary/platform/logger';
import { isStaleOwner } from './engine-errors.ts';
import type { ConsumerSettings } from './settings.ts';

/** Doing a thing until it is done: stores come back, and a consumer has nothing better to do than to wait for them. */
export interface Persistence {
  /**
   * Calls `work` until it resolves, pausing longer and longer between. `work` must be safe to repeat. Rejects only when
   * the signal aborts, and with STALE_OWNER, since no repeat makes an owner of one that was overtaken.
   */
  untilDone<T>(what: string, work: () => Promise<T>): Promise<T>;
  /** The pause before the attempt after this one (counted from 1). Rejects when the signal aborts. */
  pause(attempt: number): Promise<void>;
  throwIfStopped(): void;
}

export interface PersistenceDeps {
  readonly logger: Logger;
  readonly settings: Pick<ConsumerSettings, 'firstBackoffMs' | 'longestBackoffMs'>;
  readonly signal: AbortSignal;
  /** Told of each failure, and null after success that followed one. */
  readonly onTrouble?: (trouble: string | null) => void;
}

export function createPersistence({ logger, settings, signal, onTrouble }: PersistenceDeps): Persistence {
  const { firstBackoffMs, longestBackoffMs } = settings;
  async function pause(attempt: number): Promise<void> {
    const ceiling = Math.min(longestBackoffMs, firstBackoffMs * 2 ** Math.min(attempt - 1, 20));
    // Half fixed, half random: several consumers don't come back in step.
    await sleep(ceiling / 2 + Math.random() * (ceiling / 2), undefined, { signal });
  }
  return {
    pause,
    throwIfStopped: () => signal.throwIfAborted(),
    async untilDone(what, work) {
      for (let attempt = 1; ; attempt += 1) {
        signal.throwIfAborted();
        try {
          const result = await work();
          if (attempt > 1) onTrouble?.(null);
          return result;
        } catch (error) {
          signal.throwIfAborted();
          if (isStaleOwner(error)) throw error;
          onTrouble?.(`${what}: ${error instanceof Error ? error.message : String(error)}`);
          logger.warn({ err: error, attempt, what }, 'could not be done yet; trying again');
          await pause(attempt);
        }
      }
    },
  };
}
