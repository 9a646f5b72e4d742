import { CodedError, limits } from '@tributary/schema';
import {
  type DocumentNode,
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  type OperationDefinitionNode,
  parse,
  type SelectionSetNode,
} from 'graphql';

/** A document that may run: parsed, one operation picked, within the bounds. */
export interface InspectedOperation {
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  /** How often the answer holds a part of the schema: `__schema` and `__type` under each of their names. */
  readonly introspections: number;
}

/** Fields of one operation after fragments are expanded; fragments that spread fragments grow exponentially, so the text's length says little. */
const maxExpandedFields = 5_000;
/**
 * Pairs of fields that merge into one of the answer. Validation compares each pair: a hundred milliseconds for a text that repeats
 * a field a thousand times, 10 for this many. Sixty fragments that each want the same three fields make 5,310.
 */
const maxMergedPairs = 10_000;
const maxOperations = 50;
/** Of one operation. Each may take 100 ms to answer, and tools ask one. */
const maxIntrospections = 3;
/** Selection sets within selection sets, those of fragments too: what walks them does so by its stack. */
const maxNesting = 64;
/** Selections of all operations of a document, fragments expanded once for each field that merges them. */
const maxWalked = 20_000;
/** Directives of an operation, expanded as its fields are. */
const maxDirectives = 50;
/** Elements of all lists in the variables of one operation; literal lists are bounded by the tokens. */
const maxListElements = 1_000;

/**
 * Parses an operation and holds it against the limits (tokens, depth, aliases, expanded fields). Every transport has it called
 * before anything else looks at the text. Throws a GraphQLError coded GRAPHQL_PARSE_FAILED, GRAPHQL_VALIDATION_FAILED (no such
 * operation) or OPERATION_TOO_LARGE.
 */
export function inspectOperation(query: string, operationName: string | null | undefined): InspectedOperation {
  const document = parseOperation(query);
  const operation = pickOperation(document, operationName);
  return { document, operation, introspections: checkSize(document).get(operation) ?? 0 };
}

function parseOperation(query: string): DocumentNode {
  try {
    return parse(query, { maxTokens: limits.graphqlTokens });
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    // graphql-js has no code for it; its text is the only mark.
    if (error.message.includes('Parsing aborted')) throw tooLarge('tokens', limits.graphqlTokens);
    throw new GraphQLError(error.message, {
      source: error.source,
      positions: error.positions,
      extensions: { code: 'GRAPHQL_PARSE_FAILED' },
    });
  }
}

function pickOperation(document: DocumentNode, operationName: string | null | undefined): OperationDefinitionNode {
  const operations = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
  const picked = operationName
    ? operations.find((operation) => operation.name?.value === operationName)
    : operations.length === 1
      ? operations[0]
      : undefined;
  if (picked) return picked;
  const message = operationName
    ? 'There is no operation of that name in the document.'
    : operations.length === 0
      ? 'The document holds no operation.'
      : 'The document holds several operations: say which by operationName.';
  throw invalid(message);
}

function invalid(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } });
}

function tooLarge(what: string, limit: number): GraphQLError {
  const error = new CodedError('OPERATION_TOO_LARGE', { message: `The operation has over ${limit} ${what}.` });
  return new GraphQLError(error.message, { extensions: { code: error.code, details: { what, limit } } });
}

interface Size {
  readonly depth: number;
  /** As depth, but each fragment counts too. */
  readonly nesting: number;
  readonly aliases: number;
  readonly fields: number;
  readonly directives: number;
}

/** Throws a GraphQLError coded OPERATION_TOO_LARGE for variables that nest too deep or whose lists hold too many elements in all. */
export function checkVariables(variables: unknown): void {
  if (countElements(variables, maxListElements, limits.jsonDepth) > maxListElements)
    throw tooLarge('list elements', maxListElements);
}

/** Stops counting once beyond `most`. */
function countElements(value: unknown, most: number, levels: number): number {
  if (value === null || typeof value !== 'object') return 0;
  if (levels === 0) throw tooLarge('levels of variables', limits.jsonDepth);
  let count = Array.isArray(value) ? value.length : 0;
  for (const inner of Array.isArray(value) ? value : Object.values(value)) {
    if (count > most) break;
    count += countElements(inner, most - count, levels - 1);
  }
  return count;
}

