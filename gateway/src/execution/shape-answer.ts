import { createLru } from '@tributary/platform/lru';
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLBoolean,
  GraphQLFloat,
  GraphQLID,
  GraphQLInt,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  GraphQLString,
  getNamedType,
  isAbstractType,
  isCompositeType,
  isEnumType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';
import { type Entity, isEntity } from './merge.ts';

/** A null where the schema allows none, or a value that is none of its type. */
export type Fault = readonly (string | number)[];

export interface ShapedAnswer {
  readonly data: Entity | null;
  readonly faults: readonly Fault[];
}

/** Gives what was fetched the form that was asked for: only these fields, in their order, nulls passed up to where one may be. */
export type Shaper = (fetched: Entity, shared: boolean) => ShapedAnswer;

/** Sets of `@include` and `@skip` values that are kept compiled. */
const shapersKept = 16;

/**
 * Compiles the form of an operation's answer. What depends on variables (`@include`, `@skip`) is compiled per set of values. The
 * document must be valid, and must not select introspection fields at its root.
 */
export function createShaper(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): (variables: Readonly<Record<string, unknown>>) => Shaper {
  const conditions = conditionVariables(document);
  const shapers = createLru<string, Shaper>(shapersKept);
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  return (variables) => {
    const key = conditions.map((name) => (variables[name] ? 1 : 0)).join('');
    let shaper = shapers.get(key);
    if (!shaper) {
      shaper = compile({ schema, fragments, variables: pickBooleans(conditions, variables) }, operation);
      shapers.set(key, shaper);
    }
    return shaper;
  };
}

function conditionVariables(document: DocumentNode): string[] {
  const names = new Set<string>();
  const text = JSON.stringify(document.definitions, (key, value: unknown) => {
    if (key === 'loc') return undefined;
    const node = value as { kind?: string; name?: { value: string }; arguments?: FieldNode['arguments'] } | null;
    if (node?.kind === Kind.DIRECTIVE && (node.name?.value === 'include' || node.name?.value === 'skip')) {
      const given = node.arguments?.[0]?.value;
      if (given?.kind === Kind.VARIABLE) names.add(given.name.value);
    }
    return value;
  });
  return text ? [...names].sort() : [];
}

function pickBooleans(names: readonly string[], variables: Readonly<Record<string, unknown>>): Record<string, boolean> {
  return Object.fromEntries(names.map((name) => [name, Boolean(variables[name])]));
}

interface Given {
  readonly schema: GraphQLSchema;
  readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly variables: Readonly<Record<string, boolean>>;
}

interface Run {
  readonly faults: Fault[];
  readonly path: (string | number)[];
  /** Answers of objects that occur in several places, by object; null while none does. */
  readonly memo: Map<Selection, Map<Entity, Entity>> | null;
}

/** Marks a null that must be passed up to the next nullable place. */
const invalid = Symbol('invalid');
type Value = unknown | typeof invalid;
type Complete = (run: Run, value: unknown) => Value;

interface CompiledField {
  readonly key: string;
  /** Null for `__typename`. */
  readonly complete: Complete | null;
}

interface Selection {
  /** Null for a type that the schema does not have. */
  fieldsOf(typeName: string): readonly CompiledField[] | null;
  /** Where objects carry no `__typename`. */
  readonly defaultType: string | null;
}

function compile(given: Given, operation: OperationDefinitionNode): Shaper {
  const root = given.schema.getRootType(operation.operation) as GraphQLObjectType;
  const selection = createSelection(given, root, [operation.selectionSet]);
  return (fetched, shared) => {
    const run: Run = { faults: [], path: [], memo: shared ? new Map() : null };
    const data = completeObject(run, selection, { ...fetched, __typename: root.name });
    return { data: data === invalid ? null : (data as Entity), faults: run.faults };
  };
}

function createSelection(given: Given, type: GraphQLOutputType, sets: readonly SelectionSetNode[]): Selection {
  const byType = new Map<string, readonly CompiledField[] | null>();
  return {
    defaultType: isObjectType(type) ? type.name : null,
    fieldsOf(typeName) {
      let fields = byType.get(typeName);
      if (fields === undefined) {
        const object = given.schema.getType(typeName);
        fields = isObjectType(object) ? compileFields(given, object, sets) : null;
        byType.set(typeName, fields);
      }
      return fields;
    },
  };
}

function compileFields(given: Given, object: GraphQLObjectType, sets: readonly SelectionSetNode[]): CompiledField[] {
  const nodes = new Map<string, FieldNode[]>();
  for (const set of sets) collectFields(given, object, set, nodes, new Set());
  const fields: CompiledField[] = [];
  for (const [key, [first, ...others]] of nodes) {
    if (!first) continue;
    if (first.name.value === '__typename') {
      fields.push({ key, complete: null });
      continue;
    }
    const field = object.getFields()[first.name.value];
    if (!field) continue;
    const inner = [first, ...others].flatMap(({ selectionSet }) => (selectionSet ? [selectionSet] : []));
    const named = getNamedType(field.type);
    const selection = isCompositeType(named) ? createSelection(given, named, inner) : null;
    fields.push({ key, complete: completerOf(field.type, selection) });
  }
  return fields;
}

