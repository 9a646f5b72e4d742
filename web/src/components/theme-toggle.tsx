'use client';

import { Monitor, Moon, Sun } from 'lucide-react';
import { useEffect, useState } from 'react';

const themes = ['system', 'light', 'dark'] as const;
type Theme = (typeof themes)[number];
const icons = { system: Monitor, light: Sun, dark: Moon };

function apply(theme: Theme): void {
  const dark = theme === 'dark' || (theme === 'system' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
}

/** Steps through system, light and dark; follows the system while that is chosen. */
export function ThemeToggle() {
  const [theme, setTheme] = useState<Theme>('system');
  useEffect(() => {
    const kept = localStorage.getItem('theme');
    if (kept === 'light' || kept === 'dark') setTheme(kept);
  }, []);
  useEffect(() => {
    const media = matchMedia('(prefers-color-scheme: dark)');
    const follow = () => apply(theme);
    follow();
    media.addEventListener('change', follow);
    return () => media.removeEventListener('change', follow);
  }, [theme]);
  const Icon = icons[theme];
  return (
    <button
      type="button"
      className="grid size-8 place-items-center rounded-md text-soft transition-colors hover:bg-raised hover:text-ink"
      aria-label={`Colour scheme: ${theme}. Change it.`}
      title={`Colour scheme: ${theme}`}
      onClick={() => {
        const next = themes[(themes.indexOf(theme) + 1) % themes.length]!;
        setTheme(next);
        next === 'system' ? localStorage.removeItem('theme') : localStorage.setItem('theme', next);
      }}
    >
      <Icon size={16} aria-hidden />
    </button>
  );
}
