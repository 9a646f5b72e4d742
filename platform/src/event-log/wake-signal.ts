/** Wakes those who wait within this process. */
export interface WakeSignal {
  /** Resolves true when woken, false after `timeoutMs` or when `signal` aborts. */
  wait(timeoutMs: number, signal: AbortSignal): Promise<boolean>;
  wake(): void;
}

export function createWakeSignal(): WakeSignal {
  const sleepers = new Set<(woken: boolean) => void>();
  return {
    wait(timeoutMs, signal) {
      if (signal.aborted) return Promise.resolve(false);
      return new Promise((resolve) => {
        const end = (woken: boolean): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', aborted);
          sleepers.delete(end);
          resolve(woken);
        };
        const aborted = (): void => end(false);
        const timer = setTimeout(end, timeoutMs, false);
        signal.addEventListener('abort', aborted, { once: true });
        sleepers.add(end);
      });
    },
    wake() {
      for (const end of [...sleepers]) end(true);
    },
  };
}
