import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { type Caller, CodedError, parseCaller } from '@tributary/schema';
import { type GraphQLSchema, parse } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { createYoga } from 'graphql-yoga';
import { WebSocketServer } from 'ws';
import type { LocalSubgraph } from '../local-subgraph-client.ts';
import { toGraphQLError } from '../pipeline/format-error.ts';
import { createEventQueue } from '../subscriptions/event-queue.ts';

export const secret = 'a secret of more than thirty-two characters';

/** What the tiny subgraphs did, and the way to make live events happen. */
export interface World {
  /** Calls by name: `campaign entities`, `campaigns sent` (representations), … */
  readonly counts: Record<string, number>;
  readonly callers: Caller[];
  /** Sends a live payload to all upstream subscriptions of `liveMetrics`. */
  emit(rows: readonly { campaign: string | null; installs: number }[]): void;
  /** Sends an item to all upstream subscriptions of `feed`. */
  feed(text: string): void;
  /** Appends to the numbered stream, which is resumed by `after`. */
  append(): void;
  readonly upstreams: () => number;
  /** Ends all upstreams of `liveMetrics`, as a subgraph does that stops. */
  endLive(): void;
}

type Row = { campaign: string | null; installs: number };

interface TestContext {
  readonly caller: Caller;
  readonly signal?: AbortSignal | undefined;
}

