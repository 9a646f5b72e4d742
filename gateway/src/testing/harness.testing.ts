import type { Directory } from '@tributary/platform/directory';
import { createLogger } from '@tributary/platform/logger';
import { type DirectoryKey, type DirectorySnapshot, defaultIntakePolicy, sha256Hex } from '@tributary/schema';
import type { FormattedExecutionResult } from 'graphql';
import { type Client, createClient } from 'graphql-ws/client';
import { WebSocket } from 'ws';
import { createGateway, type Gateway, type GatewayDeps } from '../gateway.ts';
import { createLocalSubgraphClient } from '../local-subgraph-client.ts';
import { createRemoteSubgraphClient } from '../remote-subgraph-client.ts';
import type { SubgraphClient } from '../subgraph-client.ts';
import { createWorld, secret, serveSubgraph, type World } from './subgraphs.testing.ts';

export const apiKey = 'tk_api_one';
export const otherTenantKey = 'tk_api_two';
export const writeKey = 'tk_write';
export const sameRightsKey = 'tk_api_one_b';
export const adminKey = 'tk_api_admin';
export const trustedKey = 'tk_api_trusted';
export const partnerKey = 'tk_api_partner';
export const unmeteredKey = 'tk_api_unmetered';

const aKey = (text: string, given: Partial<DirectoryKey>): DirectoryKey => ({
  keyId: `key_${text}`,
  kind: 'api',
  hash: sha256Hex(text),
  tenantId: 'ten_1',
  appIds: null,
  scopes: ['read:reports'],
  enabled: true,
  ...given,
});

const anApp = (
  appId: string,
  webOrigins: readonly string[],
  tenantId = 'ten_1',
): DirectorySnapshot['apps'][number] => ({
  appId,
  tenantId,
  name: appId,
  platform: 'web',
  enabled: true,
  timezone: 'UTC',
  currency: 'USD',
  storeUrl: null,
  ipPolicy: 'drop',
  clickLookbackHours: 168,
  viewLookbackHours: 24,
  reinstallDays: 90,
  retentionDays: 400,
  intake: { ...defaultIntakePolicy, webOrigins: [...webOrigins] },
});

interface TestDirectory extends Directory {
  change(keyText: string, given: Partial<DirectoryKey>): void;
}

function createTestDirectory(): TestDirectory {
  let current: DirectorySnapshot = {
    version: 1,
    publishedAt: 0,
    apps: [
      anApp('app_1', ['https://shop.example']),
      anApp('app_2', []),
      anApp('app_9', ['https://other.example'], 'ten_2'),
    ],
    links: [],
    campaigns: [],
    goals: [],
    keys: [
      aKey(apiKey, {}),
      aKey(sameRightsKey, {}),
      aKey(otherTenantKey, { tenantId: 'ten_2' }),
      aKey(adminKey, { scopes: ['read:reports', 'admin'] }),
      aKey(trustedKey, { trustedOnly: true }),
      aKey(partnerKey, { partnerId: 'par_1' }),
      aKey(unmeteredKey, { ratePlan: 'large', rate: { perSecond: 1e9, burst: 1e9 } }),
      aKey(writeKey, { kind: 'write', scopes: ['ingest:write'] }),
    ],
  };
  const listeners = new Set<(snapshot: DirectorySnapshot) => void>();
  return {
    current: () => current,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    change(keyText, given) {
      const keys = current.keys.map((key) => (key.keyId === `key_${keyText}` ? { ...key, ...given } : key));
      current = { ...current, version: current.version + 1, keys };
      for (const listener of listeners) listener(current);
    },
    refresh: async () => {},
    dispose: async () => {},
  };
}

