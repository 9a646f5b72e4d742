import type { Clock } from '@tributary/platform/clock';
import type { Directory } from '@tributary/platform/directory';
import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import type { Warehouse } from '@tributary/platform/warehouse';
import {
  type Caller,
  type DirectoryApp,
  type DirectoryCampaign,
  type DirectorySnapshot,
  loadConfig,
  signCaller,
} from '@tributary/schema';
import { execute, parse } from 'graphql';
import { pino } from 'pino';
import type { Subgraph, SubgraphDeps } from './types.ts';

export const testSecret = 'a secret of the tests, of more than 32 characters';
export const silentLogger = pino({ level: 'silent' });

export function aDirectoryApp(
  app: Partial<DirectoryApp> & { readonly appId: string; readonly tenantId: string },
): DirectoryApp {
  return {
    name: app.appId,
    platform: 'android',
    enabled: true,
    timezone: 'UTC',
    currency: 'USD',
    storeUrl: null,
    ipPolicy: 'truncate',
    clickLookbackHours: 168,
    viewLookbackHours: 24,
    reinstallDays: 90,
    retentionDays: 400,
    ...app,
  };
}

export function aDirectoryCampaign(
  campaign: Pick<DirectoryCampaign, 'campaignId' | 'tenantId' | 'appId'> & Partial<DirectoryCampaign>,
): DirectoryCampaign {
  return { partnerId: null, name: campaign.campaignId, network: null, ...campaign };
}

/** A directory that holds what it is given. */
export function aDirectory(content: Partial<DirectorySnapshot>): Directory {
  const snapshot = { version: 1, publishedAt: 0, apps: [], links: [], campaigns: [], keys: [], goals: [], ...content };
  return {
    current: () => snapshot,
    onChange: () => () => undefined,
    refresh: async () => undefined,
    dispose: async () => undefined,
  };
}

/** A warehouse for tests that must not ask one. */
export const noWarehouse = new Proxy({} as Warehouse, {
  get: (_target, name) => () => {
    throw new Error(`the warehouse was asked to ${String(name)}`);
  },
});

export function someDeps(deps: Partial<SubgraphDeps> = {}): SubgraphDeps {
  const clock: Clock = { now: () => Date.now() };
  return {
    warehouse: noWarehouse,
    directory: aDirectory({}),
    liveBus: createMemoryLiveBus(),
    cache: {} as SubgraphDeps['cache'],
    clock,
    logger: silentLogger,
    config: loadConfig({ TRIBUTARY_LIVE_INTERVAL_MS: '50' }),
    signingSecret: testSecret,
    ...deps,
  };
}

/** A signed caller; by default of `tenantId`, all apps, reading reports. */
export function aCallerToken(caller: Partial<Caller> & { readonly tenantId: string }): string {
  return signCaller(
    {
      appIds: null,
      scopes: ['read:reports'],
      keyId: 'key_test',
      requestId: 'req_test',
      expiresAt: 4_000_000_000_000,
      ...caller,
    },
    testSecret,
  );
}

export interface Answer {
  // Tests read answers by path.
  // biome-ignore lint/suspicious/noExplicitAny: the shape is the query's
  readonly data: any;
  readonly codes: readonly string[];
}

/** Runs an operation in the process, as the embedded gateway does. */
export async function ask(
  subgraph: Subgraph,
  callerToken: string,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<Answer> {
  const result = await execute({
    schema: subgraph.schema,
    document: parse(query),
    variableValues: variables,
    contextValue: subgraph.createContext({ callerToken }),
  });
  return {
    // Objects of the executor have no prototype, which jest takes for a difference.
    data: result.data && JSON.parse(JSON.stringify(result.data)),
    codes: (result.errors ?? []).map((error) => String(subgraph.formatError(error).extensions['code'])),
  };
}

/** Asks for fields of entities, as the gateway's plans do. */
export function askEntities(
  subgraph: Subgraph,
  callerToken: string,
  type: string,
  ids: readonly string[],
  fields: string,
): Promise<Answer> {
  const query = `query ($r: [_Any!]!) { _entities(representations: $r) { ... on ${type} { ${fields} } } }`;
  return ask(subgraph, callerToken, query, { r: ids.map((id) => ({ __typename: type, id })) });
}

/** Polls until it is truthy. Rejects after `withinMs`. */
export async function until<T>(read: () => T | Promise<T>, withinMs = 5_000): Promise<NonNullable<T>> {
  const giveUpAt = Date.now() + withinMs;
  for (;;) {
    const value = await read();
    if (value) return value;
    if (Date.now() > giveUpAt) throw new Error(`not within ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
