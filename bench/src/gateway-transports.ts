import type { FormattedExecutionResult } from 'graphql';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import type { AbusiveOperation } from './gateway-abuses.ts';

/** One way to ask a gateway. */
export interface Transport {
  readonly name: 'POST' | 'GET' | 'graphql-ws' | 'SSE';
  /** The code of the first error; null = none. */
  ask(operation: AbusiveOperation): Promise<string | null>;
  dispose(): Promise<void>;
}

/** Every way to ask the gateway at this URL, as the holder of that key. */
export function openTransports(gatewayUrl: string, apiKey: string): readonly Transport[] {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${apiKey}` };
  const dispose = async () => undefined;
  return [
    {
      name: 'POST',
      ask: async (operation) =>
        codeOf(await fetch(`${gatewayUrl}/graphql`, { method: 'POST', headers, body: JSON.stringify(operation) })),
      dispose,
    },
    {
      name: 'GET',
      ask: async (operation) => codeOf(await fetch(`${gatewayUrl}/graphql?${searchOf(operation)}`, { headers })),
      dispose,
    },
    {
      name: 'SSE',
      ask: async (operation) =>
        codeOf(
          await fetch(`${gatewayUrl}/graphql/stream`, { method: 'POST', headers, body: JSON.stringify(operation) }),
        ),
      dispose,
    },
    overWebSocket(gatewayUrl, apiKey),
  ];
}

/** The query part of a GET's URL. */
export function searchOf({ query, operationName, variables }: AbusiveOperation): string {
  return new URLSearchParams({
    query,
    ...(operationName ? { operationName } : {}),
    ...(variables ? { variables: JSON.stringify(variables) } : {}),
  }).toString();
}

async function codeOf(response: Response): Promise<string | null> {
  const text = await response.text();
  const json = response.headers.get('content-type')?.startsWith('text/event-stream')
    ? text
        .split('\n')
        .find((line) => line.startsWith('data: {'))
        ?.slice('data: '.length)
    : text;
  if (!json) return `HTTP ${response.status}`;
  const body = JSON.parse(json) as FormattedExecutionResult & { readonly error?: { readonly code: string } };
  // What is refused before it is known to be GraphQL has the form of HTTP.
  return body.error?.code ?? firstCode(body.errors);
}

function firstCode(errors: unknown): string | null {
  const [error] = (errors ?? []) as readonly { readonly extensions?: { readonly code?: string } }[];
  return error ? (error.extensions?.code ?? 'none') : null;
}

function overWebSocket(gatewayUrl: string, apiKey: string): Transport {
  const client = createClient({
    url: `${gatewayUrl.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { Authorization: `Bearer ${apiKey}` },
    retryAttempts: 0,
    // Kept while nothing is asked.
    lazyCloseTimeout: 60_000,
  });
  return {
    name: 'graphql-ws',
    ask: (operation) =>
      new Promise((resolve, reject) => {
        const { variables, ...rest } = operation;
        const stop = client.subscribe(
          { ...rest, ...(variables ? { variables: { ...variables } } : {}) },
          {
            next(result) {
              resolve(firstCode(result.errors));
              stop();
            },
            error: (error) => (Array.isArray(error) ? resolve(firstCode(error)) : reject(error)),
            complete: () => resolve(null),
          },
        );
      }),
    dispose: async () => client.dispose(),
  };
}
