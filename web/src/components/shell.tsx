'use client';

import { Code2, LayoutDashboard, LogOut, Smartphone } from 'lucide-react';
import Link from 'next/link';
import { usePathname, useRouter, useSearchParams } from 'next/navigation';
import { type ReactNode, Suspense, useEffect } from 'react';
import { Logo } from './logo.tsx';
import { useSession } from './providers.tsx';
import { PageSkeleton, Problem } from './states.tsx';
import { ThemeToggle } from './theme-toggle.tsx';

const pages = [
  { href: '/overview', label: 'Overview', Icon: LayoutDashboard },
  { href: '/installs', label: 'Installs', Icon: Smartphone },
  { href: '/api-access', label: 'API', Icon: Code2 },
] as const;

/** The frame of every signed-in page. Sends strangers to the sign-in page and brings them back afterwards. */
export function Shell({ children }: { children: ReactNode }) {
  return (
    <Suspense fallback={<PageSkeleton />}>
      <Framed>{children}</Framed>
    </Suspense>
  );
}

function Framed({ children }: { children: ReactNode }) {
  const { state, leave, retry } = useSession();
  const router = useRouter();
  const pathname = usePathname();
  const params = useSearchParams();
  const app = params.get('app');
  useEffect(() => {
    if (state.status === 'signed-out')
      router.replace(`/?next=${encodeURIComponent(`${pathname}${params.size > 0 ? `?${params}` : ''}`)}`);
  }, [state.status, router, pathname, params]);
  return (
    <div className="mx-auto min-h-dvh max-w-[1400px] md:grid md:grid-cols-[208px_1fr]">
      <a
        href="#main"
        className="sr-only focus:not-sr-only focus:absolute focus:left-3 focus:top-3 focus:z-50 focus:rounded-md focus:bg-accent focus:px-3 focus:py-1.5 focus:text-on-accent"
      >
        Skip to content
      </a>
      <header className="sticky top-0 z-30 flex items-center gap-1 border-b border-line bg-canvas/90 px-3 py-2 backdrop-blur md:h-dvh md:flex-col md:items-stretch md:gap-4 md:border-b-0 md:border-r md:px-3 md:py-4">
        <Link
          href="/overview"
          className="mr-1 flex items-center gap-2 rounded-md px-1.5 py-1 font-semibold tracking-tight md:mr-0 md:text-[15px]"
        >
          <Logo />
          <span className="max-sm:sr-only">Tributary</span>
        </Link>
        <nav aria-label="Pages" className="flex gap-0.5 md:flex-col">
          {pages.map(({ href, label, Icon }) => {
            const current = pathname.startsWith(href);
            return (
              <Link
                key={href}
                href={app ? `${href}?app=${app}` : href}
                aria-current={current ? 'page' : undefined}
                className={`flex items-center gap-2 rounded-md px-2.5 py-1.5 transition-colors ${current ? 'bg-raised font-medium text-ink' : 'text-soft hover:bg-raised hover:text-ink'}`}
              >
                <Icon size={15} aria-hidden className={current ? 'text-accent' : ''} />
                {label}
              </Link>
            );
          })}
        </nav>
        <div className="ml-auto flex items-center gap-0.5 md:ml-0 md:mt-auto">
          <ThemeToggle />
          <button
            type="button"
            onClick={() => void leave()}
            className="grid size-8 place-items-center rounded-md text-soft transition-colors hover:bg-raised hover:text-ink"
            aria-label="Sign out"
            title="Sign out"
          >
            <LogOut size={16} aria-hidden />
          </button>
        </div>
      </header>
      <main id="main" className="min-w-0 px-4 py-5 md:px-7 md:py-6">
        {state.status === 'signed-in' && children}
        {(state.status === 'loading' || state.status === 'signed-out') && <PageSkeleton />}
        {state.status === 'unreachable' && (
          <Problem
            title="The server cannot be reached"
            text="Check that Tributary runs, then try again."
            onRetry={retry}
          />
        )}
        {state.status === 'signed-in' && (
          // The licence of the addresses' countries (CC BY 4.0) wants this link where they are shown.
          <footer className="mt-10 text-xs text-soft">
            <a href="https://db-ip.com" rel="noreferrer" className="underline underline-offset-2 hover:text-ink">
              IP Geolocation by DB-IP
            </a>
          </footer>
        )}
      </main>
    </div>
  );
}
