import {
  type ConstDirectiveNode,
  type DocumentNode,
  type FieldDefinitionNode,
  type InterfaceTypeDefinitionNode,
  type InterfaceTypeExtensionNode,
  Kind,
  type ObjectTypeDefinitionNode,
  type ObjectTypeExtensionNode,
  valueFromASTUntyped,
} from 'graphql';

/** What the schema says of a field (or of a type) beside its type: `@cost`, `@listSize`, `@cacheControl` and `@tag`. */
export interface Hint {
  readonly weight?: number;
  readonly listSize?: ListSizeHint;
  readonly maxAgeSeconds?: number;
  readonly isPrivate?: boolean;
  readonly inheritMaxAge?: boolean;
  readonly personal?: boolean;
}

export interface ListSizeHint {
  readonly assumedSize?: number;
  readonly slicingArguments?: readonly string[];
  readonly sizedFields?: readonly string[];
}

export interface Hints {
  ofField(typeName: string, fieldName: string): Hint | undefined;
  ofType(typeName: string): Hint | undefined;
}

/**
 * Reads the hints of any number of SDL documents: the supergraph's and, since composition drops `@cacheControl`, those of the
 * subgraphs. Where two state the same hint, the costlier weight, the shorter age and the stricter scope hold.
 */
export function readHints(documents: readonly DocumentNode[]): Hints {
  const fields = new Map<string, Hint>();
  const types = new Map<string, Hint>();
  for (const { definitions } of documents) {
    for (const definition of definitions) {
      if (!('directives' in definition) || !('name' in definition) || !definition.name) continue;
      if (definition.kind === Kind.DIRECTIVE_DEFINITION) continue;
      add(types, definition.name.value, hintOf((definition.directives ?? []) as readonly ConstDirectiveNode[]));
      if (!hasFields(definition)) continue;
      for (const field of definition.fields ?? []) {
        add(fields, `${definition.name.value}.${field.name.value}`, hintOf(field.directives ?? []));
      }
    }
  }
  return {
    ofField: (typeName, fieldName) => fields.get(`${typeName}.${fieldName}`),
    ofType: (typeName) => types.get(typeName),
  };
}

type WithFields =
  | ObjectTypeDefinitionNode
  | ObjectTypeExtensionNode
  | InterfaceTypeDefinitionNode
  | InterfaceTypeExtensionNode;

function hasFields(definition: { readonly kind: string }): definition is WithFields & {
  readonly fields?: readonly FieldDefinitionNode[];
} {
  return (
    definition.kind === Kind.OBJECT_TYPE_DEFINITION ||
    definition.kind === Kind.OBJECT_TYPE_EXTENSION ||
    definition.kind === Kind.INTERFACE_TYPE_DEFINITION ||
    definition.kind === Kind.INTERFACE_TYPE_EXTENSION
  );
}

function add(into: Map<string, Hint>, key: string, hint: Hint): void {
  if (Object.keys(hint).length === 0) return;
  const known = into.get(key);
  if (!known) return void into.set(key, hint);
  const weight = larger(known.weight, hint.weight);
  const maxAgeSeconds = smaller(known.maxAgeSeconds, hint.maxAgeSeconds);
  into.set(key, {
    ...known,
    ...hint,
    ...(weight === undefined ? {} : { weight }),
    ...(maxAgeSeconds === undefined ? {} : { maxAgeSeconds }),
    ...(known.isPrivate || hint.isPrivate ? { isPrivate: true } : {}),
    ...(known.personal || hint.personal ? { personal: true } : {}),
  });
}

function hintOf(directives: readonly ConstDirectiveNode[]): Hint {
  let hint: Hint = {};
  for (const directive of directives) {
    const given = Object.fromEntries(
      (directive.arguments ?? []).map(({ name, value }) => [name.value, valueFromASTUntyped(value)]),
    ) as Record<string, never>;
    // Unless imported, federation's directives carry its prefix.
    const name = directive.name.value.replace(/^federation__/, '');
    if (name === 'cost') hint = { ...hint, weight: Number(given['weight']) };
    else if (name === 'listSize') hint = { ...hint, listSize: given };
    else if (name === 'tag' && given['name'] === 'personal') hint = { ...hint, personal: true };
    else if (name === 'cacheControl') {
      hint = {
        ...hint,
        ...(given['maxAge'] === undefined ? {} : { maxAgeSeconds: Number(given['maxAge']) }),
        ...(given['scope'] === 'PRIVATE' ? { isPrivate: true } : {}),
        ...(given['inheritMaxAge'] === true ? { inheritMaxAge: true } : {}),
      };
    }
  }
  return hint;
}

function larger(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : Math.max(a, b);
}
function smaller(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : Math.min(a, b);
}
