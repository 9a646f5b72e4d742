'use client';

import { useId, useState } from 'react';
import { formatCount, formatDay, formatMoney } from '../../lib/format.ts';
import type { SeriesPoint } from './queries.ts';

const width = 720;
const height = 180;
const pad = { left: 0, right: 0, top: 6, bottom: 1 };

/** Installs as bars and revenue as a line, by day; the same figures as a table for those who don't see the picture. */
export function SeriesChart({
  installs,
  revenue,
  currency,
}: {
  installs: readonly SeriesPoint[];
  revenue: readonly SeriesPoint[];
  currency: string;
}) {
  const [at, setAt] = useState<number | null>(null);
  const title = useId();
  const revenueAt = new Map(revenue.map((point) => [point.at, point.value]));
  const days = installs.map((point) => ({
    at: point.at,
    installs: point.value,
    revenue: revenueAt.get(point.at) ?? 0,
  }));
  const highest = Math.max(1, ...days.map((day) => day.installs));
  const richest = Math.max(1, ...days.map((day) => day.revenue));
  const step = (width - pad.left - pad.right) / Math.max(1, days.length);
  const y = (share: number) => height - pad.bottom - share * (height - pad.top - pad.bottom);
  const line = days
    .map(
      (day, index) =>
        `${index === 0 ? 'M' : 'L'}${(pad.left + (index + 0.5) * step).toFixed(1)} ${y(day.revenue / richest).toFixed(1)}`,
    )
    .join('');
  const shown = at === null ? null : days[at];
  const labelEvery = Math.max(1, Math.floor((days.length - 1) / 4));
  return (
    <figure className="px-4 pb-3 pt-3">
      <figcaption className="mb-1 flex min-h-6 flex-wrap items-center gap-x-4 gap-y-1 text-[12.5px] text-soft">
        <span className="flex items-center gap-1.5">
          <span className="size-2.5 rounded-sm bg-accent opacity-35" aria-hidden /> Installs
        </span>
        <span className="flex items-center gap-1.5">
          <span className="h-0.5 w-3 rounded bg-good" aria-hidden /> Revenue
        </span>
        {shown && (
          <span className="tabular ml-auto text-ink">
            {formatDay(shown.at)} · {formatCount(shown.installs)} installs ·{' '}
            {formatMoney({ amount: String(shown.revenue), currency })}
          </span>
        )}
      </figcaption>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        className="h-40 w-full sm:h-52"
        role="img"
        aria-labelledby={title}
        onMouseLeave={() => setAt(null)}
      >
        <title id={title}>Installs and revenue by day</title>
        {[0, 0.5, 1].map((share) => (
          <line
            key={share}
            x1={pad.left}
            x2={width - pad.right}
            y1={y(share)}
            y2={y(share)}
            stroke="var(--line)"
            strokeWidth="1"
          />
        ))}
        {days.map((day, index) => (
          // biome-ignore lint/a11y/noStaticElementInteractions: hovering shows what the table below says
          <g key={day.at} onMouseEnter={() => setAt(index)}>
            <rect x={pad.left + index * step} y={0} width={step} height={height} fill="transparent" />
            <rect
              x={pad.left + (index + 0.16) * step}
              width={step * 0.68}
              y={y(day.installs / highest)}
              height={Math.max(0, height - pad.bottom - y(day.installs / highest))}
              rx="2"
              fill="var(--accent)"
              opacity={at === index ? 0.6 : 0.32}
            />
          </g>
        ))}
        <path
          d={line}
          fill="none"
          stroke="var(--good)"
          strokeWidth="2"
          vectorEffect="non-scaling-stroke"
          strokeLinejoin="round"
          pointerEvents="none"
        />
      </svg>
      <div className="tabular mt-1.5 flex justify-between text-[12px] text-faint" aria-hidden="true">
        {days
          .filter((_, index) => index % labelEvery === 0 || index === days.length - 1)
          .map((day) => (
            <span key={day.at}>{formatDay(day.at)}</span>
          ))}
      </div>
      <details className="mt-1 text-[12.5px]">
        <summary className="w-fit cursor-pointer text-soft hover:text-ink">As a table</summary>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard */}
        <section aria-label="Installs and revenue by day, table" className="mt-2 max-h-56 overflow-auto" tabIndex={0}>
          <table className="tabular w-full text-left">
            <thead>
              <tr>
                <th className="py-1 font-medium">Day</th>
                <th className="text-right font-medium">Installs</th>
                <th className="text-right font-medium">Revenue</th>
              </tr>
            </thead>
            <tbody>
              {days.map((day) => (
                <tr key={day.at} className="border-t border-line">
                  <td className="py-1">{formatDay(day.at)}</td>
                  <td className="text-right">{formatCount(day.installs)}</td>
                  <td className="text-right">{formatMoney({ amount: String(day.revenue), currency })}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      </details>
    </figure>
  );
}
