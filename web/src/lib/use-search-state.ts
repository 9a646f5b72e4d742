'use client';

import { usePathname, useRouter, useSearchParams } from 'next/navigation';
import { useCallback } from 'react';

/** The page's state lives in its address, so that it can be shared, reloaded and gone back to. */
export function useSearchState(): {
  get(name: string): string | null;
  set(changes: Readonly<Record<string, string | null>>, options?: { push?: boolean }): void;
} {
  const router = useRouter();
  const pathname = usePathname();
  const params = useSearchParams();
  const set = useCallback(
    (changes: Readonly<Record<string, string | null>>, options?: { push?: boolean }) => {
      const next = new URLSearchParams(params.toString());
      for (const [name, value] of Object.entries(changes)) value === null ? next.delete(name) : next.set(name, value);
      const url = next.size > 0 ? `${pathname}?${next}` : pathname;
      options?.push ? router.push(url, { scroll: false }) : router.replace(url, { scroll: false });
    },
    [params, pathname, router],
  );
  return { get: (name) => params.get(name), set };
}
