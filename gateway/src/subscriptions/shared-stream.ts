import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@tributary/platform/logger';
import { CodedError, type ErrorCode, toCodedError } from '@tributary/schema';
import type { FormattedExecutionResult } from 'graphql';
import { createEventQueue, type EventQueue } from './event-queue.ts';

/**
 * How a subscription field may be treated.
 *
 * - `totals`: its first payload holds everything, later ones at least what changed, all as absolute values. A slow reader may
 *   therefore skip payloads, and a late one may join, if each is first brought up to date by a whole payload.
 * - `feed`: each payload stands for itself. None is skipped (a reader that can't keep up is ended), and nobody joins a feed that
 *   has begun, since what came first may have been meant as its beginning.
 */
export type StreamKind = 'totals' | 'feed';

export interface SharedStreamDeps {
  readonly kind: StreamKind;
  /** Opens the upstream subscription anew. */
  readonly open: () => AsyncIterator<FormattedExecutionResult>;
  /** Event → result, once for all subscribers. Never rejects. */
  readonly resolve: (event: FormattedExecutionResult) => Promise<FormattedExecutionResult>;
  /** A final payload that says why the stream ended. */
  readonly failure: (code: ErrorCode) => FormattedExecutionResult;
  readonly onEnd: () => void;
  readonly logger: Logger;
  /** Waits between attempts to reopen a `totals` upstream that was lost. */
  readonly reopenDelaysMs: readonly number[];
  readonly snapshotTimeoutMs: number;
}

export interface SharedStream {
  /** Whether one who comes now would miss nothing. */
  joinable(): boolean;
  /** @param onEnd once, when this subscriber has ended, however it does. */
  subscribe(onEnd?: () => void): AsyncIterableIterator<FormattedExecutionResult>;
  /** Ends all subscribers with that error as their last payload. */
  end(code: ErrorCode): void;
  readonly size: number;
}

/** Payloads a subscriber may lag behind. */
const queueCapacity = { totals: 16, feed: 256 } as const;
/** A late subscriber gets the last whole payload and up to this many that followed; beyond it a new whole one is fetched. */
const replayLimit = 8;

interface Subscriber {
  readonly queue: EventQueue<FormattedExecutionResult>;
  /** `stale`: skipped payloads, to be brought up to date when it reads again. `waiting`: for a whole payload under way. */
  state: 'live' | 'stale' | 'waiting';
}

/**
 * One upstream and one result per event for any number of equal subscribers; the upstream ends with the last of them.
 * Over 50 lines: one closure, whose parts share this state.
 */