/** A tiny graph in the product's shape: `live` owns the subscriptions, `catalog` names things, `money` adds to campaigns. */
export function createWorld() {
  const counts: Record<string, number> = {};
  const callers: Caller[] = [];
  const count = (name: string, by = 1) => {
    counts[name] = (counts[name] ?? 0) + by;
  };
  const live = new Set<(rows: readonly Row[]) => void>();
  const feeds = new Set<(text: string) => void>();
  const queues = new Set<{ finish(): void }>();
  const totals = new Map<string | null, number>();
  let sequence = 0;

  /** Yields the whole state first, then changes, as the real `liveMetrics` may. */
  const liveSource = () => {
    count('live opened');
    const payload = (rows: readonly Row[]) => ({ liveMetrics: { sequence, rows, app: { id: 'app_1' } } });
    const listener = (rows: readonly Row[]) => void queue.push(payload(rows));
    const queue = createEventQueue<unknown>({
      capacity: 1_000,
      onEnd() {
        live.delete(listener);
        queues.delete(queue);
        count('live closed');
      },
    });
    live.add(listener);
    queues.add(queue);
    if (totals.size > 0) queue.push(payload([...totals].map(([campaign, installs]) => ({ campaign, installs }))));
    return queue.iterator;
  };
  const feedSource = () => {
    count('feed opened');
    const listener = (text: string) => void queue.push({ feed: { text } });
    const queue = createEventQueue<unknown>({
      capacity: 100_000,
      onEnd() {
        feeds.delete(listener);
        count('feed closed');
      },
    });
    feeds.add(listener);
    return queue.iterator;
  };

  let appended = 0;
  const followers = new Set<() => void>();
  /** Every number above `after`, then each new one: what is held is read in order, so nothing can fall into a gap. */
  const numberSource = (after: number) => {
    let at = after;
    const flush = () => {
      while (at < appended) {
        at += 1;
        queue.push({ numbers: { cursor: at, campaign: { __typename: 'Campaign', id: `cmp_${at}` } } });
      }
    };
    const queue = createEventQueue<unknown>({ capacity: 100_000, onEnd: () => void followers.delete(flush) });
    followers.add(flush);
    flush();
    return queue.iterator;
  };

  const world: World = {
    counts,
    append() {
      appended += 1;
      for (const flush of [...followers]) flush();
    },
    callers,
    emit(rows) {
      sequence += 1;
      for (const row of rows) totals.set(row.campaign, row.installs);
      for (const listener of [...live]) listener(rows);
    },
    feed(text) {
      for (const listener of [...feeds]) listener(text);
    },
    upstreams: () => live.size + feeds.size,
    endLive: () => {
      for (const queue of [...queues]) queue.finish();
    },
  };

  const liveSubgraph = subgraph('live', liveSdl, {
    Query: {
      now: () => sequence,
      rows: (_: unknown, { count: rows }: { count: number }) =>
        Array.from({ length: rows }, (_, at) => ({ campaign: `cmp_${at % 5}`, installs: at })),
    },
    LiveMetrics: { app: ({ app }: { app: unknown }) => ({ __typename: 'App', ...(app as object) }) },
    LiveRow: { campaign: ({ campaign }: Row) => (campaign === null ? null : { __typename: 'Campaign', id: campaign }) },
    Subscription: {
      liveMetrics: {
        subscribe: (_: unknown, { appId }: { appId: string }, { caller }: TestContext) => {
          if (caller.appIds !== null && !caller.appIds.includes(appId)) throw new CodedError('FORBIDDEN');
          return liveSource();
        },
      },
      feed: { subscribe: () => feedSource() },
      numbers: { subscribe: (_: unknown, { after }: { after: number }) => numberSource(after) },
      broken: { subscribe: () => Promise.reject(new Error('a secret detail')) },
    },
  });
  const catalogSubgraph = subgraph('catalog', catalogSdl, {
    Query: {
      viewer: (_: unknown, __: unknown, { caller }: TestContext) => {
        callers.push(caller);
        return { tenantId: caller.tenantId, keyId: caller.keyId };
      },
      campaign: (_: unknown, { id }: { id: string }) => ({ id }),
      campaigns: (_: unknown, { ids }: { ids: string[] }) => ids.map((id) => ({ id })),
      kept: (_: unknown, { appId }: { appId: string }, { caller }: TestContext) => {
        count('kept');
        if (appId === 'app_broken') throw new CodedError('WAREHOUSE_UNAVAILABLE');
        return { text: `${caller.tenantId} ${appId} ${counts['kept']}`, owner: 'a@b.example' };
      },
      people: () => [{ id: 'per_1', email: 'a@b.example' }],
      hang: (_: unknown, __: unknown, { signal }: TestContext) => {
        count('hang begun');
        return new Promise((resolve) => {
          signal?.addEventListener('abort', () => {
            count('hang aborted');
            resolve(1);
          });
        });
      },
      things: (_: unknown, { first }: { first: number }) => ({
        nodes: Array.from({ length: Math.min(first, 3) }, (_item, at) => ({
          __typename: at % 2 ? 'Campaign' : 'App',
          id: `thing_${at}`,
        })),
      }),
      broken: () => null,
    },
    Thing: { __resolveType: ({ __typename }: { __typename: string }) => __typename },
    Mutation: { rename: (_: unknown, { id, name }: { id: string; name: string }) => ({ id, name }) },
    Campaign: {
      __resolveReference(reference: { id: string }, { caller }: TestContext) {
        callers.push(caller);
        count('campaign entities');
        return reference.id === 'gone' ? null : { id: reference.id };
      },
      name: ({ id, name }: { id: string; name?: string }) => {
        if (id === 'bad') throw new CodedError('NOT_FOUND', { message: 'No such campaign.' });
        if (id === 'crash') throw new Error('a secret detail');
        return name ?? `Campaign ${id}`;
      },
      big: (_: unknown, { bytes }: { bytes: number }) => 'x'.repeat(bytes),
    },
    App: { __resolveReference: (reference: { id: string }) => ({ ...reference, name: `App ${reference.id}` }) },
  });
  const moneySubgraph = subgraph('money', moneySdl, {
    Campaign: {
      __resolveReference(reference: { id: string }) {
        count('money entities');
        return reference;
      },
      roas: ({ id }: { id: string }) => (id === 'cmp_0' ? null : 1.5),
      twin: ({ id }: { id: string }) => ({ id: `twin_${id}` }),
    },
  });
  return { world, subgraphs: [liveSubgraph, catalogSubgraph, moneySubgraph] };
}

