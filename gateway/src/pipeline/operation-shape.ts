import {
  type ArgumentNode,
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  isCompositeType,
  isInterfaceType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';

/**
 * One composite or leaf field of an operation, its repetitions merged as execution merges them. Cost, actual cost and cache
 * policy are all read off this tree, made once per operation.
 */
export interface FieldShape {
  /** Under which the answer holds it. */
  readonly key: string;
  readonly typeName: string;
  readonly field: GraphQLField<unknown, unknown>;
  readonly namedType: GraphQLNamedType;
  readonly args: readonly ArgumentNode[];
  /** Any of these must hold, each a list of which all must hold; an empty list always does. */
  readonly when: Condition[][];
  readonly children: FieldShape[];
}

/** `@include(if: $variable)` or, with `wanted` false, `@skip`. */
export interface Condition {
  readonly variable: string;
  readonly wanted: boolean;
}

/** The root fields of a validated operation. Introspection fields are left out: they cost nothing and are never cached. */
export function shapeOperation(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): FieldShape[] {
  const root = schema.getRootType(operation.operation);
  if (!root) return [];
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  const children: FieldShape[] = [];
  collect({ schema, fragments }, root, operation.selectionSet, [], children);
  return children;
}

interface Given {
  readonly schema: GraphQLSchema;
  readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>;
}

function collect(
  given: Given,
  parent: GraphQLNamedType,
  { selections }: SelectionSetNode,
  outer: readonly Condition[],
  into: FieldShape[],
): void {
  for (const selection of selections) {
    const own = conditionsOf(selection);
    if (own === null) continue;
    const when = own.length === 0 ? outer : [...outer, ...own];
    if (selection.kind === Kind.INLINE_FRAGMENT) {
      const name = selection.typeCondition?.name.value;
      collect(given, (name && given.schema.getType(name)) || parent, selection.selectionSet, when, into);
    } else if (selection.kind === Kind.FRAGMENT_SPREAD) {
      const fragment = given.fragments.get(selection.name.value);
      const type = fragment && given.schema.getType(fragment.typeCondition.name.value);
      if (fragment && type) collect(given, type, fragment.selectionSet, when, into);
    } else {
      const field = isObjectType(parent) || isInterfaceType(parent) ? parent.getFields()[selection.name.value] : null;
      if (!field) continue;
      const key = selection.alias?.value ?? selection.name.value;
      let shape = into.find((known) => known.key === key && known.typeName === parent.name);
      if (!shape) {
        const namedType = getNamedType(field.type);
        shape = {
          key,
          typeName: parent.name,
          field,
          namedType,
          args: selection.arguments ?? [],
          when: [],
          children: [],
        };
        into.push(shape);
      }
      shape.when.push([...when]);
      if (selection.selectionSet && isCompositeType(shape.namedType)) {
        collect(given, shape.namedType, selection.selectionSet, when, shape.children);
      }
    }
  }
}

/** Null = never selected, whatever the variables. */
function conditionsOf(selection: SelectionNode): Condition[] | null {
  const conditions: Condition[] = [];
  for (const directive of selection.directives ?? []) {
    const name = directive.name.value;
    if (name !== 'include' && name !== 'skip') continue;
    const value = directive.arguments?.find((argument) => argument.name.value === 'if')?.value;
    if (value?.kind === Kind.VARIABLE) conditions.push({ variable: value.name.value, wanted: name === 'include' });
    else if (value?.kind === Kind.BOOLEAN && value.value !== (name === 'include')) return null;
  }
  return conditions;
}

/** Whether the field is in the answer for these variables. */
export function isSelected({ when }: FieldShape, variables: Readonly<Record<string, unknown>>): boolean {
  return when.some((all) => all.every(({ variable, wanted }) => Boolean(variables[variable]) === wanted));
}
