import type { Metadata } from 'next';
import { Shell } from '../../components/shell.tsx';
import { Installs } from '../../features/installs/installs.tsx';

export const metadata: Metadata = { title: 'Installs' };

export default function InstallsPage() {
  return (
    <Shell>
      <Installs />
    </Shell>
  );
}
