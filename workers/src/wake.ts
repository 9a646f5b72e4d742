/** A wait that can be cut short. */
export interface Wake {
  /** Resolves after `ms`, or sooner when `soon` was called. */
  wait(ms: number): Promise<void>;
  /** Ends the wait, or the next one, in `ms`. Calls until then are one. */
  soon(ms: number): void;
  dispose(): void;
}

export function createWake(): Wake {
  let timer: NodeJS.Timeout | undefined;
  let resolveWait: (() => void) | null = null;
  let wanted = false;
  const fire = () => {
    clearTimeout(timer);
    timer = undefined;
    const resolve = resolveWait;
    resolveWait = null;
    if (resolve) resolve();
    else wanted = true;
  };
  let soonTimer: NodeJS.Timeout | undefined;
  return {
    wait(ms: number): Promise<void> {
      if (wanted) {
        wanted = false;
        return Promise.resolve();
      }
      return new Promise((resolve) => {
        resolveWait = resolve;
        timer = setTimeout(fire, ms);
      });
    },
    soon(ms: number): void {
      soonTimer ??= setTimeout(() => {
        soonTimer = undefined;
        fire();
      }, ms);
    },
    dispose(): void {
      clearTimeout(timer);
      clearTimeout(soonTimer);
    },
  };
}
