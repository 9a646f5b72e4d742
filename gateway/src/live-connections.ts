import type { Clock } from '@tributary/platform/clock';
import type { Directory } from '@tributary/platform/directory';
import type { Authenticator, Principal } from './pipeline/auth.ts';

/** `expired` = the session ran out or was signed out; `revoked` = the key changed; `closing` = the gateway stops. */
export type EndReason = 'expired' | 'revoked' | 'closing';

/** Open sockets and streams with whose right they are open; each is ended the moment that right is gone. */
export interface LiveConnections {
  /** Returns what to call when the connection closes by itself. */
  add(principal: Principal, end: (reason: EndReason) => void): () => void;
  /** Looks at all again; called when a session is signed out. The directory is followed by itself. */
  recheck(reason: EndReason): void;
  readonly size: number;
  /** Ends all. */
  dispose(): void;
}

export interface LiveConnectionsDeps {
  readonly authenticator: Pick<Authenticator, 'stillHolds'>;
  readonly directory: Directory;
  readonly clock: Clock;
}

/** Node fires timers over 2^31 ms at once; sessions are shorter, but their length is a setting. */
const longestTimerMs = 2 ** 31 - 1;

export function createLiveConnections(deps: LiveConnectionsDeps): LiveConnections {
  interface Entry {
    readonly principal: Principal;
    readonly end: (reason: EndReason) => void;
    readonly timer: NodeJS.Timeout | undefined;
  }
  const entries = new Set<Entry>();

  function remove(entry: Entry): void {
    clearTimeout(entry.timer);
    entries.delete(entry);
  }
  function endEntry(entry: Entry, reason: EndReason): void {
    if (!entries.has(entry)) return;
    remove(entry);
    entry.end(reason);
  }
  function recheck(reason: EndReason): void {
    for (const entry of [...entries]) {
      if (deps.authenticator.stillHolds(entry.principal)) continue;
      endEntry(entry, reason);
    }
  }
  const unsubscribe = deps.directory.onChange(() => recheck('revoked'));

  return {
    add(principal, end) {
      const leftMs = principal.session ? Math.max(0, principal.session.expiresAt - deps.clock.now()) : null;
      const timer =
        leftMs === null ? undefined : setTimeout(() => endEntry(entry, 'expired'), Math.min(leftMs, longestTimerMs));
      const entry: Entry = { principal, end, timer };
      entries.add(entry);
      return () => remove(entry);
    },
    recheck,
    get size() {
      return entries.size;
    },
    dispose() {
      unsubscribe();
      for (const entry of [...entries]) endEntry(entry, 'closing');
    },
  };
}
