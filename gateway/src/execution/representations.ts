import type { FetchNode } from '@apollo/query-planner';
import type { GraphQLSchema } from 'graphql';
import { type Entity, isEntity } from './merge.ts';
import { applyRewrites, isOfType } from './rewrites.ts';

type Selections = NonNullable<FetchNode['requires']>;

/** What one fetch sends: each entity once, and for each which of the given objects it is for. */
export interface Representations {
  readonly unique: readonly Entity[];
  /** Parallel to `unique`. */
  readonly targets: readonly (readonly Entity[])[];
}

/** Objects that lack a required field are left out, as the specification has it. */
export function buildRepresentations(
  schema: GraphQLSchema,
  requires: Selections,
  rewrites: FetchNode['inputRewrites'],
  entities: Iterable<Entity>,
): Representations {
  const places = new Map<string, number>();
  const unique: Entity[] = [];
  const targets: Entity[][] = [];
  for (const entity of entities) {
    const representation = select(schema, entity, requires);
    if (!representation?.['__typename']) continue;
    if (rewrites) applyRewrites(schema, rewrites, representation);
    // Built field by field in one order, so equal ones have equal text.
    const key = JSON.stringify(representation);
    const known = places.get(key);
    if (known !== undefined) {
      targets[known]?.push(entity);
      continue;
    }
    places.set(key, unique.length);
    unique.push(representation);
    targets.push([entity]);
  }
  return { unique, targets };
}

function select(schema: GraphQLSchema, source: Entity, selections: Selections): Entity | null {
  const result: Entity = {};
  for (const selection of selections) {
    if (selection.kind === 'Field') {
      const name = selection.alias ?? selection.name;
      const value = source[name];
      if (value === undefined) return null;
      result[name] = selection.selections ? selectIn(schema, value, selection.selections) : value;
    } else if (selection.typeCondition !== undefined) {
      const typeName = source['__typename'];
      if (typeof typeName !== 'string' || !isOfType(schema, typeName, selection.typeCondition)) continue;
      const inner = select(schema, source, selection.selections);
      if (inner) mergeRequired(result, inner);
    }
  }
  return result;
}

function selectIn(schema: GraphQLSchema, value: unknown, selections: Selections): unknown {
  if (Array.isArray(value)) return value.map((item) => selectIn(schema, item, selections));
  return isEntity(value) ? select(schema, value, selections) : value;
}

/** Into fresh objects only: what the answer holds must not change. */
function mergeRequired(target: Entity, source: Entity): void {
  for (const [key, value] of Object.entries(source)) {
    const known = target[key];
    if (isEntity(known) && isEntity(value)) mergeRequired(known, value);
    else target[key] = value;
  }
}
