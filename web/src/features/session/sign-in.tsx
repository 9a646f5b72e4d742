'use client';

import { KeyRound, LoaderCircle } from 'lucide-react';
import { useRouter, useSearchParams } from 'next/navigation';
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { Logo } from '../../components/logo.tsx';
import { useSession } from '../../components/providers.tsx';
import { Problem } from '../../components/states.tsx';
import { ThemeToggle } from '../../components/theme-toggle.tsx';
import { type SignInFailure, signIn } from '../../lib/session.ts';

/** Only a path of this console may be gone to after the sign-in, never another site. */
export function safeNext(next: string | null): string {
  return next?.startsWith('/') && !next.startsWith('//') && !next.includes('\\') ? next : '/overview';
}

export function SignIn() {
  const { state, accept, retry } = useSession();
  const router = useRouter();
  const next = safeNext(useSearchParams().get('next'));
  const [key, setKey] = useState('');
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<SignInFailure | null>(null);
  const input = useRef<HTMLInputElement>(null);

  const submit = async (apiKey: string) => {
    setBusy(true);
    const answer = await signIn(apiKey.trim());
    setBusy(false);
    if ('session' in answer) return accept(answer.session);
    setFailure(answer.failure);
    input.current?.focus();
  };
  useEffect(() => {
    if (state.status === 'signed-in') router.replace(next);
  }, [state.status, router, next]);
  // A link with #key=… signs in; the key never reaches a server's log, and leaves the address at once.
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when the page opens
  useEffect(() => {
    const given = new URLSearchParams(location.hash.slice(1)).get('key');
    if (!given) return;
    history.replaceState(null, '', location.pathname + location.search);
    void submit(given);
  }, []);

  return (
    <main className="grid min-h-dvh place-items-center px-4 py-10">
      <div className="absolute right-4 top-4">
        <ThemeToggle />
      </div>
      <div className="w-full max-w-[400px]">
        <div className="mb-6 flex items-center gap-2.5">
          <Logo size={30} />
          <h1 className="text-[22px] font-semibold tracking-tight">Tributary</h1>
        </div>
        <p className="mb-5 text-[15px] text-soft">
          See which campaign brought each install, and why. Sign in with an API key of your organisation.
        </p>
        {state.status === 'unreachable' && (
          <div className="mb-4">
            <Problem
              title="The server cannot be reached"
              text="Check that Tributary runs, then try again."
              onRetry={retry}
            />
          </div>
        )}
        <form
          className="rounded-xl border border-line bg-panel p-4 shadow-panel"
          onSubmit={(event: FormEvent) => {
            event.preventDefault();
            if (key.trim()) void submit(key);
          }}
        >
          <label htmlFor="api-key" className="mb-1.5 block font-medium">
            API key
          </label>
          <input
            id="api-key"
            ref={input}
            type="password"
            autoComplete="current-password"
            spellCheck={false}
            required
            value={key}
            onChange={(event) => {
              setKey(event.target.value);
              setFailure(null);
            }}
            aria-invalid={failure !== null}
            aria-describedby={failure ? 'sign-in-failure' : 'sign-in-hint'}
            className="w-full rounded-lg border border-line-strong bg-canvas px-3 py-2 font-mono text-[13px]"
          />
          {failure ? (
            <p id="sign-in-failure" role="alert" className="mt-2 text-[13px] text-bad">
              {failure.message}{' '}
              {failure.requestId && <span className="font-mono text-[12px]">({failure.requestId})</span>}
            </p>
          ) : (
            <p id="sign-in-hint" className="mt-2 text-[13px] text-soft">
              In the demo it is <code className="font-mono text-[12px]">apiKey</code>, printed by{' '}
              <code className="font-mono text-[12px]">npm start</code> and kept in{' '}
              <code className="font-mono text-[12px]">.data/demo.json</code>.
            </p>
          )}
          <button
            type="submit"
            disabled={busy || state.status === 'loading'}
            className="mt-4 flex w-full items-center justify-center gap-2 rounded-lg bg-accent px-3 py-2 font-medium text-on-accent transition-opacity hover:opacity-90 disabled:opacity-60"
          >
            {busy ? (
              <LoaderCircle size={15} className="animate-spin" aria-hidden />
            ) : (
              <KeyRound size={15} aria-hidden />
            )}
            Sign in
          </button>
        </form>
      </div>
    </main>
  );
}
