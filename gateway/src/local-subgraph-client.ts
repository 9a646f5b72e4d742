import { createLru } from '@tributary/platform/lru';
import { CodedError } from '@tributary/schema';
import {
  type DocumentNode,
  type ExecutionResult,
  execute,
  type FormattedExecutionResult,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  parse,
  subscribe,
  validate,
} from 'graphql';
import { formatResolverError, toGraphQLError } from './pipeline/format-error.ts';
import { reasonOf, type SubgraphClient, type SubgraphRequest } from './subgraph-client.ts';

/** What the gateway needs of a subgraph in its own process; `Subgraph` of the subgraphs folder fits it. */
export interface LocalSubgraph {
  readonly name: string;
  readonly schema: GraphQLSchema;
  readonly sdl: string;
  createContext(input: { readonly callerToken: unknown; readonly signal?: AbortSignal }): unknown;
  /** An error as it would go out over HTTP, logged if it is a fault. Without it, errors are shaped and reported here. */
  formatError?(error: unknown): GraphQLError;
}

type Prepared = { readonly document: DocumentNode } | { readonly errors: readonly GraphQLError[] };

/** The planner sends few distinct texts per supergraph; this many cover the plan cache of a busy gateway. */
const preparedOperations = 2_000;
const longestCachedText = 65_536;
/** Characters of all of them; parsed they take 50 bytes each. */
const preparedLength = 1_048_576;

/**
 * Runs operations on a subgraph of this process: no HTTP, no serialisation, and each text is parsed and validated once
 * (Apollo's LocalGraphQLDataSource does both on every call). Custom scalars must serialise to JSON values. Disposing of the
 * client does not dispose of the subgraph.
 * Over 50 lines: one closure, whose parts share this state.
 */
export function createLocalSubgraphClient(subgraph: LocalSubgraph): SubgraphClient {
  const prepared = createLru<string, Prepared>(preparedOperations, { of: (text) => text.length, most: preparedLength });
  const running = new Set<AbortController>();
  let report: (error: unknown, request: SubgraphRequest) => void = () => {};

  function prepare(query: string): Prepared {
    const known = prepared.get(query);
    if (known) return known;
    let fresh: Prepared;
    try {
      const document = parse(query, { noLocation: true });
      const errors = validate(subgraph.schema, document);
      fresh = errors.length > 0 ? { errors } : { document };
    } catch (error) {
      fresh = { errors: [error instanceof GraphQLError ? error : toGraphQLError(error)] };
    }
    if (query.length <= longestCachedText) prepared.set(query, fresh);
    return fresh;
  }

  function shaped(result: ExecutionResult, request: SubgraphRequest): FormattedExecutionResult {
    if (!result.errors) return result as FormattedExecutionResult;
    const errors = result.errors.map((error) => {
      if (subgraph.formatError) return plain(subgraph.formatError(error));
      const { formatted, unexpected } = formatResolverError(error);
      if (unexpected) report(unexpected, request);
      return formatted;
    });
    return { ...result, errors };
  }

  /** Also for a planned text that does not fit the schema: the composed graph is out of step; not the caller's fault. */
  function failed(thrown: unknown, request: SubgraphRequest): FormattedExecutionResult {
    if (subgraph.formatError) return { errors: [plain(subgraph.formatError(thrown))] };
    if (thrown instanceof CodedError) return { errors: [toGraphQLError(thrown).toJSON()] };
    report(thrown, request);
    return { errors: [toGraphQLError(new CodedError('INTERNAL')).toJSON()] };
  }

  function argsOf(document: DocumentNode, request: SubgraphRequest, signal: AbortSignal | undefined) {
    return {
      schema: subgraph.schema,
      document,
      variableValues: request.variables ?? {},
      operationName: request.operationName,
      contextValue: subgraph.createContext({ callerToken: request.callerToken, ...(signal ? { signal } : {}) }),
    };
  }

  return {
    name: subgraph.name,
    remote: false,
    async execute(request) {
      try {
        const operation = prepare(request.query);
        if ('errors' in operation) return failed(operation.errors[0], request);
        const running = execute(argsOf(operation.document, request, request.signal));
        return shaped(await untilAborted(running, request.signal), request);
      } catch (error) {
        return failed(error, request);
      }
    },
    subscribe(request) {
      const abort = new AbortController();
      running.add(abort);
      const signal = request.signal ? AbortSignal.any([request.signal, abort.signal]) : abort.signal;
      const operation = prepare(request.query);
      const open = async (): Promise<Source | ExecutionResult> => {
        if ('errors' in operation) throw operation.errors[0];
        return subscribe(argsOf(operation.document, request, signal)) as Promise<Source | ExecutionResult>;
      };
      return iterateLocal(open, {
        shape: (result) => shaped(result, request),
        fail: (thrown) => failed(thrown, request),
        onEnd: () => {
          running.delete(abort);
          abort.abort();
        },
      });
    },
    sdl: async () => subgraph.sdl,
    onUnexpectedError(listener) {
      report = listener;
    },
    async dispose() {
      for (const abort of running) abort.abort();
      running.clear();
      prepared.clear();
    },
  };
}

