import type { GraphQLDataSource } from '@apollo/gateway';
import type { GraphQLFormattedError } from 'graphql';
import { cloneJson } from './json.ts';
import type { SubgraphClient } from './subgraph-client.ts';

/** What one operation carries to the data sources. */
export interface OperationContext {
  /** Signed caller; null for Apollo's own health checks. */
  readonly callerToken: string | null;
  readonly requestId: string;
  readonly signal?: AbortSignal | undefined;
}

type Process = GraphQLDataSource<OperationContext>['process'];
type SubgraphResponse = Awaited<ReturnType<Process>>;

/** An unreachable subgraph fails every entity of the fetch; this many say so by path, the rest are null without an entry. */
const maxErrorsOfOneFetch = 10;

/**
 * Apollo's data source over a {@link SubgraphClient}. Equal representations are sent once (fifty rows of ten campaigns ask for ten)
 * and the answers and their errors are spread to all places again.
 */
export function createDataSource(client: SubgraphClient): GraphQLDataSource<OperationContext> {
  return {
    async process(options): Promise<SubgraphResponse> {
      const { query, variables, operationName } = options.request;
      const context = options.context as Partial<OperationContext>;
      const given = variables?.['representations'] as unknown[] | undefined;
      const { unique, indexes } = dedupe(given ?? []);
      const result = await client.execute({
        query: query ?? '',
        variables: given ? { ...variables, representations: unique } : variables,
        operationName,
        callerToken: context.callerToken ?? null,
        requestId: context.requestId ?? 'gateway',
        signal: context.signal,
      });
      return given ? spread(result as SubgraphResponse, indexes, unique.length) : (result as SubgraphResponse);
    },
  };
}

/** Representations by content; `indexes[i]` is the place of the i-th given one among the unique. */
export function dedupe(representations: readonly unknown[]): { unique: unknown[]; indexes: number[] } {
  const places = new Map<string, number>();
  const unique: unknown[] = [];
  const indexes = representations.map((representation) => {
    // The planner builds them field by field in one order, so equal ones have equal text.
    const key = JSON.stringify(representation);
    const known = places.get(key);
    if (known !== undefined) return known;
    places.set(key, unique.length);
    return unique.push(representation) - 1;
  });
  return { unique, indexes };
}

function spread(result: SubgraphResponse, indexes: readonly number[], uniqueCount: number): SubgraphResponse {
  const errors = result.errors?.flatMap((error) => spreadError(error as GraphQLFormattedError, indexes));
  const entities = result.data?.['_entities'] as unknown[] | undefined;
  const data =
    entities && indexes.length > uniqueCount
      ? { ...result.data, _entities: spreadEntities(entities, indexes) }
      : result.data;
  return { ...result, ...(data === undefined ? {} : { data }), ...(errors ? { errors } : {}) };
}

/** The executor merges later answers into these objects, so each place gets its own. */
function spreadEntities(entities: readonly unknown[], indexes: readonly number[]): unknown[] {
  const used = new Set<number>();
  return indexes.map((index) => {
    if (used.has(index)) return cloneJson(entities[index]);
    used.add(index);
    return entities[index];
  });
}

/** `_entities.<unique index>.…` becomes one error per place that entity has; an error of the whole fetch names the first places. */
function spreadError(error: GraphQLFormattedError, indexes: readonly number[]): GraphQLFormattedError[] {
  const [root, index, ...rest] = error.path ?? [];
  if (root !== undefined && typeof index !== 'number') return [error];
  const places: number[] = [];
  for (let place = 0; place < indexes.length; place += 1)
    if (root === undefined || indexes[place] === index) places.push(place);
  const named = root === undefined ? places.slice(0, maxErrorsOfOneFetch) : places;
  return named.map((place) => ({ ...error, path: ['_entities', place, ...rest] }));
}
