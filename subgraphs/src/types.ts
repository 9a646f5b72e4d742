import type { Cache } from '@tributary/platform/cache';
import type { Clock } from '@tributary/platform/clock';
import type { Directory } from '@tributary/platform/directory';
import type { LiveBus } from '@tributary/platform/live-bus';
import type { Warehouse } from '@tributary/platform/warehouse';
import type { Caller, Config, ErrorCode, SubgraphName } from '@tributary/schema';
import type { GraphQLError, GraphQLSchema } from 'graphql';
import type { Logger } from 'pino';

/** What every subgraph is wired with. `campaigns` takes the relational client beside it. */
export interface SubgraphDeps {
  readonly warehouse: Warehouse;
  readonly directory: Directory;
  readonly liveBus: LiveBus;
  readonly cache: Cache;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly config: Config;
  /** Verifies `extensions.caller` (schema/src/caller.ts). */
  readonly signingSecret: string;
}

/** One subgraph, independent of transport. */
export interface Subgraph {
  readonly name: SubgraphName;
  readonly schema: GraphQLSchema;
  /** Federation SDL as printed for composition; deterministic. */
  readonly sdl: string;
  /**
   * The context value of one operation. Throws UNAUTHENTICATED when the token is missing, forged or expired.
   * In-process callers (the embedded gateway) and Yoga use the same function.
   */
  createContext(input: { readonly callerToken: unknown; readonly signal?: AbortSignal }): SubgraphContext;
  /**
   * An error of an operation as its caller may see it: `extensions.code` of the catalogue, no stack; what isn't coded is
   * logged and shown as INTERNAL. `refusal` codes what the executor itself refused (default BAD_USER_INPUT).
   */
  formatError(error: unknown, refusal?: ErrorCode): GraphQLError;
  /** Yoga's fetch-like request handler, for HTTP. `_service { sdl }` is answered without a caller. */
  readonly fetch: (request: Request) => Promise<Response> | Response;
  dispose(): Promise<void>;
}

export interface SubgraphContext {
  readonly caller: Caller;
  readonly signal: AbortSignal | undefined;
  /** Per-operation memo for DataLoaders: `loaders.get(key, make)`. Keys never outlive the operation. */
  readonly loaders: LoaderRegistry;
}

export interface LoaderRegistry {
  get<T>(key: string, make: () => T): T;
}
