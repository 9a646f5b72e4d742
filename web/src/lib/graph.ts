import { createClient as createSocket } from 'graphql-ws';
import { Client, cacheExchange, fetchExchange, subscriptionExchange } from 'urql';

/** Connection to the live stream, as the page shows it. */
export type LiveState = 'connecting' | 'live' | 'reconnecting' | 'ended';

export interface Graph {
  readonly client: Client;
  onState(listener: (state: LiveState) => void): () => void;
  dispose(): void;
}

/** The GraphQL client of a signed-in page: queries over HTTP, live data over one WebSocket; the session cookie authenticates both. */
export function createGraph(onSignedOut: () => void): Graph {
  const listeners = new Set<(state: LiveState) => void>();
  let state: LiveState = 'connecting';
  const tell = (next: LiveState) => {
    state = next;
    for (const listener of listeners) listener(next);
  };
  const socket = createSocket({
    url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/graphql`,
    lazy: true,
    keepAlive: 15_000,
    retryAttempts: Number.POSITIVE_INFINITY,
    shouldRetry: () => true,
    retryWait: async (retries) =>
      new Promise((resolve) => setTimeout(resolve, Math.min(8_000, 300 * 2 ** retries) * (0.7 + Math.random() * 0.6))),
    on: {
      connected: () => tell('live'),
      closed: (event) => {
        const code = (event as { code?: number }).code;
        if (code === 4401 || code === 4403) {
          tell('ended');
          onSignedOut();
        } else tell('reconnecting');
      },
    },
  });
  const client = new Client({
    url: '/graphql',
    preferGetMethod: false,
    fetchOptions: { credentials: 'same-origin' },
    requestPolicy: 'cache-and-network',
    exchanges: [
      cacheExchange,
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: (operation) => ({
          subscribe: (sink) => ({
            unsubscribe: socket.subscribe(
              { query: operation.query ?? '', variables: operation.variables as Record<string, unknown> },
              sink,
            ),
          }),
        }),
      }),
    ],
  });
  return {
    client,
    onState(listener) {
      listeners.add(listener);
      listener(state);
      return () => void listeners.delete(listener);
    },
    dispose: () => void socket.dispose(),
  };
}
