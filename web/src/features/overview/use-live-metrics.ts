'use client';

import { useEffect, useState } from 'react';
import { useClient } from 'urql';
import { onEnd, pipe, subscribe } from 'wonka';
import { mergeLive, pushSample } from './merge-live.ts';
import { type LiveMetrics, type LiveWindow, liveMetricsSubscription } from './queries.ts';

const sampleCount = 60;
const resubscribeMs = 1_500;

export interface LiveSamples {
  readonly installs: readonly number[];
  readonly sessions: readonly number[];
  readonly revenue: readonly number[];
  readonly rate: readonly number[];
}

const none: LiveSamples = { installs: [], sessions: [], revenue: [], rate: [] };

/** The live totals of an app, kept up by subscription; `samples` are the last 60 payloads, for the sparklines. */
export function useLiveMetrics(
  appId: string,
  window: LiveWindow,
): { metrics: LiveMetrics | null; samples: LiveSamples; error: string | null } {
  const client = useClient();
  const [metrics, setMetrics] = useState<LiveMetrics | null>(null);
  const [samples, setSamples] = useState<LiveSamples>(none);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    setMetrics(null);
    setSamples(none);
    setError(null);
    let stopped = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let unsubscribe: () => void = () => undefined;
    const start = () => {
      ({ unsubscribe } = pipe(
        client.subscription(liveMetricsSubscription, { appId, window }),
        // The server ends a stream when its graph changed or a part of it was away: it is asked for again.
        onEnd(() => {
          if (!stopped) timer = setTimeout(start, resubscribeMs);
        }),
        subscribe((result) => {
          if (result.error) {
            const [first] = result.error.graphQLErrors;
            return setError(
              first?.extensions?.['retryable'] === true ? null : (first?.message ?? result.error.message),
            );
          }
          const payload = result.data?.liveMetrics;
          if (!payload) return;
          setError(null);
          setMetrics((before) => mergeLive(before, payload));
          const { totals } = payload;
          setSamples((before) => ({
            installs: pushSample(before.installs, totals.installs, sampleCount),
            sessions: pushSample(before.sessions, totals.sessions, sampleCount),
            revenue: pushSample(before.revenue, Number(totals.revenue.amount), sampleCount),
            rate: pushSample(before.rate, totals.eventsPerSecond, sampleCount),
          }));
        }),
      ));
    };
    start();
    return () => {
      stopped = true;
      clearTimeout(timer);
      unsubscribe();
    };
  }, [client, appId, window]);
  return { metrics, samples, error };
}
