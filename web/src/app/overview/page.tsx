import type { Metadata } from 'next';
import { Shell } from '../../components/shell.tsx';
import { Overview } from '../../features/overview/overview.tsx';

export const metadata: Metadata = { title: 'Overview' };

export default function OverviewPage() {
  return (
    <Shell>
      <Overview />
    </Shell>
  );
}
