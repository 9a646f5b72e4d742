'use client';

import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from 'react';
import { Provider } from 'urql';
import { createGraph, type LiveState } from '../lib/graph.ts';
import { readSession, type Session, signOut } from '../lib/session.ts';

export type SessionState =
  | { readonly status: 'loading' | 'signed-out' | 'unreachable' }
  | { readonly status: 'signed-in'; readonly session: Session };

interface SessionContextValue {
  readonly state: SessionState;
  readonly accept: (session: Session) => void;
  readonly leave: () => Promise<void>;
  readonly retry: () => void;
}

const SessionContext = createContext<SessionContextValue | null>(null);
const LiveContext = createContext<LiveState>('connecting');

export function useSession(): SessionContextValue {
  const value = useContext(SessionContext);
  if (!value) throw new Error('useSession outside of Providers');
  return value;
}

export const useLiveState = (): LiveState => useContext(LiveContext);

/** Session first; the graph's client exists only while someone is signed in. */
export function Providers({ children }: { children: ReactNode }) {
  const [state, setState] = useState<SessionState>({ status: 'loading' });
  const load = useCallback(() => {
    setState({ status: 'loading' });
    readSession().then(
      (session) => setState(session ? { status: 'signed-in', session } : { status: 'signed-out' }),
      () => setState({ status: 'unreachable' }),
    );
  }, []);
  useEffect(load, [load]);
  const value = useMemo<SessionContextValue>(
    () => ({
      state,
      accept: (session) => setState({ status: 'signed-in', session }),
      leave: async () => {
        await signOut().catch(() => undefined);
        setState({ status: 'signed-out' });
      },
      retry: load,
    }),
    [state, load],
  );
  return (
    <SessionContext value={value}>
      {state.status === 'signed-in' ? (
        <GraphProvider onSignedOut={() => setState({ status: 'signed-out' })}>{children}</GraphProvider>
      ) : (
        children
      )}
    </SessionContext>
  );
}

function GraphProvider({ children, onSignedOut }: { children: ReactNode; onSignedOut: () => void }) {
  const [graph] = useState(() => createGraph(onSignedOut));
  const [live, setLive] = useState<LiveState>('connecting');
  useEffect(() => {
    const stop = graph.onState(setLive);
    return () => {
      stop();
    };
  }, [graph]);
  return (
    <Provider value={graph.client}>
      <LiveContext value={live}>{children}</LiveContext>
    </Provider>
  );
}
