import type { FetchNode, PlanNode } from '@apollo/query-planner';
import { CodedError } from '@tributary/schema';
import type { FormattedExecutionResult, GraphQLFormattedError, GraphQLSchema } from 'graphql';
import { toGraphQLError } from '../pipeline/format-error.ts';
import type { SubgraphRequest } from '../subgraph-client.ts';
import { type Entity, isEntity, mergeEntity } from './merge.ts';
import { buildRepresentations, type Representations } from './representations.ts';
import { applyRewrites } from './rewrites.ts';

/** Answers one fetch of a plan; never rejects. */
export type FetchOperation = (
  service: string,
  request: Pick<SubgraphRequest, 'query' | 'variables' | 'operationName'>,
  node: FetchNode,
) => Promise<FormattedExecutionResult>;

export interface PlanRun {
  /** With all join directives: types that callers do not see take part in planning. */
  readonly coreSchema: GraphQLSchema;
  /** Coerced. */
  readonly variables: Readonly<Record<string, unknown>>;
  readonly fetch: FetchOperation;
}

export interface PlanResult {
  /** All that was fetched, before it is shaped into the answer. Equal entities may be the same object. */
  readonly data: Entity;
  readonly errors: readonly GraphQLFormattedError[];
  /** Whether any object occurs in more than one place. */
  readonly shared: boolean;
}

/** An unreachable subgraph fails every entity of the fetch; this many say so by path, the rest are null without an entry. */
const maxErrorsOfOneFetch = 10;

/** Whether {@link executePlan} knows all of it; what it does not know, Apollo's executor runs. */
export function canExecute(node: PlanNode | undefined): boolean {
  if (!node) return true;
  switch (node.kind) {
    case 'Fetch':
      return !node.contextRewrites?.length && !node.hasDefers;
    case 'Flatten':
      return canExecute(node.node);
    case 'Sequence':
    case 'Parallel':
      return node.nodes.every(canExecute);
    case 'Condition':
      return canExecute(node.ifClause) && canExecute(node.elseClause);
    default:
      return false;
  }
}

interface Cursor {
  readonly path: readonly (string | number)[];
  readonly targets: ReadonlySet<Entity>;
}

interface State extends PlanRun {
  readonly root: Entity;
  readonly errors: GraphQLFormattedError[];
  shared: boolean;
}

/**
 * Runs a query plan of Apollo's planner. Beside what Apollo's own executor does it asks for equal entities once, and lets the
 * places that hold the same entity share the object, so that what is nested in it is fetched, merged and shaped once too.
 * Subgraph errors come back with the path of every place that they concern. Never rejects for a subgraph's fault.
 */
export async function executePlan(node: PlanNode | undefined, run: PlanRun): Promise<PlanResult> {
  const state: State = { ...run, root: {}, errors: [], shared: false };
  if (node) await executeNode(state, node, { path: [], targets: new Set([state.root]) });
  return { data: state.root, errors: state.errors, shared: state.shared };
}

async function executeNode(state: State, node: PlanNode, cursor: Cursor): Promise<void> {
  switch (node.kind) {
    case 'Fetch':
      return executeFetch(state, node, cursor);
    case 'Flatten': {
      const targets = new Set<Entity>();
      for (const target of cursor.targets) collect(state, target, node.path, 0, targets);
      if (targets.size === 0) return;
      return executeNode(state, node.node, { path: [...cursor.path, ...node.path], targets });
    }
    case 'Sequence':
      for (const inner of node.nodes) await executeNode(state, inner, cursor);
      return;
    case 'Parallel':
      await Promise.all(node.nodes.map((inner) => executeNode(state, inner, cursor)));
      return;
    case 'Condition': {
      const branch = state.variables[node.condition] ? node.ifClause : node.elseClause;
      if (branch) await executeNode(state, branch, cursor);
      return;
    }
    default:
      throw new CodedError('INTERNAL', { cause: new Error(`A plan node of kind ${node.kind}`) });
  }
}

/** Objects at a path; `@` stands for every element of a list. */
function collect(
  state: State,
  value: unknown,
  path: readonly (string | number)[],
  at: number,
  into: Set<Entity>,
): void {
  if (value === null || value === undefined) return;
  if (Array.isArray(value)) {
    const next = path[at] === '@' ? at + 1 : at;
    for (const item of value) collect(state, item, path, next, into);
    return;
  }
  if (at < path.length) collect(state, (value as Entity)[path[at] as string], path, at + 1, into);
  else if (typeof value !== 'object') return;
  else if (into.has(value as Entity)) state.shared = true;
  else into.add(value as Entity);
}

