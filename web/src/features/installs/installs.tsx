'use client';

import { Smartphone } from 'lucide-react';
import { useState } from 'react';
import { useQuery } from 'urql';
import { AppPicker } from '../../components/app-picker.tsx';
import { MoreButton } from '../../components/more-button.tsx';
import { Empty, GraphProblem, Panel, Skeleton } from '../../components/states.tsx';
import { formatEnum, formatTime } from '../../lib/format.ts';
import { useSearchState } from '../../lib/use-search-state.ts';
import type { AppSummary } from '../apps/queries.ts';
import { WithApp } from '../apps/with-app.tsx';
import { FraudTag } from './fraud-tag.tsx';
import { InstallPanel } from './install-panel.tsx';
import { type InstallListItem, installsQuery } from './queries.ts';

export function Installs() {
  return <WithApp>{(app, apps, choose) => <AppInstalls key={app.id} app={app} apps={apps} choose={choose} />}</WithApp>;
}

function AppInstalls({
  app,
  apps,
  choose,
}: {
  app: AppSummary;
  apps: readonly AppSummary[];
  choose: (id: string) => void;
}) {
  const search = useSearchState();
  const open = search.get('install');
  const [cursors, setCursors] = useState<readonly (string | null)[]>([null]);
  return (
    <div className="space-y-4">
      <h1 className="sr-only">Installs of {app.name}</h1>
      <AppPicker apps={apps} value={app.id} onChange={choose} />
      <div className={open ? 'grid grid-cols-1 items-start gap-4 xl:grid-cols-[1fr_minmax(420px,520px)]' : ''}>
        <Panel title="Installs, last 30 days" className={open ? 'max-xl:order-2' : ''}>
          {cursors.map((after, index) => (
            <Page
              key={after ?? 'first'}
              appId={app.id}
              after={after}
              open={open}
              onOpen={(id) => search.set({ install: id }, { push: true })}
              onMore={index === cursors.length - 1 ? (next) => setCursors([...cursors, next]) : null}
            />
          ))}
        </Panel>
        {open && <InstallPanel id={open} onClose={() => search.set({ install: null })} />}
      </div>
    </div>
  );
}

function Page({
  appId,
  after,
  open,
  onOpen,
  onMore,
}: {
  appId: string;
  after: string | null;
  open: string | null;
  onOpen: (id: string) => void;
  onMore: ((cursor: string) => void) | null;
}) {
  const [{ data, error }, reload] = useQuery({ query: installsQuery, variables: { appId, days: 30, after } });
  if (error && !data)
    return (
      <div className="p-4">
        <GraphProblem what="Installs" error={error} onRetry={() => reload({ requestPolicy: 'network-only' })} />
      </div>
    );
  if (!data)
    return (
      <div className="space-y-2 p-4">
        {['a', 'b', 'c', 'd', 'e'].map((key) => (
          <Skeleton key={key} className="h-11" />
        ))}
      </div>
    );
  const { edges, pageInfo } = data.installs;
  if (edges.length === 0 && after === null) {
    return (
      <Empty icon={<Smartphone size={18} aria-hidden />} title="No installs in the last 30 days">
        Send an <code className="font-mono text-[12.5px]">install</code> event to the collector, and it appears here
        with the reason for its attribution.
      </Empty>
    );
  }
  return (
    <>
      <ul className="divide-y divide-line">
        {edges.map(({ node }) => (
          <Row key={node.id} install={node} current={node.id === open} onOpen={onOpen} />
        ))}
      </ul>
      {onMore && pageInfo.hasNextPage && pageInfo.endCursor && (
        <MoreButton label="More installs" onClick={() => onMore(pageInfo.endCursor!)} />
      )}
    </>
  );
}

function Row({
  install,
  current,
  onOpen,
}: {
  install: InstallListItem;
  current: boolean;
  onOpen: (id: string) => void;
}) {
  return (
    <li>
      <button
        type="button"
        aria-current={current ? 'true' : undefined}
        onClick={() => onOpen(install.id)}
        className={`grid w-full grid-cols-[1fr_auto] items-center gap-x-3 gap-y-0.5 px-4 py-2.5 text-left transition-colors hover:bg-raised sm:grid-cols-[minmax(0,1.4fr)_minmax(0,1.2fr)_104px_168px] ${current ? 'bg-accent-soft' : ''}`}
      >
        <span className="truncate font-medium">
          {install.campaign?.name ?? (install.attribution ? 'Organic' : 'Being decided')}
        </span>
        <span className="truncate text-soft max-sm:order-3">
          {install.attribution ? formatEnum(install.attribution.rule) : '–'}
          {(install.attribution?.revision ?? 1) > 1 && (
            <span className="ml-1.5 text-accent">revision {install.attribution?.revision}</span>
          )}
        </span>
        <FraudTag fraud={install.fraud} />
        <span className="tabular whitespace-nowrap text-right text-[12.5px] text-soft max-sm:order-4">
          {install.country ? `${install.country} · ` : ''}
          {formatTime(install.installedAt)}
        </span>
      </button>
    </li>
  );
}