/** Of all operations, asked for or not: validation looks at the whole document. Returns the introspections of each. */
function checkSize({ definitions }: DocumentNode): ReadonlyMap<OperationDefinitionNode, number> {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of definitions) {
    if (definition.kind !== Kind.FRAGMENT_DEFINITION) continue;
    const { value: name } = definition.name;
    if (fragments.has(name)) throw invalid(`There can be only one fragment named "${name}".`);
    fragments.set(name, definition);
  }
  const operations = definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
  if (operations.length > maxOperations) throw tooLarge('operations', maxOperations);
  const measured = new Map<string, Size>();
  const counted: Counted = { fragments, pairs: 0, selections: 0, introspections: 0 };
  const introspections = new Map<OperationDefinitionNode, number>();
  for (const operation of operations) {
    const size = sizeOf(operation.selectionSet, fragments, measured);
    if (size.depth > limits.graphqlDepth) throw tooLarge('levels', limits.graphqlDepth);
    if (size.nesting > maxNesting) throw tooLarge('levels, fragments counted', maxNesting);
    if (size.aliases > limits.graphqlAliases) throw tooLarge('aliases', limits.graphqlAliases);
    const directives = size.directives + (operation.directives?.length ?? 0);
    if (directives > maxDirectives) throw tooLarge('directives', maxDirectives);
    if (size.fields > maxExpandedFields) throw tooLarge('fields', maxExpandedFields);
    counted.introspections = 0;
    countPairs([operation.selectionSet], 1, counted);
    if (counted.introspections > maxIntrospections) throw tooLarge('introspection fields', maxIntrospections);
    introspections.set(operation, counted.introspections);
  }
  for (const name of fragments.keys()) {
    // Validation would say so too, as of a name given twice, but only after it has compared all that the fragment holds.
    if (!measured.has(name)) throw invalid(`Fragment "${name}" is never used.`);
  }
  return introspections;
}

interface Counted {
  readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  pairs: number;
  selections: number;
  introspections: number;
}

/** Walks the selections as they merge: level by level, all that one name of the answer selects together. */
function countPairs(merged: readonly SelectionSetNode[], level: number, counted: Counted): void {
  // Deeper only by a cycle of fragments, which validation refuses.
  if (level > limits.graphqlDepth) return;
  const inner = new Map<string, SelectionSetNode[]>();
  const times = new Map<string, number>();
  const spread = new Set<string>();
  const pending = [...merged];
  for (let set = pending.pop(); set; set = pending.pop()) {
    counted.selections += set.selections.length;
    if (counted.selections > maxWalked) throw tooLarge('selections', maxWalked);
    for (const selection of set.selections) {
      if (selection.kind === Kind.INLINE_FRAGMENT) pending.push(selection.selectionSet);
      else if (selection.kind === Kind.FRAGMENT_SPREAD) {
        const fragment = counted.fragments.get(selection.name.value);
        if (!fragment || spread.has(selection.name.value)) continue;
        spread.add(selection.name.value);
        pending.push(fragment.selectionSet);
      } else {
        const key = selection.alias?.value ?? selection.name.value;
        const before = times.get(key) ?? 0;
        const { value: name } = selection.name;
        if (level === 1 && before === 0 && (name === '__schema' || name === '__type')) counted.introspections += 1;
        times.set(key, before + 1);
        counted.pairs += before;
        if (counted.pairs > maxMergedPairs) throw tooLarge('pairs of fields that merge', maxMergedPairs);
        if (!selection.selectionSet) continue;
        const sets = inner.get(key);
        if (sets) sets.push(selection.selectionSet);
        else inner.set(key, [selection.selectionSet]);
      }
    }
  }
  for (const sets of inner.values()) countPairs(sets, level + 1, counted);
}

const nothing: Size = { depth: 0, nesting: 0, aliases: 0, fields: 0, directives: 0 };

/** Each fragment is measured once and counted where it is spread, so the cost is that of the text, not of its expansion. */
function sizeOf(
  selectionSet: SelectionSetNode,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
  measured: Map<string, Size>,
): Size {
  let [depth, nesting, aliases, fields, directives] = [0, 0, 0, 0, 0];
  for (const selection of selectionSet.selections) {
    let inner: Size = nothing;
    if (selection.kind === Kind.FIELD) {
      if (selection.selectionSet) inner = sizeOf(selection.selectionSet, fragments, measured);
      inner = {
        ...inner,
        depth: inner.depth + 1,
        aliases: inner.aliases + (selection.alias ? 1 : 0),
        fields: inner.fields + 1,
      };
    } else if (selection.kind === Kind.INLINE_FRAGMENT) {
      inner = sizeOf(selection.selectionSet, fragments, measured);
    } else {
      inner = fragmentSize(selection.name.value, fragments, measured);
    }
    depth = Math.max(depth, inner.depth);
    nesting = Math.max(nesting, inner.nesting + 1);
    aliases += inner.aliases;
    fields += inner.fields;
    directives += inner.directives + (selection.directives?.length ?? 0);
  }
  return { depth, nesting, aliases, fields, directives };
}

function fragmentSize(
  name: string,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
  measured: Map<string, Size>,
): Size {
  const known = measured.get(name);
  if (known) return known;
  const fragment = fragments.get(name);
  if (!fragment) return nothing;
  // Stands in while the fragment itself is measured: a cycle adds nothing here and is refused by validation.
  measured.set(name, nothing);
  const size = sizeOf(fragment.selectionSet, fragments, measured);
  measured.set(name, size);
  return size;
}
