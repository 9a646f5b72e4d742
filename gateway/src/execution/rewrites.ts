import type { FetchNode } from '@apollo/query-planner';
import { type GraphQLSchema, isAbstractType, isInterfaceType, isObjectType } from 'graphql';
import { type Entity, isEntity } from './merge.ts';

type Rewrites = NonNullable<FetchNode['inputRewrites']>;
const fragmentPrefix = '... on ';

/** Renames and sets what the plan says, in place: aliases that avoid conflicts, and types behind interface objects. */
export function applyRewrites(schema: GraphQLSchema, rewrites: Rewrites | undefined, value: unknown): void {
  for (const rewrite of rewrites ?? []) {
    const last = rewrite.path.at(-1);
    if (last === undefined) continue;
    visit(schema, rewrite.path.slice(0, -1), value, (entity) => {
      if (rewrite.kind === 'ValueSetter') entity[last] = rewrite.setValueTo;
      else if (entity[last] !== undefined && entity[last] !== null) {
        entity[rewrite.renameKeyTo] = entity[last];
        entity[last] = undefined;
      }
    });
  }
}

function visit(schema: GraphQLSchema, path: readonly string[], value: unknown, apply: (entity: Entity) => void): void {
  if (Array.isArray(value)) {
    for (const item of value) visit(schema, path, item, apply);
    return;
  }
  if (!isEntity(value)) return;
  const [first, ...rest] = path;
  const typeName = value['__typename'];
  if (first === undefined) apply(value);
  else if (!first.startsWith(fragmentPrefix)) visit(schema, rest, value[first], apply);
  else if (typeof typeName !== 'string' || isOfType(schema, typeName, first.slice(fragmentPrefix.length))) {
    visit(schema, rest, value, apply);
  }
}

/** Whether an object of that type fits a type condition. */
export function isOfType(schema: GraphQLSchema, typeName: string, condition: string): boolean {
  if (typeName === condition) return true;
  const type = schema.getType(typeName);
  const wanted = schema.getType(condition);
  if (!type || !wanted || !isAbstractType(wanted)) return false;
  return (isObjectType(type) || isInterfaceType(type)) && schema.isSubType(wanted, type);
}