async function executeFetch(state: State, node: FetchNode, cursor: Cursor): Promise<void> {
  const variables = pick(state.variables, node.variableUsages);
  const { operation: query, operationName } = node;
  if (!node.requires) {
    const result = await state.fetch(node.serviceName, { query, variables, operationName }, node);
    if (result.errors) addErrors(state, result.errors, cursor, null);
    if (!isEntity(result.data)) return;
    applyRewrites(state.coreSchema, node.outputRewrites, result.data);
    for (const target of cursor.targets) mergeEntity(target, result.data);
    return;
  }
  const representations = buildRepresentations(state.coreSchema, node.requires, node.inputRewrites, cursor.targets);
  const { unique } = representations;
  if (unique.length === 0) return;
  const request = { query, operationName, variables: { ...variables, representations: unique } };
  const result = await state.fetch(node.serviceName, request, node);
  if (result.errors) addErrors(state, result.errors, cursor, representations);
  if (!isEntity(result.data)) return;
  const received = result.data['_entities'];
  if (!Array.isArray(received) || received.length !== unique.length) {
    return addErrors(state, [miscounted(node.serviceName)], cursor, representations);
  }
  for (let at = 0; at < received.length; at += 1)
    mergeInto(state, node, representations.targets[at] ?? [], received[at]);
}

function mergeInto(state: State, node: FetchNode, targets: readonly Entity[], received: unknown): void {
  if (!isEntity(received)) return;
  applyRewrites(state.coreSchema, node.outputRewrites, received);
  if (targets.length > 1) state.shared = true;
  for (const target of targets) {
    const typeName = target['__typename'];
    mergeEntity(target, received);
    // Without a type of its own it is of the type that was asked for.
    if (!received['__typename'] && typeName !== undefined) target['__typename'] = typeName;
  }
}

function pick(
  variables: Readonly<Record<string, unknown>>,
  names: readonly string[] | undefined,
): Record<string, unknown> {
  const picked: Record<string, unknown> = {};
  for (const name of names ?? []) if (variables[name] !== undefined) picked[name] = variables[name];
  return picked;
}

function miscounted(service: string): GraphQLFormattedError {
  const cause = new Error(`${service} did not answer one entity per representation`);
  return toGraphQLError(new CodedError('SUBGRAPH_UNAVAILABLE', { cause })).toJSON();
}

/** Errors of one fetch, each with the place or places of the answer that it concerns. */
function addErrors(
  state: State,
  errors: readonly GraphQLFormattedError[],
  cursor: Cursor,
  representations: Representations | null,
): void {
  for (const { locations: _, ...error } of errors) {
    const [root, index, ...rest] = error.path ?? [];
    if (!representations) {
      state.errors.push({ ...error, ...(error.path ? { path: [...cursor.path, ...error.path] } : {}) });
    } else if (root === undefined) {
      // Of the whole fetch.
      const places = placesOf(state, cursor, null).slice(0, maxErrorsOfOneFetch);
      for (const path of places) state.errors.push({ ...error, path });
    } else if (typeof index === 'number') {
      const targets = new Set(representations.targets[index] ?? []);
      for (const path of placesOf(state, cursor, targets)) state.errors.push({ ...error, path: [...path, ...rest] });
    } else state.errors.push(error);
  }
}

/** Paths in the answer of the cursor's objects (of those wanted, or all). Walked only when there is an error to place. */
function placesOf(state: State, cursor: Cursor, wanted: ReadonlySet<Entity> | null): (string | number)[][] {
  const places: (string | number)[][] = [];
  const here: (string | number)[] = [];
  const walk = (value: unknown, at: number): void => {
    if (value === null || value === undefined) return;
    if (Array.isArray(value)) {
      const next = cursor.path[at] === '@' ? at + 1 : at;
      for (const [index, item] of value.entries()) {
        here.push(index);
        walk(item, next);
        here.pop();
      }
    } else if (at < cursor.path.length) {
      const key = cursor.path[at] as string;
      here.push(key);
      walk((value as Entity)[key], at + 1);
      here.pop();
    } else if (typeof value === 'object' && (wanted === null || wanted.has(value as Entity))) places.push([...here]);
  };
  walk(state.root, 0);
  return places;
}