/** graphql-js goes on whoever has left; resolvers see the signal themselves. Rejects with the reason where that is one of ours. */
function untilAborted<T>(running: T | Promise<T>, signal: AbortSignal | undefined): T | Promise<T> {
  if (!signal || !(running instanceof Promise)) return running;
  return new Promise((resolve, reject) => {
    const leave = () => reject(reasonOf(signal));
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave, { once: true });
    running.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}

/** Locations point into the planner's text, which nobody sees. */
function plain(error: GraphQLError): GraphQLFormattedError {
  const { locations: _, ...formatted } = error.toJSON();
  return formatted;
}

type Source = AsyncGenerator<ExecutionResult, void, void>;

interface LocalHooks {
  shape(result: ExecutionResult): FormattedExecutionResult;
  fail(thrown: unknown): FormattedExecutionResult;
  onEnd(): void;
}

/**
 * Written by hand because an async generator would leak the upstream: its `return()` waits for the pending `next()`, which
 * for a quiet subscription never comes.
 */
function iterateLocal(
  open: () => Promise<Source | ExecutionResult>,
  hooks: LocalHooks,
): AsyncIterableIterator<FormattedExecutionResult> {
  let source: Source | null = null;
  let opening: Promise<Source | ExecutionResult> | null = null;
  let ended = false;
  let release: () => void = () => {};
  const released = new Promise<'released'>((resolve) => {
    release = () => resolve('released');
  });
  const done = { done: true as const, value: undefined };

  function end(): void {
    if (ended) return;
    ended = true;
    hooks.onEnd();
    // Not awaited: it may wait for a pending next() of a generator in the subgraph; the aborted signal ends that.
    source?.return(undefined).catch(() => undefined);
  }

  async function pull(): Promise<IteratorResult<FormattedExecutionResult>> {
    if (!source) {
      opening ??= open();
      const opened = await opening;
      if (!(Symbol.asyncIterator in opened)) {
        end();
        return { done: false, value: hooks.shape(opened) };
      }
      if (ended) {
        opened.return(undefined).catch(() => undefined);
        return done;
      }
      source = opened;
    }
    const step = await source.next();
    if (step.done) end();
    return step.done ? done : { done: false, value: hooks.shape(step.value) };
  }

  return {
    async next() {
      if (ended) return done;
      const step = await Promise.race([
        pull().catch((error: unknown): IteratorResult<FormattedExecutionResult> => {
          if (ended) return done;
          end();
          return { done: false, value: hooks.fail(error) };
        }),
        released,
      ]);
      return step === 'released' ? done : step;
    },
    async return() {
      end();
      release();
      return done;
    },
    async throw(error) {
      end();
      release();
      throw error;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