const head = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@shareable", "@tag"])\n`;
const liveSdl = `${head}
  type Query { now: Int! rows(count: Int! = 3): [LiveRow!]! }
  type Subscription { liveMetrics(appId: ID!, window: LiveWindow! = LAST_HOUR): LiveMetrics! feed: FeedItem! numbers(after: Int! = 0): Numbered! broken: FeedItem }
  type Numbered { cursor: Int! campaign: Campaign! }
  enum LiveWindow { LAST_HOUR TODAY }
  type LiveMetrics { app: App! sequence: Int! rows: [LiveRow!]! }
  type LiveRow { campaign: Campaign installs: Int! }
  type FeedItem { text: String! }
  type Campaign @key(fields: "id", resolvable: false) { id: ID! }
  type App @key(fields: "id", resolvable: false) { id: ID! }
`;
const catalogSdl = `${head}
  directive @cacheControl(maxAge: Int, scope: CacheScope, inheritMaxAge: Boolean) on FIELD_DEFINITION | OBJECT
  directive @cost(weight: String!) on FIELD_DEFINITION
  enum CacheScope { PUBLIC PRIVATE }
  type Query {
    viewer: Viewer! campaign(id: ID!): Campaign campaigns(ids: [ID!]!): [Campaign!]!
    kept(appId: ID!): Kept @cacheControl(maxAge: 60)
    people: [Person!]! @cacheControl(maxAge: 60)
    hang: Int
    margins: Float @tag(name: "internal") @cost(weight: "70")
    things(first: Int! = 2): ThingPage!
    broken: Float!
  }
  type Kept { text: String! owner: String @tag(name: "personal") }
  type Person { id: ID! email: String @tag(name: "personal") }
  interface Thing { id: ID! }
  type ThingPage { nodes: [Thing!]! }
  type Mutation { rename(id: ID!, name: String!): Campaign! }
  type Viewer { tenantId: ID! keyId: ID! }
  type Campaign implements Thing @key(fields: "id") { id: ID! name: String margin: Float @tag(name: "internal") big(bytes: Int!): String! }
  type App implements Thing @key(fields: "id") { id: ID! name: String! }
`;
const moneySdl = `${head}
  type Campaign @key(fields: "id") { id: ID! roas: Float twin: Campaign! }
`;

function subgraph(name: string, sdl: string, resolvers: object): LocalSubgraph {
  const schema = buildSubgraphSchema({ typeDefs: parse(sdl), resolvers: resolvers as never });
  return {
    name,
    schema,
    sdl,
    createContext({ callerToken, signal }) {
      const caller = parseCaller(callerToken, secret, Date.now());
      if (!caller) throw new CodedError('UNAUTHENTICATED');
      return { caller, signal };
    },
  };
}

export interface RemoteSubgraph {
  readonly name: string;
  readonly url: string;
  /** Open WebSocket connections, and a way to cut them all. */
  readonly sockets: () => number;
  cut(): void;
  dispose(): Promise<void>;
}

/** The same subgraph behind Yoga and graphql-ws, as it would run alone. */
export async function serveSubgraph(local: LocalSubgraph, port = 0): Promise<RemoteSubgraph> {
  const contextOf = (extensions: unknown, isSdl: boolean, signal?: AbortSignal) =>
    isSdl
      ? {}
      : (local.createContext({
          callerToken: (extensions as { caller?: unknown } | undefined)?.caller,
          ...(signal ? { signal } : {}),
        }) as object);
  const yoga = createYoga({
    schema: local.schema as GraphQLSchema,
    logging: false,
    maskedErrors: { maskError: (error) => maskError(error) },
    context: ({ params, request }) =>
      contextOf(params.extensions, params.query?.includes('_service') ?? false, request.signal),
  });
  const server = createServer(yoga);
  const sockets = new WebSocketServer({ server, path: '/graphql' });
  useServer(
    {
      schema: local.schema,
      context: (_context, _id, payload) => contextOf(payload.extensions, false),
      // A subscription that is refused comes as a result with errors, not as an `error` message.
      onNext: (_context, _id, _payload, _args, result) =>
        result.errors
          ? ({ ...result, errors: result.errors.map((error) => maskError(error).toJSON()) } as never)
          : undefined,
    },
    sockets,
  );
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const { port: bound } = server.address() as AddressInfo;
  return {
    name: local.name,
    url: `http://127.0.0.1:${bound}/graphql`,
    sockets: () => sockets.clients.size,
    cut: () => {
      for (const socket of sockets.clients) socket.terminate();
    },
    async dispose() {
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function maskError(error: unknown) {
  const original = (error as { originalError?: unknown }).originalError;
  const formatted = toGraphQLError(original ?? error);
  const { path } = error as { path?: readonly (string | number)[] };
  return Object.assign(formatted, path ? { path } : {});
}
