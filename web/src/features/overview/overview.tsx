'use client';

import { useEffect, useState } from 'react';
import { useQuery } from 'urql';
import { AppPicker } from '../../components/app-picker.tsx';
import { MoreButton } from '../../components/more-button.tsx';
import { GraphProblem, Panel, Problem, Segmented, Skeleton } from '../../components/states.tsx';
import { useSearchState } from '../../lib/use-search-state.ts';
import type { AppSummary } from '../apps/queries.ts';
import { WithApp } from '../apps/with-app.tsx';
import { CampaignTable } from './campaign-table.tsx';
import { campaignsQuery, type LiveMetrics, type LiveWindow, seriesQuery } from './queries.ts';
import { SeriesChart } from './series-chart.tsx';
import { LiveBadge, LiveTiles } from './tiles.tsx';
import { useLiveMetrics } from './use-live-metrics.ts';

const windows = [
  { value: 'LAST_5_MINUTES', label: '5 min' },
  { value: 'LAST_HOUR', label: 'Hour' },
  { value: 'TODAY', label: 'Today' },
] as const satisfies readonly { value: LiveWindow; label: string }[];

const periods = [
  { value: '7', label: '7 days' },
  { value: '30', label: '30 days' },
  { value: '90', label: '90 days' },
] as const;

/** How often the figures of the period are read again; the live tiles don't wait for it. */
const refreshMs = 30_000;

export function Overview() {
  return <WithApp>{(app, apps, choose) => <AppOverview key={app.id} app={app} apps={apps} choose={choose} />}</WithApp>;
}

function AppOverview({
  app,
  apps,
  choose,
}: {
  app: AppSummary;
  apps: readonly AppSummary[];
  choose: (id: string) => void;
}) {
  const search = useSearchState();
  const window = windows.find((item) => item.value === search.get('window'))?.value ?? 'LAST_HOUR';
  const days = periods.find((item) => item.value === search.get('days'))?.value ?? '30';
  const { metrics, samples, error } = useLiveMetrics(app.id, window);
  return (
    <div className="space-y-4">
      <div className="flex flex-wrap items-center gap-2.5">
        <h1 className="sr-only">Overview of {app.name}</h1>
        <AppPicker apps={apps} value={app.id} onChange={choose} />
        <LiveBadge />
        <div className="sm:ml-auto">
          <Segmented
            label="Live window"
            options={windows}
            value={window}
            onChange={(value) => search.set({ window: value })}
          />
        </div>
      </div>
      {error && <Problem title="Live figures have stopped" text={error} />}
      <LiveTiles metrics={metrics} samples={samples} />
      <Period app={app} days={days} live={metrics} onDays={(value) => search.set({ days: value })} />
    </div>
  );
}

function Period({
  app,
  days,
  live,
  onDays,
}: {
  app: AppSummary;
  days: (typeof periods)[number]['value'];
  live: LiveMetrics | null;
  onDays: (days: string) => void;
}) {
  const [{ data, error }, reload] = useQuery({ query: seriesQuery, variables: { appId: app.id, days: Number(days) } });
  useEffect(() => {
    const timer = setInterval(() => reload({ requestPolicy: 'network-only' }), refreshMs);
    return () => clearInterval(timer);
  }, [reload]);
  return (
    <>
      <Panel
        title="Installs and revenue"
        aside={<Segmented label="Period" options={periods} value={days} onChange={onDays} />}
      >
        {error && !data && (
          <div className="p-4">
            <GraphProblem what="The chart" error={error} onRetry={() => reload({ requestPolicy: 'network-only' })} />
          </div>
        )}
        {!data && !error && (
          <div className="p-4">
            <Skeleton className="h-48" />
          </div>
        )}
        {data?.app && <SeriesChart installs={data.app.installs} revenue={data.app.revenue} currency={app.currency} />}
      </Panel>
      <Campaigns app={app} days={Number(days)} live={live} />
    </>
  );
}

const pageSize = 50;

function Campaigns({ app, days, live }: { app: AppSummary; days: number; live: LiveMetrics | null }) {
  const [cursors, setCursors] = useState<readonly (string | null)[]>([null]);
  return (
    <Panel title={`Campaigns, last ${days} days`}>
      {cursors.map((after, index) => (
        <CampaignPageRows
          key={after ?? 'first'}
          app={app}
          days={days}
          live={live}
          after={after}
          onMore={index === cursors.length - 1 ? (next) => setCursors([...cursors, next]) : null}
        />
      ))}
    </Panel>
  );
}

function CampaignPageRows({
  app,
  days,
  live,
  after,
  onMore,
}: {
  app: AppSummary;
  days: number;
  live: LiveMetrics | null;
  after: string | null;
  onMore: ((cursor: string) => void) | null;
}) {
  const [{ data, error }, reload] = useQuery({
    query: campaignsQuery,
    variables: { appId: app.id, days, first: pageSize, after },
  });
  useEffect(() => {
    const timer = setInterval(() => reload({ requestPolicy: 'network-only' }), refreshMs);
    return () => clearInterval(timer);
  }, [reload]);
  if (error && !data)
    return (
      <div className="p-4">
        <GraphProblem what="Campaigns" error={error} onRetry={() => reload({ requestPolicy: 'network-only' })} />
      </div>
    );
  if (!data)
    return (
      <div className="space-y-2 p-4">
        {['a', 'b', 'c', 'd'].map((key) => (
          <Skeleton key={key} className="h-10" />
        ))}
      </div>
    );
  const { pageInfo } = data.campaigns;
  return (
    <>
      <CampaignTable campaigns={data.campaigns.edges.map((edge) => edge.node)} live={live} />
      {onMore && pageInfo.hasNextPage && pageInfo.endCursor && (
        <MoreButton label="More campaigns" onClick={() => onMore(pageInfo.endCursor!)} />
      )}
    </>
  );
}