export function createSharedStream(deps: SharedStreamDeps): SharedStream {
  const subscribers = new Set<Subscriber>();
  const stop = new AbortController();
  let upstream: AsyncIterator<FormattedExecutionResult> | null = null;
  let pumping = false;
  let begun = false;
  let replay: FormattedExecutionResult[] | null = null;
  let catchUp: { readonly since: FormattedExecutionResult[] } | null = null;

  function finish(last: FormattedExecutionResult | null): void {
    if (stop.signal.aborted) return;
    stop.abort();
    for (const subscriber of [...subscribers]) subscriber.queue.finish(last ?? undefined);
    subscribers.clear();
    upstream?.return?.().catch(() => undefined);
    deps.onEnd();
  }

  function deliver(result: FormattedExecutionResult, whole: boolean): void {
    begun = true;
    if (deps.kind === 'totals') {
      if (whole) replay = [result];
      else if (replay && replay.push(result) > replayLimit) replay = null;
    }
    catchUp?.since.push(result);
    for (const subscriber of [...subscribers]) {
      if (subscriber.state !== 'live') {
        if (!whole) continue;
        subscriber.state = 'live';
        subscriber.queue.clear();
      }
      if (subscriber.queue.push(result)) continue;
      if (deps.kind === 'totals') {
        subscriber.queue.clear();
        subscriber.state = 'stale';
      } else subscriber.queue.finish(deps.failure('SUBSCRIBER_TOO_SLOW'));
    }
  }

  /** Delivers from one upstream until it ends. Rejects when it is lost. */
  async function drain(): Promise<void> {
    upstream = deps.open();
    let refused = false;
    for (let whole = true; ; whole = false) {
      const step = await upstream.next();
      if (stop.signal.aborted) return;
      if (step.done) {
        // Totals have no end of their own: the subgraph stops or restarts.
        if (deps.kind === 'totals' && !refused) throw new CodedError('SUBGRAPH_UNAVAILABLE');
        return;
      }
      refused = Boolean(step.value.errors && !step.value.data);
      const result = await deps.resolve(step.value);
      if (stop.signal.aborted) return;
      deliver(result, whole);
    }
  }

  async function pump(): Promise<void> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        await drain();
        return finish(null);
      } catch (error) {
        if (stop.signal.aborted) return;
        if (begun) attempt = 0;
        // Who joins from here on needs nothing: the first payload of the next upstream is a whole one.
        begun = false;
        const wait = deps.kind === 'totals' ? deps.reopenDelaysMs[attempt] : undefined;
        deps.logger.warn({ err: error, retryInMs: wait }, 'an upstream subscription was lost');
        if (wait === undefined) return finish(deps.failure(toCodedError(error).code));
        await delay(wait, undefined, { signal: stop.signal }).catch(() => undefined);
        if (stop.signal.aborted) return;
      }
    }
  }

  /** Brings a subscriber up to date: from what is kept, else by a whole payload that all who wait for one share. */
  function bringUpToDate(subscriber: Subscriber): void {
    if (replay) {
      subscriber.state = 'live';
      for (const result of replay) subscriber.queue.push(result, { force: true });
      return;
    }
    subscriber.state = 'waiting';
    if (!catchUp) void fetchWhole();
  }

  async function fetchWhole(): Promise<void> {
    const since: FormattedExecutionResult[] = [];
    catchUp = { since };
    try {
      const whole = await firstPayload(deps, stop.signal);
      if (stop.signal.aborted) return;
      // Taken beside the running upstream: whatever it delivered meanwhile follows, so no change can fall between the two.
      replay = since.length < replayLimit ? [whole, ...since] : null;
      for (const subscriber of subscribers) {
        if (subscriber.state !== 'waiting') continue;
        subscriber.state = 'live';
        for (const result of [whole, ...since]) subscriber.queue.push(result, { force: true });
      }
    } catch (error) {
      if (stop.signal.aborted) return;
      deps.logger.warn({ err: error }, 'a whole payload for late subscribers could not be had');
      for (const subscriber of [...subscribers]) {
        if (subscriber.state === 'waiting') subscriber.queue.finish(deps.failure(toCodedError(error).code));
      }
    } finally {
      catchUp = null;
    }
  }

  return {
    joinable: () => !stop.signal.aborted && (deps.kind === 'totals' || !begun),
    subscribe(onEnd) {
      const subscriber: Subscriber = {
        state: 'live',
        queue: createEventQueue({
          capacity: queueCapacity[deps.kind],
          onIdle() {
            if (subscriber.state === 'stale') bringUpToDate(subscriber);
          },
          onEnd() {
            subscribers.delete(subscriber);
            onEnd?.();
            if (subscribers.size === 0) finish(null);
          },
        }),
      };
      subscribers.add(subscriber);
      if (begun) bringUpToDate(subscriber);
      if (!pumping) {
        pumping = true;
        void pump();
      }
      return subscriber.queue.iterator;
    },
    end: (code) => finish(deps.failure(code)),
    get size() {
      return subscribers.size;
    },
  };
}

/** The first payload of a fresh upstream, which is then closed. Rejects when it ends or takes too long without one. */
async function firstPayload(deps: SharedStreamDeps, signal: AbortSignal): Promise<FormattedExecutionResult> {
  const upstream = deps.open();
  const timer = new AbortController();
  const timeout = delay(deps.snapshotTimeoutMs, 'timeout' as const, {
    signal: AbortSignal.any([signal, timer.signal]),
  });
  try {
    const step = await Promise.race([upstream.next(), timeout.catch(() => 'timeout' as const)]);
    if (step === 'timeout' || step.done) throw new CodedError('SUBGRAPH_UNAVAILABLE');
    return await deps.resolve(step.value);
  } finally {
    timer.abort();
    upstream.return?.().catch(() => undefined);
  }
}
