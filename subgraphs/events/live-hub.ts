import type { Directory } from '@tributary/platform/directory';
import type { LiveBus } from '@tributary/platform/live-bus';
import type { Logger } from '@tributary/platform/logger';
import { CodedError, type DirectoryApp } from '@tributary/schema';
import { keepShownRows, type LiveSnapshot, type LiveWindow, sameNumbers } from './domain/live.ts';
import { createLatestIterator, type LatestSink } from './latest-iterator.ts';

/** An app as one kind of caller sees it: all of it, or what concerns one partner. */
export type WatchedApp = DirectoryApp & {
  /** '' or absent = no partner's. */
  readonly partnerId?: string;
};

export interface LiveHubDeps {
  /** Reads a window now, rows folded to known campaigns. */
  readonly read: (app: WatchedApp, window: LiveWindow, signal: AbortSignal) => Promise<LiveSnapshot>;
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
  subscribe(app: WatchedApp, window: LiveWindow, signal?: AbortSignal): AsyncIterableIterator<LiveSnapshot>;
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
  const join = (app: WatchedApp, window: LiveWindow, sink: LatestSink<LiveSnapshot>) => {
    const key = JSON.stringify([app.tenantId, app.partnerId ?? '', app.appId, window]);
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

/** Runs `work` again and again: soon after `touch`, else after a while; never two at once, never again once ended. */
function createPacer(options: {
  readonly work: () => Promise<void>;
  readonly intervalMs: number;
  readonly idleMs: () => number;
}) {
  let timer: NodeJS.Timeout | undefined;
  let working = false;
  let touched = false;
  let ended = false;
  let notBefore = 0;
  const schedule = () => {
    if (ended || working) return;
    clearTimeout(timer);
    const soonest = Math.max(0, notBefore - performance.now());
    timer = setTimeout(run, touched ? soonest : Math.max(soonest, options.idleMs()));
  };
  const run = async () => {
    if (ended || working) return;
    clearTimeout(timer);
    working = true;
    touched = false;
    const startedAt = performance.now();
    await options.work();
    const tookMs = performance.now() - startedAt;
    working = false;
    notBefore = startedAt + Math.max(options.intervalMs, tookMs / readShare);
    schedule();
  };
  return {
    start: () => void run(),
    touch() {
      touched = true;
      schedule();
    },
    end() {
      ended = true;
      clearTimeout(timer);
    },
  };
}

function openUpstream(deps: LiveHubDeps, app: WatchedApp, window: LiveWindow, onClose: () => void): Upstream {
  const { tenantId, appId } = app;
  const sinks = new Set<LatestSink<LiveSnapshot>>();
  const abort = new AbortController();
  let last: LiveSnapshot | null = null;
  let unsubscribe: (() => void) | null = null;

  const read = async () => {
    try {
      const found = await deps.read(currentApp(deps.directory, app), window, abort.signal);
      if (abort.signal.aborted) return;
      const snapshot = { ...found, rows: keepShownRows(last?.rows ?? [], found.rows) };
      const news = last === null || !sameNumbers(last, snapshot);
      last = snapshot;
      if (news) for (const sink of [...sinks]) sink.push(snapshot);
    } catch (error) {
      if (abort.signal.aborted) return;
      // Who has a picture keeps it through a failed read; who waits for the first is told, and so are all when the app is gone.
      if (last === null || (error instanceof CodedError && error.code === 'NOT_FOUND')) return fail(error);
      deps.logger.warn({ err: error, appId, window }, 'a live window could not be read; it is tried again');
    }
  };
  const pacer = createPacer({
    work: read,
    intervalMs: deps.intervalMs,
    idleMs: () =>
      Math.min(deps.tickMs ?? idleTickMs, last && last.totals.eventsPerSecond > 0 ? busyTickMs : idleTickMs),
  });
  const close = () => {
    if (abort.signal.aborted) return;
    abort.abort();
    pacer.end();
    unsubscribe?.();
    onClose();
  };
  const fail = (error: unknown) => {
    for (const sink of [...sinks]) sink.fail(error);
    close();
  };
  // Listening begins before the first read, or what is stored between the two would be missed until the next tick.
  deps.liveBus
    .subscribe('metrics.touched', (message) => {
      if (message.tenantId !== tenantId || message.appId !== appId) return;
      if (last !== null && !message.minutes.some((minute) => minute >= last!.from)) return;
      pacer.touch();
    })
    .then((leave) => {
      if (abort.signal.aborted) return leave();
      unsubscribe = leave;
      pacer.start();
    })
    .catch(fail);
  return { sinks, last: () => last, close };
}

/** The app as the directory has it now: its time zone and currency may change while it is watched. Throws NOT_FOUND. */
function currentApp(directory: Directory, { tenantId, appId, partnerId = '' }: WatchedApp): WatchedApp {
  const app = directory.current().apps.find((one) => one.appId === appId && one.tenantId === tenantId);
  if (!app) throw new CodedError('NOT_FOUND', { message: 'There is no app of that id.', details: { id: appId } });
  return { ...app, partnerId };
}
