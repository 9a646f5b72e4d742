import { createMemoryCache } from '@tributary/platform/cache/memory';
import type { Directory } from '@tributary/platform/directory';
import type { LiveBus } from '@tributary/platform/live-bus';
import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { createTenant } from '@tributary/prisma/accounts';
import type { Relational } from '@tributary/prisma/client';
import { createRelationalDirectory } from '@tributary/prisma/directory';
import type { TestStore } from '@tributary/prisma/relational.testing';
import { type Caller, loadConfig, signCaller } from '@tributary/schema';
import { graphql, parse, subscribe } from 'graphql';
import { silentLogger, testSecret } from '../src/kit.testing.ts';
import { codedCauseOf } from '../src/kit.ts';
import type { Subgraph } from '../src/types.ts';
import { createCampaignsSubgraph } from './index.ts';

export const allScopes = ['read:reports', 'read:personal', 'admin', 'ingest:write', 'ingest:backfill'] as const;

export interface WorldAnswer {
  // Tests read answers by path.
  // biome-ignore lint/suspicious/noExplicitAny: the shape is the query's
  readonly data: any;
  readonly errors: readonly { readonly code: string | undefined; readonly message: string }[];
}

/** A tenant, its store, and the subgraph over it with a clock that is set by hand. */
export interface CampaignsWorld {
  readonly relational: Relational;
  readonly subgraph: Subgraph;
  readonly directory: Directory;
  readonly liveBus: LiveBus;
  readonly tenantId: string;
  clock: { now(): number };
  ask(source: string, variables?: Record<string, unknown>, caller?: Partial<Caller>): Promise<WorldAnswer>;
  /** Runs `mutation { name(input: …) { selection } }`; a key of its own unless given one. */
  mutate(
    name: string,
    input: Record<string, unknown>,
    selection: string,
    caller?: Partial<Caller>,
  ): Promise<WorldAnswer>;
  follow(
    source: string,
    variables: Record<string, unknown>,
    caller?: Partial<Caller>,
  ): Promise<AsyncIterableIterator<WorldAnswer>>;
  dispose(): Promise<void>;
}

let keys = 0;

export async function openCampaignsWorld(
  store: TestStore,
  wrap = (one: Relational): Relational => one,
): Promise<CampaignsWorld> {
  const relational = await store.openMigrated();
  const { tenantId } = await createTenant(relational, { name: 'Ours' });
  const directory = await createRelationalDirectory(relational, { pollMs: 3_600_000 });
  const liveBus = createMemoryLiveBus();
  const cache = createMemoryCache();
  const world = { clock: { now: () => Date.parse('2026-11-24T12:00:00Z') } };
  const clock = { now: () => world.clock.now() };
  const subgraph = createCampaignsSubgraph({
    warehouse: {} as never,
    directory,
    liveBus,
    cache,
    clock,
    logger: silentLogger,
    config: loadConfig({ TRIBUTARY_COLLECTOR_PUBLIC_URL: 'https://go.example' }),
    signingSecret: testSecret,
    relational: wrap(relational),
  });
  const contextOf = (caller: Partial<Caller> = {}) =>
    subgraph.createContext({
      callerToken: signCaller(
        {
          tenantId,
          appIds: null,
          scopes: [...allScopes],
          keyId: 'key_admin',
          requestId: 'req_test',
          expiresAt: 4_000_000_000_000,
          ...caller,
        },
        testSecret,
      ),
    });
  const plain = (result: { data?: unknown; errors?: readonly Error[] | undefined }): WorldAnswer => ({
    data: JSON.parse(JSON.stringify(result.data ?? null)),
    errors: (result.errors ?? []).map((error) => ({ code: codedCauseOf(error)?.code, message: error.message })),
  });
  const ask: CampaignsWorld['ask'] = async (source, variableValues = {}, caller = {}) =>
    plain(await graphql({ schema: subgraph.schema, source, variableValues, contextValue: contextOf(caller) }));
  return Object.assign(world, {
    relational,
    subgraph,
    directory,
    liveBus,
    tenantId,
    ask,
    mutate: (async (name, input, selection, caller) => {
      const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}Input`;
      const source = `mutation ($input: ${type}!) { it: ${name}(input: $input) { ${selection} repeated userErrors { code field message } } }`;
      keys += 1;
      return ask(source, { input: { idempotencyKey: `test-${keys}`, ...input } }, caller);
    }) satisfies CampaignsWorld['mutate'],
    follow: (async (source, variableValues, caller) => {
      const stream = await subscribe({
        schema: subgraph.schema,
        document: parse(source),
        variableValues,
        contextValue: contextOf(caller),
      });
      if (!(Symbol.asyncIterator in stream)) throw stream.errors?.[0]?.originalError ?? stream.errors?.[0];
      const iterator = stream as AsyncIterableIterator<Parameters<typeof plain>[0]>;
      const mapped: AsyncIterableIterator<WorldAnswer> = {
        next: async () => {
          const step = await iterator.next();
          return step.done ? { done: true, value: undefined } : { done: false, value: plain(step.value) };
        },
        return: async () => {
          await iterator.return?.();
          return { done: true, value: undefined };
        },
        [Symbol.asyncIterator]: () => mapped,
      };
      return mapped;
    }) satisfies CampaignsWorld['follow'],
    async dispose() {
      await subgraph.dispose();
      await directory.dispose();
      await liveBus.dispose();
      await cache.dispose();
    },
  });
}
