import type { Directory } from '@tributary/platform/directory';
import type { LiveBus } from '@tributary/platform/live-bus';
import type { Logger } from '@tributary/platform/logger';
import { CodedError, type DirectoryApp } from '@tributary/schema';
import { keepShownRows, type LiveSnapshot, type LiveWindow, sameNumbers } from './domain/live.ts';
import { createLatestIterator, type LatestSink } from './latest-iterator.ts';

export interface LiveHubDeps {
  /** Reads a window now, rows folded to known campaigns. */
  readonly read: (app: DirectoryApp, window: LiveWindow, signal: AbortSignal) => Promise<LiveSnapshot>;
  readonly directory: Directory;
  readonly liveBus: LiveBus;
  readonly logger: Logger;
  /** Least time between two reads of one window. */
  readonly intervalMs: number;
  /** A read at least this often, since windows slide without any event. Default 10 s, or 2 s while events flow. */
  readonly tickMs?: number;
}

/**
 * Live windows shared among subscribers: however many watch one (tenant, app, window), it is read once per change.
 *
 * - The first payload is what the window holds; later ones come when a number changed. All hold all rows.
 * - `subscribe().return()` releases at once; the last one to leave closes the upstream and ends its running read.
 */
export interface LiveHub {
  subscribe(app: DirectoryApp, window: LiveWindow, signal?: AbortSignal): AsyncIterableIterator<LiveSnapshot>;
  /** Upstreams ever opened and closed, and subscribers now; for metrics and leak tests. */
  counts(): { readonly opened: number; readonly closed: number; readonly subscribers: number };
  dispose(): void;
}

interface Upstream {
  readonly sinks: Set<LatestSink<LiveSnapshot>>;
  readonly last: () => LiveSnapshot | null;
  close(): void;
}

const idleTickMs = 10_000;
const busyTickMs = 2_000;
/** A read may use at most this share of the time, so that a heavy window slows down instead of piling up. */
const readShare = 1 / 3;

export function createLiveHub(deps: LiveHubDeps): LiveHub {
  // The key holds the tenant: app ids are unique anyway, but nothing shared may rest on that.
  const upstreams = new Map<string, Upstream>();
  let opened = 0;
  let closed = 0;
  let subscribers = 0;
  const join = (app: DirectoryApp, window: LiveWindow, sink: LatestSink<LiveSnapshot>) => {
    const key = JSON.stringify([app.tenantId, app.appId, window]);
    let upstream = upstreams.get(key);
    if (!upstream) {
      opened += 1;
      upstream = openUpstream(deps, app, window, () => {
        closed += 1;
        upstreams.delete(key);
      });
      upstreams.set(key, upstream);
    }
    const joined = upstream;
    joined.sinks.add(sink);
    subscribers += 1;
    const last = joined.last();
    if (last) sink.push(last);
    return () => {
      joined.sinks.delete(sink);
      subscribers -= 1;
      if (joined.sinks.size === 0) joined.close();
    };
  };
  return {
    subscribe: (app, window, signal) => createLatestIterator((sink) => join(app, window, sink), signal),
    counts: () => ({ opened, closed, subscribers }),
    dispose() {
      for (const upstream of [...upstreams.values()]) {
        for (const sink of [...upstream.sinks]) sink.end();
        upstream.close();
      }
    },
  };
}

function openUpstream(deps: LiveHubDeps, app: DirectoryApp, window: LiveWindow, onClose: () => void): Upstream {
  const { tenantId, appId } = app;
  const sinks = new Set<LatestSink<LiveSnapshot>>();
  const abort = new AbortController();
  let last: LiveSnapshot | null = null;
  let timer: NodeJS.Timeout | undefined;
  let reading = false;
  let touched = false;
  let notBefore = 0;
  let unsubscribe: (() => void) | null = null;

  const close = () => {
    if (abort.signal.aborted) return;
    abort.abort();
    clearTimeout(timer);
    unsubscribe?.();
    onClose();
  };
  const fail = (error: unknown) => {
    for (const sink of [...sinks]) sink.fail(error);
    close();
  };
  const accept = (read: LiveSnapshot) => {
    const snapshot = { ...read, rows: keepShownRows(last?.rows ?? [], read.rows) };
    const news = last === null || !sameNumbers(last, snapshot);
    last = snapshot;
    if (news) for (const sink of [...sinks]) sink.push(snapshot);
  };
  const schedule = () => {
    if (abort.signal.aborted || reading) return;
    clearTimeout(timer);
    const busy = (last?.totals.eventsPerSecond ?? 0) > 0;
    const idle = Math.min(deps.tickMs ?? idleTickMs, busy ? busyTickMs : idleTickMs);
    const soonest = Math.max(0, notBefore - performance.now());
    timer = setTimeout(run, touched ? soonest : Math.max(soonest, idle));
  };
  const run = async () => {
    const current = deps.directory.current().apps.find((one) => one.appId === appId && one.tenantId === tenantId);
    if (!current) return fail(new CodedError('NOT_FOUND', { message: 'There is no app of that id.' }));
    reading = true;
    touched = false;
    const startedAt = performance.now();
    try {
      const read = await deps.read(current, window, abort.signal);
      if (!abort.signal.aborted) accept(read);
    } catch (error) {
      if (abort.signal.aborted) return;
      // Subscribers who have a picture keep it; those who wait for their first are told.
      if (last === null) return fail(error);
      deps.logger.warn({ err: error, appId, window }, 'a live window could not be read; it is tried again');
    } finally {
      reading = false;
    }
    const tookMs = performance.now() - startedAt;
    notBefore = startedAt + Math.max(deps.intervalMs, tookMs / readShare);
    schedule();
  };
  // Listening begins before the first read, or what is stored between the two would be missed until the next tick.
  deps.liveBus
    .subscribe('metrics.touched', (message) => {
      if (message.tenantId !== tenantId || message.appId !== appId) return;
      if (last !== null && !message.minutes.some((minute) => minute >= last!.from)) return;
      touched = true;
      schedule();
    })
    .then((leave) => {
      if (abort.signal.aborted) return leave();
      unsubscribe = leave;
      return run();
    })
    .catch(fail);
  return { sinks, last: () => last, close };
}