export interface TestGateway {
  readonly gateway: Gateway;
  readonly url: string;
  readonly world: World;
  readonly directory: TestDirectory;
  query(query: string, variables?: Record<string, unknown>, headers?: Record<string, string>): Promise<Answer>;
  socket(options?: SocketOptions): Client;
  dispose(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Without its extensions. */
  readonly body: FormattedExecutionResult;
  readonly extensions: Record<string, unknown> | undefined;
}

interface SocketOptions {
  readonly key?: string | null;
  readonly headers?: Record<string, string>;
  readonly onClosed?: (code: number, reason: string) => void;
}

export interface TestGatewayOptions extends Partial<Omit<GatewayDeps, 'directory'>> {
  readonly remote?: boolean;
  /** Wraps each client. */
  readonly wrap?: (client: SubgraphClient) => SubgraphClient;
}

export async function startTestGateway({ remote, wrap, ...given }: TestGatewayOptions = {}): Promise<TestGateway> {
  const { world, subgraphs } = createWorld();
  const served = remote ? await Promise.all(subgraphs.map((subgraph) => serveSubgraph(subgraph))) : [];
  const clients = remote
    ? served.map(({ name, url }) => createRemoteSubgraphClient({ name, url }))
    : subgraphs.map((subgraph) => createLocalSubgraphClient(subgraph));
  const directory = createTestDirectory();
  const gateway = await createGateway({
    config: { host: '127.0.0.1', publicUrl: null, ports: { gateway: 0 } },
    directory,
    clock: { now: () => Date.now() },
    logger: createLogger('gateway', 'silent'),
    signingSecret: secret,
    subgraphs: wrap ? clients.map(wrap) : clients,
    ...given,
  });
  const { url } = await gateway.listen();
  const sockets: Client[] = [];
  return {
    gateway,
    url,
    world,
    directory,
    async query(query, variables = {}, headers = {}) {
      const response = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${apiKey}`, ...headers },
        body: JSON.stringify({ query, variables }),
      });
      const { extensions, ...body } = (await response.json()) as FormattedExecutionResult;
      return { status: response.status, headers: response.headers, body, extensions };
    },
    socket(options = {}) {
      const client = openSocket(url, options);
      sockets.push(client);
      return client;
    },
    async dispose() {
      await Promise.all(sockets.map((socket) => socket.dispose()));
      await gateway.dispose();
      await Promise.all(served.map((subgraph) => subgraph.dispose()));
    },
  };
}

function openSocket(url: string, { key = apiKey, headers, onClosed }: SocketOptions = {}): Client {
  class HeaderWebSocket extends WebSocket {
    constructor(address: string, protocols?: string | string[]) {
      super(address, protocols, headers ? { headers } : {});
    }
  }
  return createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: HeaderWebSocket,
    retryAttempts: 0,
    lazy: true,
    ...(key === null ? {} : { connectionParams: { Authorization: `Bearer ${key}` } }),
    on: {
      closed(event) {
        const { code, reason } = event as { code: number; reason: string };
        onClosed?.(code, reason);
      },
    },
  });
}

export interface Collected {
  readonly results: FormattedExecutionResult[];
  readonly ended: Promise<void>;
  readonly failure: () => unknown;
  stop(): void;
}

/** Subscribes and keeps what comes. */
export function collect(
  client: Client,
  query: string,
  variables: Record<string, unknown> = {},
  more: { readonly extensions?: Record<string, unknown> } = {},
): Collected {
  const results: FormattedExecutionResult[] = [];
  let failure: unknown = null;
  let stop: () => void = () => {};
  const ended = new Promise<void>((resolve) => {
    stop = client.subscribe(
      { query, variables, ...more },
      {
        next: (result) => void results.push(result as FormattedExecutionResult),
        error(error) {
          failure = error;
          resolve();
        },
        complete: resolve,
      },
    );
  });
  return { results, ended, failure: () => failure, stop: () => stop() };
}

/** Polls until it holds; rejects with the last value after the deadline. */
export async function until(holds: () => unknown, what = 'the condition', deadlineMs = 5_000): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`${what} did not come to hold within ${deadlineMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
