import type { Logger } from '@tributary/platform/logger';
import type { ReadyReport } from '@tributary/platform/ops-server';

/** A started role. `dispose` stops taking work, drains, commits and releases; idempotent. */
export interface RunningRole {
  readonly name: string;
  readonly urls: Readonly<Record<string, string>>;
  ready(): Promise<ReadyReport>;
  dispose(): Promise<void>;
}

/** Runs named checks side by side; each that throws is reported with its message. */
export async function runChecks(
  checks: Readonly<Record<string, () => Promise<unknown>>>,
  timeoutMs = 5_000,
): Promise<ReadyReport> {
  const entries = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => {
      try {
        await withTimeout(check(), timeoutMs);
        return [name, 'ok'] as const;
      } catch (error) {
        return [name, error instanceof Error ? error.message : String(error)] as const;
      }
    }),
  );
  return { ok: entries.every(([, text]) => text === 'ok'), checks: Object.fromEntries(entries) };
}

export function withTimeout<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Releases in reverse order of acquisition; one that fails is logged and does not keep the others from it. */
export interface DisposalStack {
  add(name: string, dispose: () => unknown): void;
  dispose(): Promise<void>;
}

export function createDisposalStack(logger: Logger): DisposalStack {
  const entries: { name: string; dispose: () => unknown }[] = [];
  let running: Promise<void> | null = null;
  const run = async () => {
    for (let entry = entries.pop(); entry; entry = entries.pop()) {
      try {
        await entry.dispose();
      } catch (error) {
        logger.error({ err: error, part: entry.name }, 'could not be disposed of cleanly');
      }
    }
  };
  return {
    add: (name, dispose) => void entries.push({ name, dispose }),
    dispose() {
      running ??= run();
      return running;
    },
  };
}

/** Resolves with the reason when this process should stop: a signal, or the end of its parent. */
export function untilStopped(): Promise<string> {
  return new Promise((resolve) => {
    process.once('SIGTERM', () => resolve('SIGTERM'));
    // Ctrl+C reaches every process of the terminal; a child goes on until its parent, which stops them in order, says so.
    if (process.send) process.on('SIGINT', () => undefined);
    else process.once('SIGINT', () => resolve('SIGINT'));
    if (process.send) process.once('disconnect', () => resolve('parent gone'));
  });
}
