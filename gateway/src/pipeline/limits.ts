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
import { createLru } from '../lru.ts';

/** A document that may run: parsed, one operation picked, within the bounds. */
export interface InspectedOperation {
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
}

/** Fields after fragments are expanded; fragments that spread fragments grow exponentially, so the text's length says little. */
const maxExpandedFields = 5_000;
/** Directives of an operation, expanded as its fields are. */
const maxDirectives = 50;
/** Elements of all lists in the variables of one operation; literal lists are bounded by the tokens. */
const maxListElements = 1_000;
/** Texts kept with their document; longer ones are parsed each time, so that the cache's memory is bounded too. */
const inspectedTexts = 500;
export const longestCachedText = 32_768;

/**
 * Parses an operation and holds it against the limits (tokens, depth, aliases, expanded fields). Both transports call it before
 * anything else looks at the text. Throws a GraphQLError coded GRAPHQL_PARSE_FAILED, GRAPHQL_VALIDATION_FAILED (no such
 * operation) or OPERATION_TOO_LARGE. Documents are cached by text and shared: never change one.
 */
export function createOperationInspector(): (
  query: string,
  operationName: string | null | undefined,
) => InspectedOperation {
  const documents = createLru<string, DocumentNode>(inspectedTexts);
  const checked = new WeakSet<OperationDefinitionNode>();
  return (query, operationName) => {
    const document = documents.get(query) ?? parseOperation(query);
    if (query.length <= longestCachedText) documents.set(query, document);
    const operation = pickOperation(document, operationName);
    if (!checked.has(operation)) {
      checkSize(document, operation);
      checked.add(operation);
    }
    return { document, operation };
  };
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
  throw new GraphQLError(message, { extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } });
}

function tooLarge(what: string, limit: number): GraphQLError {
  const error = new CodedError('OPERATION_TOO_LARGE', { message: `The operation has over ${limit} ${what}.` });
  return new GraphQLError(error.message, { extensions: { code: error.code, details: { what, limit } } });
}

interface Size {
  readonly depth: number;
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

function checkSize(document: DocumentNode, operation: OperationDefinitionNode): void {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  const size = sizeOf(operation.selectionSet, fragments, new Map());
  if (size.depth > limits.graphqlDepth) throw tooLarge('levels', limits.graphqlDepth);
  if (size.aliases > limits.graphqlAliases) throw tooLarge('aliases', limits.graphqlAliases);
  const directives = size.directives + (operation.directives?.length ?? 0);
  if (directives > maxDirectives) throw tooLarge('directives', maxDirectives);
  if (size.fields > maxExpandedFields) throw tooLarge('fields', maxExpandedFields);
}

const nothing: Size = { depth: 0, aliases: 0, fields: 0, directives: 0 };

/** Each fragment is measured once and counted where it is spread, so the cost is that of the text, not of its expansion. */
function sizeOf(
  selectionSet: SelectionSetNode,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
  measured: Map<string, Size>,
): Size {
  let [depth, aliases, fields, directives] = [0, 0, 0, 0];
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
    aliases += inner.aliases;
    fields += inner.fields;
    directives += inner.directives + (selection.directives?.length ?? 0);
  }
  return { depth, aliases, fields, directives };
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
