'use client';

import { useLiveState } from '../../components/providers.tsx';
import { Skeleton } from '../../components/states.tsx';
import { formatCount, formatMoney, formatRate } from '../../lib/format.ts';
import type { LiveMetrics } from './queries.ts';
import { Sparkline } from './sparkline.tsx';
import type { LiveSamples } from './use-live-metrics.ts';

const stateText = {
  connecting: 'Connecting',
  live: 'Live',
  reconnecting: 'Reconnecting',
  ended: 'Signed out',
} as const;

export function LiveBadge() {
  const state = useLiveState();
  const live = state === 'live';
  return (
    <span
      role="status"
      className={`flex items-center gap-2 rounded-full border border-line px-2.5 py-1 text-[12.5px] font-medium ${live ? 'text-good' : 'text-warn'}`}
    >
      <span className={`size-1.5 rounded-full ${live ? 'live-dot bg-good' : 'bg-warn'}`} aria-hidden />
      {stateText[state]}
    </span>
  );
}

export function LiveTiles({ metrics, samples }: { metrics: LiveMetrics | null; samples: LiveSamples }) {
  const totals = metrics?.totals;
  const tiles = [
    { name: 'Installs', value: totals && formatCount(totals.installs), samples: samples.installs },
    { name: 'Sessions', value: totals && formatCount(totals.sessions), samples: samples.sessions },
    { name: 'Revenue', value: totals && formatMoney(totals.revenue), samples: samples.revenue },
    { name: 'Events per second', value: totals && formatRate(totals.eventsPerSecond), samples: samples.rate },
  ];
  return (
    <div className="grid grid-cols-2 gap-3 lg:grid-cols-4">
      {tiles.map((tile) => (
        <div
          key={tile.name}
          data-tile={tile.name}
          className="relative overflow-hidden rounded-xl border border-line bg-panel px-4 pb-11 pt-3 shadow-panel"
        >
          <p className="text-[12.5px] text-soft">{tile.name}</p>
          {tile.value === undefined ? (
            <Skeleton className="mt-1.5 h-8 w-24" />
          ) : (
            <p
              key={tile.value}
              className="settle tabular text-[26px] font-semibold leading-9 tracking-tight sm:text-[28px]"
            >
              {tile.value}
            </p>
          )}
          <div className="absolute inset-x-0 bottom-0 h-10">
            <Sparkline values={tile.samples} />
          </div>
        </div>
      ))}
    </div>
  );
}
