'use client';

import { ChevronDown } from 'lucide-react';
import type { AppSummary } from '../features/apps/queries.ts';

const platformNames: Record<string, string> = {
  IOS: 'iOS',
  ANDROID: 'Android',
  WEB: 'Web',
  CROSS_PLATFORM: 'All platforms',
};

export function AppPicker({
  apps,
  value,
  onChange,
}: {
  apps: readonly AppSummary[];
  value: string;
  onChange: (id: string) => void;
}) {
  return (
    <label className="relative flex w-fit items-center">
      <span className="sr-only">App</span>
      <select
        value={value}
        onChange={(event) => onChange(event.target.value)}
        className="appearance-none rounded-lg border border-line bg-panel py-1.5 pl-3 pr-8 text-[15px] font-semibold tracking-tight shadow-panel hover:border-line-strong"
      >
        {apps.map((app) => (
          <option key={app.id} value={app.id}>
            {app.name} — {platformNames[app.platform] ?? app.platform}
          </option>
        ))}
      </select>
      <ChevronDown size={15} className="pointer-events-none absolute right-2.5 text-faint" aria-hidden />
    </label>
  );
}
