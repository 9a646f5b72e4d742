import type { Metadata } from 'next';
import { Shell } from '../../components/shell.tsx';
import { ApiAccessPage } from '../../features/api-access/api-access-page.tsx';

export const metadata: Metadata = { title: 'API' };

export default function Page() {
  return (
    <Shell>
      <ApiAccessPage />
    </Shell>
  );
}
