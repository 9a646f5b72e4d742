'use client';

import { Boxes } from 'lucide-react';
import type { ReactNode } from 'react';
import { useQuery } from 'urql';
import { Empty, GraphProblem, PageSkeleton } from '../../components/states.tsx';
import { useSearchState } from '../../lib/use-search-state.ts';
import { type AppSummary, appsQuery } from './queries.ts';

/** Loads the apps that this session may see and gives the chosen one (from the address, else the first). */
export function WithApp({
  children,
}: {
  children: (app: AppSummary, apps: readonly AppSummary[], choose: (id: string) => void) => ReactNode;
}) {
  const [{ data, error, fetching }, reload] = useQuery({ query: appsQuery, variables: {} });
  const search = useSearchState();
  if (error && !data)
    return <GraphProblem what="Apps" error={error} onRetry={() => reload({ requestPolicy: 'network-only' })} />;
  if (!data || (fetching && !data)) return <PageSkeleton />;
  const app = data.apps.find((item) => item.id === search.get('app')) ?? data.apps[0];
  if (!app) {
    return (
      <Empty icon={<Boxes size={18} aria-hidden />} title="No apps yet">
        An app is made by an administrator: <code className="font-mono text-[12.5px]">npm run tributary -- init</code>
      </Empty>
    );
  }
  return children(app, data.apps, (id) => search.set({ app: id, install: null }));
}