function collectFields(
  given: Given,
  object: GraphQLObjectType,
  { selections }: SelectionSetNode,
  into: Map<string, FieldNode[]>,
  visited: Set<string>,
): void {
  for (const selection of selections) {
    if (!isIncluded(given, selection)) continue;
    if (selection.kind === Kind.FIELD) {
      const key = selection.alias?.value ?? selection.name.value;
      const known = into.get(key);
      if (known) known.push(selection);
      else into.set(key, [selection]);
    } else if (selection.kind === Kind.INLINE_FRAGMENT) {
      if (applies(given, object, selection.typeCondition?.name.value)) {
        collectFields(given, object, selection.selectionSet, into, visited);
      }
    } else {
      const name = selection.name.value;
      const fragment = given.fragments.get(name);
      if (!fragment || visited.has(name) || !applies(given, object, fragment.typeCondition.name.value)) continue;
      visited.add(name);
      collectFields(given, object, fragment.selectionSet, into, visited);
    }
  }
}

function isIncluded({ variables }: Given, { directives }: SelectionSetNode['selections'][number]): boolean {
  for (const directive of directives ?? []) {
    const name = directive.name.value;
    if (name !== 'include' && name !== 'skip') continue;
    const value = directive.arguments?.[0]?.value;
    const holds =
      value?.kind === Kind.VARIABLE ? variables[value.name.value] : value?.kind === Kind.BOOLEAN && value.value;
    if (Boolean(holds) !== (name === 'include')) return false;
  }
  return true;
}

function applies({ schema }: Given, object: GraphQLObjectType, condition: string | undefined): boolean {
  if (condition === undefined || condition === object.name) return true;
  const type = schema.getType(condition);
  return isAbstractType(type) && schema.isSubType(type, object);
}

function completerOf(type: GraphQLOutputType, selection: Selection | null): Complete {
  if (isNonNullType(type)) {
    const inner = completerOf(type.ofType, selection);
    return (run, value) => {
      const before = run.faults.length;
      const completed = inner(run, value);
      if (completed !== null && completed !== invalid) return completed;
      // A fault below says it already.
      if (run.faults.length === before) run.faults.push([...run.path]);
      return invalid;
    };
  }
  const inner = nullableCompleterOf(type, selection);
  return (run, value) => {
    if (value === null || value === undefined) return null;
    const completed = inner(run, value);
    return completed === invalid ? null : completed;
  };
}

function nullableCompleterOf(type: GraphQLOutputType, selection: Selection | null): Complete {
  if (isListType(type)) {
    const complete = completerOf(type.ofType as GraphQLOutputType, selection);
    return (run, value) => (Array.isArray(value) ? completeList(run, complete, value) : fault(run));
  }
  if (selection) return (run, value) => (isEntity(value) ? completeObject(run, selection, value) : fault(run));
  const fits = leafCheck(type);
  return (run, value) => (fits(value) ? value : fault(run));
}

function fault(run: Run): null {
  run.faults.push([...run.path]);
  return null;
}

function completeList(run: Run, complete: Complete, list: readonly unknown[]): Value {
  const completed: unknown[] = new Array(list.length);
  let bubbles = false;
  const at = run.path.length;
  for (let index = 0; index < list.length; index += 1) {
    run.path[at] = index;
    const value = complete(run, list[index]);
    if (value === invalid) bubbles = true;
    else completed[index] = value;
  }
  run.path.length = at;
  return bubbles ? invalid : completed;
}

function completeObject(run: Run, selection: Selection, entity: Entity): Value {
  const known = run.memo?.get(selection)?.get(entity);
  if (known) return known;
  const typeName = (entity['__typename'] as string | undefined) ?? selection.defaultType;
  const fields = typeName === null ? null : selection.fieldsOf(typeName);
  if (!fields) return fault(run);
  const before = run.faults.length;
  const completed: Entity = {};
  const at = run.path.length;
  for (const { key, complete } of fields) {
    if (!complete) {
      completed[key] = typeName;
      continue;
    }
    run.path[at] = key;
    const value = complete(run, entity[key]);
    if (value === invalid) {
      run.path.length = at;
      return invalid;
    }
    completed[key] = value;
  }
  run.path.length = at;
  // A fault names one place, so an object that has one is looked at in each.
  if (run.memo && run.faults.length === before) remember(run.memo, selection, entity, completed);
  return completed;
}

function remember(memo: NonNullable<Run['memo']>, selection: Selection, entity: Entity, completed: Entity): void {
  const known = memo.get(selection);
  if (known) known.set(entity, completed);
  else memo.set(selection, new Map([[entity, completed]]));
}

/** Whether a value can be one of that leaf type. Custom scalars may be any JSON. */
function leafCheck(type: GraphQLOutputType): (value: unknown) => boolean {
  if (isEnumType(type)) {
    const names = new Set(type.getValues().map(({ name }) => name));
    return (value) => typeof value === 'string' && names.has(value);
  }
  switch (getNamedType(type).name) {
    case GraphQLInt.name:
      return (value) => Number.isInteger(value);
    case GraphQLFloat.name:
      return (value) => typeof value === 'number';
    case GraphQLString.name:
      return (value) => typeof value === 'string';
    case GraphQLBoolean.name:
      return (value) => typeof value === 'boolean';
    case GraphQLID.name:
      return (value) => typeof value === 'string' || Number.isInteger(value);
    default:
      return () => true;
  }
}
